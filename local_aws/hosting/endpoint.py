"""One endpoint: the owner of its fleet, and what is to be done with it, in order."""

import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from local_aws.clients import Clients
from local_aws.containers.images import UnknownImage, find_image
from local_aws.errors import INTERNAL_ERROR
from local_aws.hosting import model_data, transitions
from local_aws.hosting.fleet import Fleet, Variant
from local_aws.hosting.instance import Deployment, Instance, startup_seconds
from local_aws.hosting.transitions import DeploymentFailed
from local_aws.persistence.resources import NotFound, Resources
from local_aws.runtime.log_stream import LogStream
from local_aws.runtime.python_environment import PythonEnvironment

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"

# By which AWS calls the session of a container's role.
SESSION_NAME = "SageMaker"

# AWS renews the keys of a container for as long as it serves.
LONGEST_SERVICE = timedelta(days=3650)

# How often a failure that can't be written down is tried again.
RETRY_SECONDS = 2


class Closing(Exception):
    """The stand-in ends: the record stays as it is, for the next one to go on."""


@dataclass(frozen=True)
class Surroundings:
    """What all endpoints share. `folder` holds their models, `pool` does their work."""

    resources: Resources
    clients: Clients
    folder: Path
    pool: ThreadPoolExecutor
    closing: threading.Event


class Endpoint:
    """An actor: `restore`, `deploy`, `rebalance` and `delete` are messages to it.

    They are worked off one at a time, in the order in which they came, each on what
    the record says by then. `fleet` is where requests go, None while nothing serves.
    """

    def __init__(self, region: str, name: str, surroundings: Surroundings) -> None:
        self.fleet: Fleet | None = None
        self.is_returning = False
        self._region = region
        self._name = name
        self._surroundings = surroundings
        self._messages: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._starting: Fleet | None = None
        # Fleets and instances that leave are drained beside the messages.
        self._drains: list[threading.Thread] = []
        self._leaving: set[Fleet] = set()

    def restore(self) -> None:
        """Serve again what was in service when an earlier run ended."""
        self.is_returning = True
        self._send(self._restore)

    def deploy(self) -> None:
        """Bring the pending configuration into service."""
        self._send(self._deploy)

    def rebalance(self) -> None:
        """Put the desired weights and instance counts in force."""
        self._send(self._rebalance)

    def delete(self) -> None:
        """End the containers, after the calls under way, and forget the endpoint."""
        self._send(self._delete)

    def kill(self) -> None:
        """End all containers at once; the record stays as it is."""
        with self._lock:
            starting = self._starting
        for fleet in (starting, self.fleet, *list(self._leaving)):
            if fleet is not None:
                fleet.kill()

    def _send(self, message: Callable[[], None]) -> None:
        with self._lock:
            self._messages.append(message)
            if message == self._delete and self._starting is not None:
                self._starting.kill()  # nobody waits for it any more
            if len(self._messages) > 1:
                return  # a thread is at work: a message stays until it is done
        self._surroundings.pool.submit(self._work_off)

    def _work_off(self) -> None:
        while True:
            self._work(self._messages[0])
            with self._lock:
                self._messages.popleft()
                if not self._messages:
                    return

    def _work(self, message: Callable[[], None]) -> None:
        try:
            message()
        except DeploymentFailed as error:
            reason = str(error)
            self._insist(lambda: self._fail(reason))
        except Exception:  # a fault of ours: it must end as a failure, not in progress
            if not self._surroundings.closing.is_set():
                log.exception("endpoint %s broke", self._name)
                self._insist(lambda: self._fail(INTERNAL_ERROR))

    def _insist(self, change: Callable[[], None]) -> None:
        """Change the record even if the disk is full now: the endpoint must not stay
        in progress for ever.
        """
        while not self._surroundings.closing.is_set():
            try:
                return change()
            except (NotFound, Closing):
                return None
            except Exception:  # a full disk, or whatever the store meets: try again
                log.exception("the record of endpoint %s", self._name)
                self._surroundings.closing.wait(RETRY_SECONDS)

    def _get(self) -> dict:
        return self._surroundings.resources.get(
            self._region, transitions.KIND, self._name
        )

    def _update(self, change: Callable[[dict], None]) -> None:
        if self._surroundings.closing.is_set():
            raise Closing
        self._surroundings.resources.update(
            self._region, transitions.KIND, self._name, change
        )

    def _fail(self, reason: str) -> None:
        in_service = self.fleet is not None
        self._update(lambda record: transitions.fail(record, reason, in_service))

    def _restore(self) -> None:
        try:
            record = self._get()
            if record["EndpointStatus"] == "Deleting":
                return
            self._remove_other_models(record)
            variants = record["ProductionVariants"]
            self.fleet = self._start_fleet(
                record["_configuration"],
                record["_models"],
                self._folder(record, record["_serving"]),
                {v["VariantName"]: v["CurrentWeight"] for v in variants},
                {v["VariantName"]: v["CurrentInstanceCount"] for v in variants},
            )
            self._update(transitions.finish_restoring)
        except Closing:
            raise
        except DeploymentFailed as error:
            self._fail_restoring(str(error))
        except Exception:  # a fault of ours, as in _work
            self._fail_restoring(INTERNAL_ERROR)
            log.exception("endpoint %s does not come back", self._name)
        finally:
            self.is_returning = False

    def _fail_restoring(self, reason: str) -> None:
        self._update(lambda record: transitions.fail_restoring(record, reason))

    def _deploy(self) -> None:
        record = self._get()
        configuration, models = record["_next"]
        folder = self._folder(record, record["_generation"])
        variants = configuration["ProductionVariants"]
        try:
            fleet = self._start_fleet(
                configuration,
                models,
                folder,
                {v["VariantName"]: v["InitialVariantWeight"] for v in variants},
                {v["VariantName"]: v["InitialInstanceCount"] for v in variants},
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        old, self.fleet = self.fleet, fleet
        try:
            self._update(
                lambda record: transitions.finish_deployment(
                    record, configuration, models
                )
            )
        except BaseException:
            self.fleet = old
            fleet.kill()
            raise
        if "_serving" in record:
            self._drain(old, folder=self._folder(record, record["_serving"]))

    def _rebalance(self) -> None:
        record = self._get()
        if self.fleet is None:  # it could not be restored
            self._fail(record.get("FailureReason", INTERNAL_ERROR))
            return
        fleet, variants = self.fleet, record["ProductionVariants"]
        leaving = fleet.scale(
            {v["VariantName"]: v["DesiredInstanceCount"] for v in variants}
        )
        fleet.set_weights({v["VariantName"]: v["DesiredWeight"] for v in variants})
        self._insist(lambda: self._update(transitions.finish_rebalancing))
        if leaving:
            self._drain(fleet, leaving)

    def _delete(self) -> None:
        record = self._get()
        fleet, self.fleet = self.fleet, None
        self._drain(fleet)
        for drain in self._drains:
            drain.join()
        self._drains.clear()
        shutil.rmtree(self._surroundings.folder / record["_id"], ignore_errors=True)
        resources = self._surroundings.resources
        self._insist(
            lambda: resources.delete(self._region, transitions.KIND, self._name)
        )

    def _drain(
        self,
        fleet: Fleet | None,
        instances: list[Instance] | None = None,
        folder: Path | None = None,
    ) -> None:
        """End these instances, or all, after their calls; then remove `folder`.

        The next message does not wait for it.
        """

        def run() -> None:
            if fleet is not None:
                fleet.stop(instances)
                self._leaving.discard(fleet)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

        if fleet is not None:
            self._leaving.add(fleet)
        drain = threading.Thread(target=run, daemon=True, name="drain")
        self._drains = [one for one in self._drains if one.is_alive()] + [drain]
        drain.start()

    def _folder(self, record: dict, generation: int) -> Path:
        """Where the unpacked models of one deployment of the endpoint are."""
        return self._surroundings.folder / record["_id"] / str(generation)

    def _remove_other_models(self, record: dict) -> None:
        """Remove what deployments have left that an earlier run did not finish."""
        needed = {str(record["_serving"]), str(record["_generation"])}
        for folder in (self._surroundings.folder / record["_id"]).glob("*"):
            if folder.name not in needed:
                shutil.rmtree(folder, ignore_errors=True)

    def _start_fleet(
        self,
        configuration: dict,
        models: dict,
        folder: Path,
        weights: dict[str, float],
        counts: dict[str, int],
    ) -> Fleet:
        """A healthy fleet; `models`, `weights` and `counts` are by variant name.

        Raises DeploymentFailed.
        """
        with ExitStack() as undo:
            variants = {}
            for variant in configuration["ProductionVariants"]:
                name = variant["VariantName"]
                deployment = self._deployment(variant, models[name], folder / name)
                undo.callback(deployment.close)
                variants[name] = Variant(deployment, weights[name])
            fleet = Fleet(variants, self._surroundings.closing)
            with self._lock:
                closing = self._surroundings.closing.is_set()
                if closing or self._delete in self._messages:
                    raise DeploymentFailed("Nobody waits for it any more.")
                self._starting = fleet
            try:
                fleet.scale(counts)
            finally:
                self._starting = None
            undo.pop_all()
        return fleet

    def _deployment(self, variant: dict, model: dict, folder: Path) -> Deployment:
        clients, region = self._surroundings.clients, self._region
        try:
            image = find_image(model["image"])
        except UnknownImage as error:
            raise DeploymentFailed(str(error)) from error
        model_data.provide(clients.s3(region), model["uri"], folder)
        with ExitStack() as cleanup:
            python, outside = None, str
            if image.runs_scripts:
                python = PythonEnvironment(folder)
                cleanup.callback(python.close)
                outside = python.outside

            def open_log(stream: str) -> LogStream:
                logs, group = clients.logs(region), f"{LOG_GROUP}/{self._name}"
                log_stream = LogStream(logs, group, stream, folder, outside=outside)
                if image.runs_scripts:
                    log_stream.write_line(image.what_really_runs())
                return log_stream

            return Deployment(
                variant["VariantName"],
                image,
                {**model["environment"], **self._identity(model, cleanup)},
                folder,
                startup_seconds(variant),
                open_log,
                python,
                cleanup.pop_all().close,
            )

    def _identity(self, model: dict, cleanup: ExitStack) -> dict[str, str]:
        """What lets a container call AWS as its role, until `cleanup`; a model that is
        cut off from the network has no keys.
        """
        clients, region = self._surroundings.clients, self._region
        threads = {"OMP_NUM_THREADS": "1"}
        role = model.get(
            "role"
        )  # None: deployed by an edition whose models had no keys
        if model.get("isolated") or role is None:
            return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **threads}
        credentials = clients.credentials
        session = credentials.of_role(role, SESSION_NAME, LONGEST_SERVICE)
        cleanup.callback(credentials.end, session)
        return clients.environment_of(session, region) | threads
