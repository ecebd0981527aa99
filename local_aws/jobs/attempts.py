"""When a job had its instances: the attempts of its run, each with a start and an end.

What lies between two attempts is not billed. The attempts are kept in the record, under
a key of ours: [[start, end], ...] in epoch seconds, an end of None while one runs. How
long one took is measured by a clock that nobody sets, since the system's may be set
back or forward, or the machine may sleep, while a job runs.
"""

import math
import time

_KEY = "_attempts"
_STEADY = "_attempt_began"  # as time.monotonic() says it
_SEEN = "_attempt_seen"  # the present one, by the clock of its start
# Apart from rounding, and small corrections, both clocks run alike.
STEP_S = 0.5


def begin(record: dict, now: float) -> None:
    """Another attempt begins."""
    record.setdefault(_KEY, []).append([now, None])
    record[_STEADY] = time.monotonic()


def running_for(record: dict) -> float:
    """How long the present attempt has run; asked in the process that began it."""
    return time.monotonic() - record[_STEADY]


def seen(record: dict) -> None:
    """Note that the attempt still runs, in case nobody will be there at its end."""
    record[_SEEN] = record[_KEY][-1][0] + running_for(record)


def so_far(record: dict) -> float:
    """How long all attempts have run, the present one too."""
    done = [end - start for start, end in record.get(_KEY, []) if end is not None]
    runs = len(done) < len(record.get(_KEY, []))
    return sum(done) + (running_for(record) if runs else 0.0)


def end(record: dict, now: float) -> None:
    """The attempt that runs ends, if there is one."""
    attempts = record.get(_KEY, [])
    if attempts and attempts[-1][1] is None:
        start, measured = attempts[-1][0], running_for(record)
        was_set = abs(now - start - measured) > STEP_S
        attempts[-1][1] = start + measured if was_set else now


def cut_off(record: dict, last_seen: float) -> float:
    """The process in which the attempt ran has ended, some time after `last_seen`.

    Returns the end of the last attempt, or `last_seen` if there was none.
    """
    attempts = record.get(_KEY, [])
    if attempts and attempts[-1][1] is None:
        attempts[-1][1] = max(last_seen, record.get(_SEEN, 0.0), attempts[-1][0])
    return attempts[-1][1] if attempts else last_seen


def count(record: dict) -> int:
    """How many there have been, the present one too."""
    return len(record.get(_KEY, []))


def were_made(record: dict) -> bool:
    """Whether the job has ever begun."""
    return _KEY in record


def seconds(record: dict) -> tuple[int, int]:
    """(from the first start to the last end, billed) of attempts that have all ended.

    A second that has begun counts in full, and there is one at least.
    """
    attempts = record[_KEY]
    billed = sum(end - start for start, end in attempts)
    whole = max(billed, attempts[-1][1] - attempts[0][0])
    return max(1, math.ceil(whole)), max(1, math.ceil(billed))
