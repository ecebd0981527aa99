"""Waiting is answered: a Describe of what is in progress is held open until it is not.

Clients find out that a job has ended, or that an endpoint serves, by asking again and
again, with pauses of up to two minutes. Here the first question is answered at once and
those that follow when there is something to say, so that a client's pauses hardly
matter:

- A waiter of botocore says in its User-Agent that it is one. It is held for as long as
  its own read timeout (60 s by default) lets it be.
- Who has been told "in progress" and asks again is held for 10 s at most.
- So is who asks after a delete, a stop or an update, to whom it is no news that the
  resource is on its way.

A held request takes no thread: it is a coroutine that is woken by the commit that moves
the resource on, by the clock, by the client's leaving or by the stand-in's end.
"""

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor
from dataclasses import dataclass

from local_aws.messages import Disconnected, Request
from local_aws.persistence.resources import NotFound, Resources
from local_aws.sagemaker.families import FAMILIES, Family

WAITER_S = 50.0
# A little less than ten, which some set as their read timeout.
POLLER_S = 9.5
# After a Create: the caller wants to see what was made, and prints it.
NEWS = frozenset({"Creating", "InProgress", "Pending"})
# A client that left after t seconds is not held for so long again.
OF_LAST_PATIENCE = 0.75
REMEMBERED = 10_000
# The two kinds of client that the SDK has, as they call themselves.
SDK_SESSION = "AWS-SageMaker-Python-SDK"
SDK_RESOURCES = "AWS-SageMakerCore"


Key = tuple[str, str, str]  # Region, kind, name
Asker = tuple[object, ...]


@dataclass(frozen=True)
class Described:
    """A resource as a Describe operation has just shown it."""

    family: Family
    region: str
    name: str
    created: float
    status: str | None

    @property
    def key(self) -> Key:
        return self.region, self.family.kind, self.name

    @property
    def is_transitional(self) -> bool:
        return self.status in self.family.transitional


class Waiting:
    """Who is held and who has asked before."""

    def __init__(self, resources: Resources, threads: Executor) -> None:
        self._resources = resources
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._held: dict[Key, set[asyncio.Future[None]]] = {}
        # Who has been told "in progress", and after how many seconds they left, if so.
        self._told: OrderedDict[Asker, float | None] = OrderedDict()
        self._makers: OrderedDict[Key, tuple[str, ...]] = OrderedDict()
        self._is_over = False
        resources.on_change(self._changed)

    async def hold(self, request: Request, shown: Described) -> bool:
        """Hold a request; returns whether it has been, so that the state may be new.

        Raises Disconnected when the client leaves.
        """
        asker = _asker(request, shown)
        seconds = self._seconds(request, shown, asker)
        if not seconds or self._is_over:
            return False
        released = self._loop.create_future()
        self._held.setdefault(shown.key, set()).add(released)
        left = asyncio.ensure_future(request.disconnected())
        began = self._loop.time()
        # It may have moved on since it was read.
        self._look(shown.key)
        try:
            await asyncio.wait(
                (released, left), timeout=seconds, return_when="FIRST_COMPLETED"
            )
        finally:
            self._forget(shown.key, released)
            left.cancel()
        if left.done() and not left.cancelled():
            _put(self._told, asker, self._loop.time() - began)
            raise Disconnected
        return True

    def made(self, request: Request, key: Key) -> None:
        """Take note of who has made a resource."""
        _put(self._makers, key, _agent(request))

    def answered(self, request: Request, shown: Described) -> None:
        """Take note of what a client has been told."""
        asker = _asker(request, shown)
        if shown.is_transitional:
            _put(self._told, asker, self._told.get(asker))
        else:
            self._told.pop(asker, None)

    async def release(self) -> None:
        """Let all requests go on, and hold no more."""
        self._is_over = True
        for key in list(self._held):
            self._release(key)

    def _seconds(self, request: Request, shown: Described, asker: Asker) -> float:
        if not shown.is_transitional:
            return 0.0
        if _is_waiter(request):
            seconds = WAITER_S
        elif (
            asker in self._told
            or shown.status not in NEWS
            or self._is_transformer(request, shown)
        ):
            seconds = POLLER_S
        else:
            return 0.0
        patience = self._told.get(asker)
        if patience is None:
            return seconds
        return min(seconds, patience * OF_LAST_PATIENCE)

    def _is_transformer(self, request: Request, shown: Described) -> bool:
        """Whether the SDK's Transformer asks, for a job that it has just made.

        It does not look at what it has made, so its first question is one of waiting.
        It makes jobs with another client than the one that it asks with.
        """
        maker = self._makers.get(shown.key, ())
        return (
            shown.family.kind == "transform-job"
            and _is_of(SDK_SESSION, maker)
            and _is_of(SDK_RESOURCES, _agent(request))
        )

    def _changed(self, region: str, kind: str, name: str) -> None:
        """A resource was created, changed or deleted; called on any thread."""
        key = region, kind, name
        if key in self._held:
            self._loop.call_soon_threadsafe(self._look, key)

    def _look(self, key: Key) -> None:
        """Release who is held for a resource, if it is no longer on its way."""
        if key in self._held:
            looking = self._loop.run_in_executor(self._threads, self._has_arrived, key)
            looking.add_done_callback(
                lambda found: self._release(key) if found.result() else None
            )

    def _has_arrived(self, key: Key) -> bool:
        try:
            record = self._resources.get(*key)
        except NotFound:
            return True
        return not FAMILIES[key[1]].is_transitional(record)

    def _release(self, key: Key) -> None:
        for held in self._held.pop(key, ()):
            held.set_result(None)

    def _forget(self, key: Key, held: asyncio.Future[None]) -> None:
        others = self._held.get(key, set())
        others.discard(held)
        if not others:
            self._held.pop(key, None)


def _put(memory: OrderedDict, key: tuple, value: object) -> None:
    """Remember something, and forget what was not remembered for the longest time."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _asker(request: Request, shown: Described) -> Asker:
    """Who asks for what: a client that asks again is the same asker.

    Of the User-Agent, the list of features differs between the calls of one client.
    """
    words = tuple(word for word in _agent(request) if not word.startswith("m/"))
    return request.claim.access_key_id, words, shown.key, shown.created


def _is_waiter(request: Request) -> bool:
    """Whether a waiter of botocore asks: its feature is B, as in `m/B,E,Z`."""
    return any(
        "B" in word.removeprefix("m/").split(",")
        for word in _agent(request)
        if word.startswith("m/")
    )


def _agent(request: Request) -> tuple[str, ...]:
    """The words of the User-Agent."""
    return tuple((request.head.header("user-agent") or "").split())


def _is_of(library: str, agent: tuple[str, ...]) -> bool:
    return any(word.startswith(f"lib/{library}#") for word in agent)
