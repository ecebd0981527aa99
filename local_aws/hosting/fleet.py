"""All instances behind one endpoint under one endpoint configuration."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from local_aws.hosting.instance import Deployment, Instance
from local_aws.hosting.router import Router
from local_aws.runtime.log_stream import LogStream
from local_aws.runtime.model_server import NotHealthy

# How long instances that are replaced may finish what they are answering: longer than
# an invocation may take (InvokeEndpoint: 60 seconds).
DRAIN_SECONDS = 70


class VariantNotHealthy(Exception):
    """An instance of the variant of this name did not become healthy."""

    def __init__(self, variant: str) -> None:
        super().__init__(variant)
        self.variant = variant


@dataclass
class Variant:
    """One production variant: its weight and its instances."""

    deployment: Deployment
    weight: float
    instances: list[Instance] = field(default_factory=list)
    _turn: itertools.count = field(default_factory=itertools.count)

    def next_instance(self) -> Instance | None:
        """An instance with a healthy container, in turn; None if there is none now."""
        instances = self.instances
        first = next(self._turn)
        for offset in range(len(instances)):
            instance = instances[(first + offset) % len(instances)]
            if instance.server is not None:
                return instance
        return None


class Fleet:
    """The variants of an endpoint while one configuration is in force."""

    def __init__(
        self,
        configuration: str,
        variants: dict[str, Variant],
        open_log: Callable[[str], LogStream],
    ) -> None:
        self.configuration = configuration
        self.variants = variants
        self._open_log = open_log
        self._router = Router({name: v.weight for name, v in variants.items()})
        self._in_flight = 0
        self._idle = threading.Event()
        self._idle.set()

    def start(self, counts: dict[str, int]) -> None:
        """Bring up `counts` instances of each variant; raises VariantNotHealthy.

        After an error none is left running.
        """
        try:
            self._add(counts)
        except BaseException:
            self.kill()
            raise

    def _add(self, counts: dict[str, int]) -> None:
        new = [
            (variant, Instance(variant.deployment, self._open_log))
            for name, variant in self.variants.items()
            for _ in range(counts[name] - len(variant.instances))
        ]
        if not new:
            return
        for variant, instance in new:
            variant.instances.append(instance)
        with ThreadPoolExecutor(len(new)) as pool:
            starts = [(v, pool.submit(instance.start)) for v, instance in new]
            for variant, started in starts:
                try:
                    started.result()
                except NotHealthy as error:
                    raise VariantNotHealthy(variant.deployment.variant) from error

    def scale(self, counts: dict[str, int]) -> None:
        """Change the numbers of instances; raises VariantNotHealthy."""
        self._add(counts)
        for name, variant in self.variants.items():
            for instance in variant.instances[counts[name] :]:
                variant.instances.remove(instance)
                instance.stop()

    def set_weights(self, weights: dict[str, float]) -> None:
        """Put new weights in force for all variants; raises ValueError (all 0)."""
        router = Router(weights)
        for name, weight in weights.items():
            self.variants[name].weight = weight
        self._router = router

    def draw(self) -> Variant:
        """The variant for the next request."""
        return self.variants[self._router.draw()]

    def begin(self) -> None:
        """A request is on its way. `begin` and `end` are called on one thread."""
        self._in_flight += 1
        self._idle.clear()

    def end(self) -> None:
        """A request has been answered."""
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    def drain_and_stop(self) -> None:
        """Wait for the requests under way, then end all containers."""
        self._idle.wait(DRAIN_SECONDS)
        with ThreadPoolExecutor(8) as pool:
            for variant in self.variants.values():
                for instance in variant.instances:
                    pool.submit(instance.stop)

    def kill(self) -> None:
        """End all containers at once."""
        for variant in self.variants.values():
            for instance in variant.instances:
                instance.kill()
