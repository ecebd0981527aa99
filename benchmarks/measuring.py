"""Taking turns, medians, and what every line needs to know."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """How a line is to be run.

    `quick`: sizes that take a second, to see that the code runs; the ratios mean
    nothing then. `say` prints a line of text.
    """

    quick: bool
    say: Say

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict:
    """The median of each contender's own measurements.

    They run one after the other in each round, the order turned by one from round to
    round, so that a busy spell of the machine and what one leaves to the next (caches)
    hit all of them alike.
    """
    names = list(contenders)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            values[name].append(contenders[name]())
    return {name: statistics.median(found) for name, found in values.items()}


def wait_for(condition: Callable[[], bool], every_s: float, patience_s: float) -> None:
    """Return once `condition` holds; raises TimeoutError."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {patience_s:g} seconds")
        time.sleep(every_s)
