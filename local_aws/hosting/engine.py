"""The hosting engine: the fleets of all endpoints, and what changes them."""

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws.clients import Clients
from local_aws.containers.images import find_image
from local_aws.hosting import transitions
from local_aws.hosting.fleet import Fleet, Variant, VariantNotHealthy
from local_aws.hosting.instance import Deployment, startup_seconds
from local_aws.hosting.invocation_metrics import InvocationMetrics
from local_aws.jobs.job import INTERNAL_ERROR
from local_aws.persistence.resources import NotFound, Resources
from local_aws.runtime import archives, s3_objects
from local_aws.runtime.log_stream import LogStream

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"


class DeploymentFailed(Exception):
    """A fleet can't be brought up; the text is the endpoint's FailureReason."""


class HostingEngine:
    """Deploys, updates and deletes endpoints in the background.

    It holds the fleets of the endpoints that can answer, by Region and name.
    """

    def __init__(self, resources: Resources, clients: Clients, folder: Path) -> None:
        """`folder` keeps the models of endpoints, so that they come back after a
        restart even if their artifact has been deleted.
        """
        self._fleets: dict[tuple[str, str], Fleet] = {}
        # Endpoints that an earlier run left in service and that are not up again yet.
        self._returning: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.metrics = InvocationMetrics()
        self._resources = resources
        self._clients = clients
        self._folder = folder
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="hosting")
        self._closing = threading.Event()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def restore(self) -> None:
        """Take up all endpoints where an earlier run left them."""
        known = set()
        for region, name, record in self._resources.all_records(transitions.KIND):
            known.add(record["_id"])
            status = record["EndpointStatus"]
            if status == "Deleting":
                self.delete(region, name)
            elif "_configuration" in record:
                self._returning.add((region, name))
                self._submit(self._bring_back, region, name)
            elif status == "Creating":
                self.deploy(region, name)
        for left_over in self._folder.iterdir():
            if left_over.name not in known:
                shutil.rmtree(left_over)

    def enter(self, region: str, name: str) -> Fleet | None:
        """The fleet to send a request to, with the request counted; None: no such
        endpoint is in service. The caller calls the fleet's `end` afterwards.
        """
        with self._lock:
            fleet = self._fleets.get((region, name))
            if fleet is not None:
                fleet.begin()
            return fleet

    def is_returning(self, region: str, name: str) -> bool:
        """Whether the endpoint will be up in a moment, after a restart."""
        return (region, name) in self._returning

    def _exchange(self, region: str, name: str, fleet: Fleet | None) -> Fleet | None:
        """Route the endpoint's requests to `fleet` (None: nowhere); returns the old."""
        with self._lock:
            old = self._fleets.pop((region, name), None)
            if fleet is not None:
                self._fleets[region, name] = fleet
            return old

    def deploy(self, region: str, name: str) -> None:
        """Bring the endpoint's pending configuration into service."""
        self._submit(self._deploy, region, name)

    def rebalance(self, region: str, name: str) -> None:
        """Put the desired weights and instance counts in force."""
        self._submit(self._rebalance, region, name)

    def delete(self, region: str, name: str) -> None:
        """End the endpoint's containers and forget it."""
        self._submit(self._delete, region, name)

    def close(self) -> None:
        """End all containers at once; the records stay as they are."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for fleet in list(self._fleets.values()):
            fleet.kill()

    def _submit(self, work: Callable[[str, str], None], region: str, name: str) -> None:
        def run() -> None:
            try:
                work(region, name)
            except Exception:
                if self._closing.is_set():
                    return  # what it worked with has been closed under it
                # The endpoint must not stay in progress for ever.
                log.exception("endpoint %s broke", name)
                self._update(
                    region,
                    name,
                    lambda r: transitions.fail_deployment(r, INTERNAL_ERROR),
                )

        self._pool.submit(run)

    def _update(self, region: str, name: str, change: Callable[[dict], None]) -> dict:
        return self._resources.update(region, transitions.KIND, name, change)

    def _deploy(self, region: str, name: str) -> None:
        record = self._resources.get(region, transitions.KIND, name)
        configuration, models = record["_next"]
        try:
            fleet = self._start_fleet(region, record, configuration, models, {}, {})
        except DeploymentFailed as error:
            if "_configuration" in record:
                self._update(
                    region,
                    name,
                    lambda record: transitions.set_status(record, "RollingBack"),
                )
            reason = str(error)
            self._update(region, name, lambda r: transitions.fail_deployment(r, reason))
            shutil.rmtree(self._models(record), ignore_errors=True)
            return
        old = self._exchange(region, name, fleet)
        self._update(
            region,
            name,
            lambda record: transitions.finish_deployment(record, configuration, models),
        )
        if old is not None:
            old.drain_and_stop()
        self._forget_older_models(record)

    def _start_fleet(
        self,
        region: str,
        record: dict,
        configuration: dict,
        models: dict,
        weights: dict[str, float],
        counts: dict[str, int],
    ) -> Fleet:
        """A healthy fleet; raises DeploymentFailed.

        `weights` and `counts` by variant name, where they are not the configuration's.
        """
        name = record["EndpointName"]
        root = self._models(record)
        variants = {}
        for variant in configuration["ProductionVariants"]:
            variant_name = variant["VariantName"]
            model = models[variant_name]
            folder = root / variant_name
            self._provide_model(region, model, folder)
            environment = {
                **model["environment"],
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "OMP_NUM_THREADS": "1",
            }
            deployment = Deployment(
                variant_name,
                find_image(model["image"]),
                environment,
                folder,
                startup_seconds(variant),
            )
            weight = weights.get(variant_name, variant["InitialVariantWeight"])
            variants[variant_name] = Variant(deployment, weight)
            counts = {variant_name: variant["InitialInstanceCount"], **counts}

        def open_log(stream: str) -> LogStream:
            logs = self._clients.logs(region)
            folder = root / stream.partition("/")[0]  # the variant's
            return LogStream(logs, f"{LOG_GROUP}/{name}", stream, folder)

        fleet = Fleet(configuration["EndpointConfigName"], variants, open_log)
        try:
            fleet.start(counts)
        except VariantNotHealthy as error:
            raise DeploymentFailed(transitions.ping_failure(error.variant)) from error
        return fleet

    def _provide_model(self, region: str, model: dict, folder: Path) -> None:
        """Unpack the artifact into `folder`/model, unless an earlier run has."""
        if (folder / "model").is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        archive, unpacked = folder / "model.tar.gz", folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        bucket, key = s3_objects.split_uri(model["uri"])
        try:
            self._clients.s3(region).download_file(bucket, key, str(archive))
            archives.unpack(archive, unpacked)
        except ClientError as error:
            raise DeploymentFailed(
                transitions.download_failure(model["uri"])
            ) from error
        except archives.UnsafeArchive as error:
            raise DeploymentFailed(
                f"Model data at {model['uri']} can't be used: {error}"
            ) from error
        archive.unlink()
        unpacked.rename(folder / "model")  # whole or not at all

    def _bring_back(self, region: str, name: str) -> None:
        """Serve what was in service when an earlier run ended."""
        record = self._resources.get(region, transitions.KIND, name)
        record = {**record, "_generation": record["_serving"]}
        variants = record["ProductionVariants"]
        try:
            fleet = self._start_fleet(
                region,
                record,
                record["_configuration"],
                record["_models"],
                {v["VariantName"]: v["CurrentWeight"] for v in variants},
                {v["VariantName"]: v["CurrentInstanceCount"] for v in variants},
            )
        except DeploymentFailed as error:
            reason = str(error)

            def fail(record: dict) -> None:
                transitions.set_status(record, "Failed")
                record["FailureReason"] = reason

            self._update(region, name, fail)
            return
        finally:
            self._returning.discard((region, name))
        self._exchange(region, name, fleet)

        def change(record: dict) -> None:
            record.pop("PendingDeploymentSummary", None)
            if record["EndpointStatus"] != "InService":
                transitions.set_status(record, "InService")

        self._update(region, name, change)

    def _rebalance(self, region: str, name: str) -> None:
        record = self._resources.get(region, transitions.KIND, name)
        fleet = self._fleets[region, name]
        variants = record["ProductionVariants"]
        try:
            fleet.scale({v["VariantName"]: v["DesiredInstanceCount"] for v in variants})
        except VariantNotHealthy as error:
            fleet.scale({v["VariantName"]: v["CurrentInstanceCount"] for v in variants})
            reason = transitions.ping_failure(error.variant)
            self._update(
                region, name, lambda r: transitions.fail_rebalancing(r, reason)
            )
            return
        fleet.set_weights({v["VariantName"]: v["DesiredWeight"] for v in variants})
        self._update(region, name, transitions.finish_rebalancing)

    def _delete(self, region: str, name: str) -> None:
        record = self._resources.get(region, transitions.KIND, name)
        fleet = self._exchange(region, name, None)
        if fleet is not None:
            fleet.drain_and_stop()
        shutil.rmtree(self._folder / record["_id"], ignore_errors=True)
        try:
            self._resources.delete(region, transitions.KIND, name)
        except NotFound:
            log.info("endpoint %s is gone already", name)

    def _models(self, record: dict) -> Path:
        """Where the unpacked models of the endpoint's present deployment are."""
        return self._folder / record["_id"] / str(record["_generation"])

    def _forget_older_models(self, record: dict) -> None:
        """Later deployments may have begun meanwhile; theirs stay."""
        for folder in (self._folder / record["_id"]).iterdir():
            if int(folder.name) < record["_generation"]:
                shutil.rmtree(folder)
