"""When a job had its instances: the attempts of its run, each with a start and an end.

What lies between two attempts is not billed. The attempts are kept in the record, under
a key of ours: [[start, end], ...] in epoch seconds, an end of None while one runs.
"""

import math

_KEY = "_attempts"


def begin(record: dict, now: float) -> None:
    """Another attempt begins."""
    record.setdefault(_KEY, []).append([now, None])


def end(record: dict, now: float) -> None:
    """The attempt that runs ends, if there is one."""
    attempts = record.get(_KEY, [])
    if attempts and attempts[-1][1] is None:
        attempts[-1][1] = now


def were_made(record: dict) -> bool:
    """Whether the job has ever begun."""
    return _KEY in record


def seconds(record: dict) -> tuple[int, int]:
    """(from the first start to the last end, billed) of attempts that have all ended.

    A second that has begun counts in full.
    """
    attempts = record[_KEY]
    whole = attempts[-1][1] - attempts[0][0]
    billed = sum(end - start for start, end in attempts)
    return math.ceil(whole), math.ceil(billed)
