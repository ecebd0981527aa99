"""All HTTP APIs of the stand-in: their records, and who serves them."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local_aws.errors import StorageError
from local_aws.functions.invocations import Functions
from local_aws.http_apis import configuration
from local_aws.http_apis.configuration import KIND
from local_aws.http_apis.gateway import Gateway
from local_aws.http_apis.listeners import Listeners
from local_aws.persistence.resources import Resources
from local_aws.server.connection import listen

log = logging.getLogger(__name__)

# They hand events over; functions run on threads of their own.
WORKERS = 8
# In all Regions together: each takes a port, and there must be descriptors left for
# the services where a process may have 1,024.
MOST_APIS = 200


class Apis:
    """Thread-safe. An API is served from its creation to its deletion."""

    def __init__(
        self, resources: Resources, functions: Functions, temporary_folder: Path
    ) -> None:
        self.resources = resources
        self._functions = functions
        self._folder = temporary_folder
        self._threads = ThreadPoolExecutor(WORKERS, "HTTP APIs")
        self._listeners = Listeners()
        # What is served follows what is committed, in the same order.
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Serve what an earlier process has served, at the same ports."""
        for region, api_id, record in list(self.resources.all_records(KIND)):
            try:
                self._restore(region, api_id, record)
            except (OSError, StorageError) as error:
                log.error("API %s can't be served: %s", api_id, error)

    def _restore(self, region: str, api_id: str, record: dict[str, Any]) -> None:
        try:
            listener = listen(record["_port"])
        except OSError as error:
            old = configuration.endpoint_of(record)
            listener = listen()
            try:
                record = self.resources.update(
                    region,
                    KIND,
                    api_id,
                    lambda found: found.update(_port=listener.getsockname()[1]),
                )
            except BaseException:
                listener.close()
                raise
            log.warning(
                "API %s (%s) can't be served at %s (%s); its ApiEndpoint is now %s",
                api_id,
                record["Name"],
                old,
                error.strerror,
                configuration.endpoint_of(record),
            )
        self._listeners.start(api_id, self._gateway(record), listener)

    def create(self, region: str, record: dict[str, Any]) -> None:
        """Add an API, give it a port and serve it. Raises AwsError."""
        listener = listen()
        try:
            record["_port"] = listener.getsockname()[1]
            api_id = record["ApiId"]
            with self._lock:
                if self._listeners.number >= MOST_APIS:
                    raise configuration.bad(
                        f"This local stand-in serves {MOST_APIS} HTTP APIs at most, "
                        "each at a port of its own. Delete one that you do not need."
                    )
                arn = configuration.arn_of(region, api_id)
                self.resources.create(region, KIND, api_id, record, arn)
                try:
                    self._listeners.start(api_id, self._gateway(record), listener)
                except BaseException:
                    self.resources.delete(region, KIND, api_id)
                    raise
        except BaseException:
            listener.close()
            raise

    def update(
        self, region: str, api_id: str, change: Callable[[dict], Any]
    ) -> dict[str, Any]:
        """Change an API and serve it as it is then. Raises NotFound."""
        with self._lock:
            record = self.resources.update(region, KIND, api_id, change)
            gateway = self._listeners.gateway(api_id)
            if gateway is not None:
                gateway.update(record)
        return record

    def delete(self, region: str, api_id: str) -> None:
        """Delete an API and serve it no more. Raises NotFound."""
        with self._lock:
            self.resources.delete(region, KIND, api_id)
            self._listeners.stop(api_id)

    def close(self) -> None:
        """Serve nothing more; what is being created or deleted comes first."""
        with self._lock:
            self._listeners.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _gateway(self, record: dict[str, Any]) -> Gateway:
        return Gateway(record, self._functions, self._threads, self._folder)
