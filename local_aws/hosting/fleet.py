"""All instances behind one endpoint under one endpoint configuration."""

import itertools
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from local_aws.hosting.instance import Deployment, Instance
from local_aws.hosting.router import Router
from local_aws.hosting.transitions import DeploymentFailed, ping_failure
from local_aws.runtime.model_server import ModelServer, NotHealthy

log = logging.getLogger(__name__)


@dataclass
class Variant:
    """One production variant: its weight and its instances.

    `instances` is replaced and never changed: requests walk it meanwhile.
    """

    deployment: Deployment
    weight: float
    instances: tuple[Instance, ...] = ()
    _turn: itertools.count = field(default_factory=itertools.count)

    def begin_call(self) -> tuple[Instance, ModelServer] | None:
        """An instance, in turn, and its container, with the instance's `end_call` to
        follow; None if no instance takes a call now.
        """
        instances = self.instances
        first = next(self._turn)
        for offset in range(len(instances)):
            instance = instances[(first + offset) % len(instances)]
            if (server := instance.begin_call()) is not None:
                return instance, server
        return None


class Fleet:
    """The variants of an endpoint while one configuration is in force."""

    def __init__(
        self, variants: dict[str, Variant], closing: threading.Event | None = None
    ) -> None:
        """closing: set once the stand-in ends, after which nothing takes log lines."""
        self.variants = variants
        self._closing = closing or threading.Event()
        self._router = Router({name: v.weight for name, v in variants.items()})
        self._living: set[Instance] = set()
        self._is_killed = False

    def scale(self, counts: dict[str, int]) -> list[Instance]:
        """Change the variants' numbers of instances; returns those that leave, which
        the caller stops.

        Raises DeploymentFailed, and all is as before.
        """
        new = {
            name: [
                Instance(variant.deployment)
                for _ in range(counts[name] - len(variant.instances))
            ]
            for name, variant in self.variants.items()
        }
        self._start(list(itertools.chain(*new.values())))
        leaving: list[Instance] = []
        for name, variant in self.variants.items():
            instances = (*variant.instances, *new[name])
            variant.instances = instances[: counts[name]]
            leaving += instances[counts[name] :]
        return leaving

    def _start(self, instances: list[Instance]) -> None:
        """Return when all are healthy; raises DeploymentFailed and leaves none."""
        if not instances:
            return
        self._living.update(instances)
        if self._is_killed:  # when these were not yet among the living
            self.kill()
        with ThreadPoolExecutor(len(instances)) as pool:
            starts = {pool.submit(instance.start): instance for instance in instances}
            try:
                for started in as_completed(starts):
                    try:
                        started.result()
                    except NotHealthy as error:
                        failure = ping_failure(starts[started].variant)
                        raise DeploymentFailed(failure) from error
            except BaseException:
                for instance in instances:
                    instance.kill()
                self._living.difference_update(instances)
                raise

    def set_weights(self, weights: dict[str, float]) -> None:
        """Put new weights in force for all variants; raises ValueError (all 0)."""
        router = Router(weights)
        for name, weight in weights.items():
            self.variants[name].weight = weight
        self._router = router

    def draw(self) -> Variant:
        """The variant for the next request."""
        return self.variants[self._router.draw()]

    def stop(self, instances: Iterable[Instance] | None = None) -> None:
        """End these instances, or all, after the calls that are under way."""
        leaving = list(self._living if instances is None else instances)
        with ThreadPoolExecutor(max(1, len(leaving))) as pool:
            list(pool.map(self._stop, leaving))
        if instances is None:
            self._close()

    def _stop(self, instance: Instance) -> None:
        try:
            instance.drain_and_stop()
        except Exception as error:  # the others must end all the same
            if self._closing.is_set():
                log.warning("the last lines of instance %s: %s", instance.id, error)
            else:
                log.exception("the end of instance %s", instance.id)
        self._living.discard(instance)

    def kill(self) -> None:
        """End all instances at once, those too that are only about to start."""
        self._is_killed = True
        for instance in list(self._living):
            instance.kill()
        self._close()

    def _close(self) -> None:
        for variant in self.variants.values():
            variant.deployment.close()
