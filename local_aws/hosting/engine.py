"""The hosting engine: all endpoints, and the way to each of them."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local_aws.clients import Clients
from local_aws.hosting import transitions
from local_aws.hosting.endpoint import Endpoint, Surroundings
from local_aws.hosting.invocation_metrics import InvocationMetrics
from local_aws.persistence.resources import Resources

# Endpoints that can be brought up, changed or ended at a time.
WORKERS = 16


class HostingEngine:
    """Passes on what is asked of endpoints, by Region and name, to their actors."""

    def __init__(self, resources: Resources, clients: Clients, folder: Path) -> None:
        """`folder` keeps the models of endpoints, so that they come back after a
        restart even if their artifact has been deleted.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.metrics = InvocationMetrics(clients, folder / "metrics.json")
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="hosting")
        self._closing = threading.Event()
        self._surroundings = Surroundings(
            resources, clients, folder, self._pool, self._closing
        )
        # An entry outlives its endpoint: the name may be used again at any moment.
        self._endpoints: dict[tuple[str, str], Endpoint] = {}

    def restore(self) -> None:
        """Take up all endpoints where an earlier run left them.

        Called before the first request comes, so that each endpoint's first message is
        to come back.
        """
        known = set()
        records = self._surroundings.resources.all_records(transitions.KIND)
        for region, name, record in records:
            known.add(record["_id"])
            status = record["EndpointStatus"]
            endpoint = self._endpoint(region, name)
            if status == "Deleting":
                endpoint.delete()
            elif status == "Creating":
                endpoint.deploy()
            elif "_configuration" in record:
                endpoint.restore()
                if "PendingDeploymentSummary" in record:
                    endpoint.deploy()
                elif status == "Updating":
                    endpoint.rebalance()
        for left_over in self._surroundings.folder.iterdir():
            if left_over.is_dir() and left_over.name not in known:
                shutil.rmtree(left_over, ignore_errors=True)
        self._pool.submit(self.metrics.flush)

    def find(self, region: str, name: str) -> Endpoint | None:
        """The endpoint of this name, if there ever was one since the start."""
        return self._endpoints.get((region, name))

    def _endpoint(self, region: str, name: str) -> Endpoint:
        # One for each name, whoever comes first: setdefault is atomic.
        return self._endpoints.setdefault(
            (region, name), Endpoint(region, name, self._surroundings)
        )

    def deploy(self, region: str, name: str) -> None:
        """Bring the endpoint's pending configuration into service."""
        self._endpoint(region, name).deploy()

    def rebalance(self, region: str, name: str) -> None:
        """Put the desired weights and instance counts in force."""
        self._endpoint(region, name).rebalance()

    def delete(self, region: str, name: str) -> None:
        """End the endpoint's containers and forget it."""
        self._endpoint(region, name).delete()

    def prepare_to_close(self) -> None:
        """Write no more into the records: what fails now has not failed by itself, and
        is taken up again at the next start.
        """
        self._closing.set()

    def close(self) -> None:
        """End all containers at once; the records stay as they are."""
        self.prepare_to_close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for endpoint in list(self._endpoints.values()):
            endpoint.kill()
        self.metrics.save()
