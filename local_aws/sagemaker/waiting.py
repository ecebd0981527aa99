"""Long polling: a Describe of what is on its way is held open until it has arrived.

Clients find out that a job has ended, or that an endpoint serves, by asking again and
again, with pauses of up to two minutes. Here the first Describe after a Create gets its
response at once and those that follow when there is news, so that a client's pauses
hardly matter:

- A waiter of botocore says in its User-Agent that it is one. It is held from its first
  request on, for as long as its own read timeout (60 s by default) lets it be.
- A client that has seen the resource on its way and asks again is held for 10 s at
  most.
- So is one that asks after a delete, a stop or an update, to which it is no news that
  the resource is on its way.
- A tuning job's counters are news to a loop, which may show them, but not to the SDK's
  `wait`, which would sleep before it asks again.

What a client does not tell can't be heeded. The SDK's `wait(timeout=...)` looks at its
clock between two Describes only, so it may raise a hold later than on AWS; shorter
holds would make every job of more than a few seconds be noticed later by the client's
own pause. A waiter with a read timeout below the hold fails once if it tries nothing
twice: AWS answers it at once, and lets it sleep.

A held request takes no thread: it is a coroutine that is woken by the commit that moves
the resource on, by the clock, by the client's leaving or by the stand-in's end.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from local_aws.errors import StorageError
from local_aws.messages import Disconnected, Request
from local_aws.persistence.resources import NotFound, Resources
from local_aws.sagemaker.families import FAMILIES

WAITER_S = 50.0
# A little less than ten, which some set as their read timeout.
POLLER_S = 9.5
# After a Create: the caller wants to see what was made, and prints it.
NEW = frozenset({"Creating", "InProgress"})
# A client that left after t seconds is not held for so long again.
OF_LAST_PATIENCE = 0.75
REMEMBERED = 10_000
# The two kinds of client that the SDK has, as they call themselves.
SDK_SESSION = "AWS-SageMaker-Python-SDK"
SDK_RESOURCES = "AWS-SageMakerCore"


Key = tuple[str, str, str]  # Region, kind, name
Poller = tuple[object, ...]


@dataclass(frozen=True)
class Standing:
    """A resource on its way: which one it is, and how far it has come."""

    created: float
    progress: object


@dataclass(frozen=True)
class Described:
    """A resource as a Describe operation has just shown it."""

    key: Key
    created: float
    status: str | None
    is_transitional: bool
    progress: object = None

    def is_behind(self, now: Standing | None, heeds_progress: bool) -> bool:
        """Whether there is news."""
        if now is None or now.created != self.created:
            return True
        return heeds_progress and now.progress != self.progress


IsNews = Callable[[Standing | None], bool]


class Waiting:
    """The requests that are held, and the clients that have asked before."""

    def __init__(self, resources: Resources, threads: Executor) -> None:
        self._resources = resources
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        # By resource, each with what is news to it.
        self._held: dict[Key, dict[asyncio.Future[None], IsNews]] = {}
        # Who has seen a resource on its way, and after how many seconds they left.
        self._patience: OrderedDict[Poller, float] = OrderedDict()
        self._transforms: OrderedDict[Key, None] = OrderedDict()
        self._is_over = False
        resources.on_change(self._changed)

    async def hold(self, request: Request, shown: Described) -> bool:
        """Hold a request; returns whether it has been, so that the state may be new.

        Raises Disconnected when the client leaves.
        """
        seconds = self._seconds(request, shown)
        if not seconds:
            return False
        released = self._loop.create_future()
        held = self._held.setdefault(shown.key, {})
        is_news = partial(shown.is_behind, heeds_progress=_heeds_progress(request))
        held[released] = is_news
        left = asyncio.ensure_future(request.disconnected())
        began = self._loop.time()
        try:
            # It may have moved on since it was read.
            now = await self._loop.run_in_executor(
                self._threads, self._on_its_way, shown.key
            )
            if not is_news(now):
                await asyncio.wait(
                    (released, left), timeout=seconds, return_when="FIRST_COMPLETED"
                )
        finally:
            left.cancel()
            del held[released]
            if not held:
                del self._held[shown.key]
        if left.done():
            patience = self._loop.time() - began
            _put(self._patience, _poller(request, shown), patience)
            raise Disconnected
        return True

    def made_transform_job(self, request: Request, key: Key) -> None:
        """Take note of a job that the SDK's Transformer may have made."""
        if _is_of(SDK_SESSION, request):
            _put(self._transforms, key, None)

    def responded(self, request: Request, shown: Described) -> None:
        """Take note of what a client has seen."""
        poller = _poller(request, shown)
        if shown.is_transitional:
            _put(self._patience, poller, self._patience.get(poller, math.inf))
        else:
            self._patience.pop(poller, None)

    async def release(self) -> None:
        """Let all requests go on, and hold no more."""
        self._is_over = True
        for key in self._held:
            self._release(key, None)

    def _seconds(self, request: Request, shown: Described) -> float:
        """For how long to hold a request at most."""
        if not shown.is_transitional or self._is_over:
            return 0.0
        poller = _poller(request, shown)
        if request.head.is_from_waiter:
            seconds = WAITER_S
        elif (
            poller in self._patience
            or shown.status not in NEW
            # The SDK's Transformer does not look at the job that it has made, so that
            # its first Describe is one of waiting. It is sent by another client.
            or (shown.key in self._transforms and _is_of(SDK_RESOURCES, request))
        ):
            seconds = POLLER_S
        else:
            return 0.0
        return min(seconds, self._patience.get(poller, math.inf) * OF_LAST_PATIENCE)

    def _changed(self, *key: str) -> None:
        """A resource was created, changed or deleted; called on any thread."""
        if key in self._held:
            now = self._on_its_way(key)
            self._loop.call_soon_threadsafe(self._release, key, now)

    def _on_its_way(self, key: Key) -> Standing | None:
        """The resource, if it is on its way to another status."""
        try:
            record = self._resources.get(*key)
        except (NotFound, StorageError):  # which those who ask will see for themselves
            return None
        family = FAMILIES[key[1]]
        if not family.is_transitional(record):
            return None
        return Standing(record["CreationTime"], record.get(family.progress))

    def _release(self, key: Key, now: Standing | None) -> None:
        """Release those to whom this is news."""
        for held, is_news in self._held.get(key, {}).items():
            if is_news(now) and not held.done():
                held.set_result(None)


def _put(memory: OrderedDict, key: tuple, value: object) -> None:
    """Remember something, and forget what was not remembered for the longest time."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _poller(request: Request, shown: Described) -> Poller:
    """Who asks for what: a client that asks again is the same poller.

    Of the User-Agent, the list of features differs between the calls of one client.
    """
    words = tuple(word for word in request.head.agent if not word.startswith("m/"))
    return words, shown.key, shown.created


def _heeds_progress(request: Request) -> bool:
    """Whether the client may show how far a resource has come."""
    return not request.head.is_from_waiter and not _is_of(SDK_RESOURCES, request)


def _is_of(library: str, request: Request) -> bool:
    return any(word.startswith(f"lib/{library}#") for word in request.head.agent)
