"""boto3 clients by which the stand-in's own parts reach this same server.

They get endpoint and keys handed in, and so depend on nothing in the environment.
"""

import threading
from functools import cached_property
from typing import Any

from local_aws.access.credentials import RoleSession, TemporaryCredentials
from local_aws.access.roles import FindRole
from local_aws.installation import HOST, Installation


class Clients:
    """Clients per service and Region, made once. Safe to use from several threads."""

    def __init__(
        self, installation: Installation, endpoint: str, find_role: FindRole
    ) -> None:
        """Nothing is connected yet.

        Args:
            installation: has the keys.
            endpoint: the server's address, for example http://127.0.0.1:4711.
            find_role: looks up a role of IAM in this process: jobs ask about each
                object, which would be a signed call each time.
        """
        self.find_role = find_role
        self.credentials = TemporaryCredentials()
        self._installation = installation
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        # Clients are thread-safe, making one from a session is not (boto3 guide,
        # "Multithreading or multiprocessing with clients").
        self._lock = threading.Lock()

    def s3(self, region: str) -> Any:
        return self._client("s3", region)

    def logs(self, region: str) -> Any:
        return self._client("logs", region)

    def cloudwatch(self, region: str) -> Any:
        return self._client("cloudwatch", region)

    def environment_of(self, session: RoleSession, region: str) -> dict[str, str]:
        """What lets the AWS clients in a process reach this server as a role's session.

        Each of the variables is one that AWS documents; none has a meaning here only.
        """
        return {
            **session.environment,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._clients:
                client = self._session.client(
                    service, region, endpoint_url=self._endpoint, config=self._config
                )
                # botocore makes them on first use: two threads at once would see two
                # classes of one name, and not catch each other's.
                _ = client.exceptions
                self._clients[service, region] = client
            return self._clients[service, region]

    @cached_property
    def _session(self) -> Any:
        import boto3.session  # which the process imports when it is sealed

        return boto3.session.Session(
            self._installation.access_key_id, self._installation.secret_access_key
        )

    @cached_property
    def _config(self) -> Any:
        from botocore.config import Config

        return Config(
            max_pool_connections=32,
            retries={"mode": "standard"},
            s3={"addressing_style": "path"},
            proxies={},
        )
