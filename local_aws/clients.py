"""boto3 clients by which the stand-in's own parts reach this same server.

They get endpoint and keys handed in, and so depend on nothing in the environment.
"""

import threading
from typing import Any

from local_aws.access.roles import FindRole
from local_aws.installation import Installation


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
        self._installation = installation
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        # Clients are thread-safe, making one from a session is not (boto3 guide,
        # "Multithreading or multiprocessing with clients").
        self._lock = threading.Lock()
        self._session: Any = None

    def s3(self, region: str) -> Any:
        return self._client("s3", region)

    def logs(self, region: str) -> Any:
        return self._client("logs", region)

    def cloudwatch(self, region: str) -> Any:
        return self._client("cloudwatch", region)

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._make(service, region)
            return self._clients[service, region]

    def _make(self, service: str, region: str) -> Any:
        # boto3 is not needed before the first job; importing it takes 0.1 s.
        import boto3.session
        from botocore.config import Config

        if self._session is None:
            self._session = boto3.session.Session(
                aws_access_key_id=self._installation.access_key_id,
                aws_secret_access_key=self._installation.secret_access_key,
            )
        config = Config(
            max_pool_connections=32,
            retries={"mode": "standard"},
            s3={"addressing_style": "path"},
            proxies={},
        )
        client = self._session.client(
            service,
            region_name=region,
            endpoint_url=self._endpoint,
            config=config,
        )
        # botocore makes them on first use: two threads at once would see two classes of
        # one name, and not catch each other's.
        _ = client.exceptions
        return client
