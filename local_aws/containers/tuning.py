"""What a tuning job may ask of an algorithm: which hyperparameters it may search, in
which limits, and which metrics it may go by. Each algorithm's package says it in its
module `tuning`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tunable:
    """A hyperparameter that may be tuned.

    kind: "integer", "continuous" or "categorical". accepts: whether it may have this
    text as its value. limits: what it may be, for people to read.
    """

    kind: str
    accepts: Callable[[str], bool]
    limits: str


@dataclass(frozen=True)
class Tuning:
    """hyperparameters: those that may be tuned, by name. objectives: the metrics that
    may be the objective, each with "Maximize" or "Minimize".
    """

    hyperparameters: Mapping[str, Tunable]
    objectives: Mapping[str, str]
