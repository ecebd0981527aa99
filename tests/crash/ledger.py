"""What is expected of each thing that the actors made."""

import random
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, HTTPClientError

# A value that is not known, since the stand-in died before it could be asked for.
ANYTHING = object()


class Down(Exception):
    """The stand-in does not respond any more: it has been killed."""


class Actor:
    """Works on things of its own, and knows what each has to look like.

    A thing's state is plain data as `observe` returns it, None if it is not there.
    """

    def __init__(self, clients: Callable, label: str, rng: random.Random) -> None:
        """`clients(service)` gives a client; `label` keeps names apart."""
        self.clients = clients
        self.label = label
        self.rng = rng
        self.expected: dict[str, Any] = {}
        self.in_flight: dict[str, list[Any]] = {}
        self.done = 0

    def observe(self, name: str) -> Any:
        """The thing's present state."""
        raise NotImplementedError

    def step(self) -> None:
        """One random operation. Raises Down."""
        raise NotImplementedError

    @contextmanager
    def operation(self, name: str, after: Any):
        """An operation that makes the thing's state `after`, if it is acknowledged.

        Raises Down when it is not; it may have happened or not then.
        """
        self.in_flight[name] = [after]
        with connected():
            yield
        del self.in_flight[name]
        self.expected[name] = after
        self.done += 1
        # Asking costs time that is better spent on changes, so not always.
        if self.rng.random() < 0.3:
            self.confirm(name)

    def confirm(self, name: str) -> None:
        """Look whether the thing is as expected, and note what was not known yet."""
        with connected():
            actual = self.observe(name)
        wanted = self.expected.get(name)
        assert same(actual, wanted), difference(name, actual, [wanted])
        self.expected[name] = actual

    def check(self) -> list[str]:
        """After a restart: what differs from what was acknowledged."""
        problems = []
        for name in [*self.expected, *self.in_flight.keys() - self.expected.keys()]:
            allowed = [self.expected.get(name), *self.in_flight.get(name, [])]
            actual = self.observe(name)
            if not any(same(actual, state) for state in allowed):
                problems.append(difference(name, actual, allowed))
            self.expected[name] = actual
        self.in_flight.clear()
        return problems


@contextmanager
def connected():
    """Turn what a dead server causes into Down."""
    try:
        yield
    except (BotoCoreError, HTTPClientError, ConnectionError) as error:
        raise Down(str(error)) from error


def same(actual: Any, wanted: Any) -> bool:
    """Whether they are equal, where ANYTHING equals everything."""
    if wanted is ANYTHING:
        return True
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return wanted.keys() == actual.keys() and all(
            same(actual[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(map(same, actual, wanted))
    return actual == wanted


def difference(name: str, actual: Any, allowed: list[Any]) -> str:
    """A line for the report."""
    states = " or ".join(_short(state) for state in allowed)
    return f"{name} is {_short(actual)}, not {states}"


def _short(state: Any) -> str:
    text = "anything" if state is ANYTHING else repr(state)
    return text if len(text) < 600 else f"{text[:300]} ... {text[-300:]}"


def now_ms() -> int:
    """The time as CloudWatch Logs wants it."""
    return int(time.time() * 1000)
