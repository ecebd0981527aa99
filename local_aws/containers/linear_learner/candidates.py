"""The models that are trained side by side: in what they differ."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from local_aws.containers.linear_learner.hyperparameters import Values

# The same job gives the same models.
SEED = 0

# From where more are drawn when more models are asked for: AWS page "Tune a linear
# learner model".
_LEARNING_RATE_RANGE = (1e-5, 1.0)
_REGULARIZATION_RANGE = (1e-7, 1.0)


@dataclass(frozen=True)
class Grid:
    """What "auto" tries, of each the most useful first.

    models: how many of the combinations "auto" trains.
    """

    models: int
    lr_scheduler_step: tuple[int, ...]
    wd: tuple[float, ...]
    l1: tuple[float, ...]
    learning_rate: tuple[float, ...]


_BY_ROWS = Grid(8, (10,), (0.0001, 0.01), (0.0,), (0.1, 0.03, 0.01, 0.003))
# As many as in AWS's logs, with values that these name.
_BY_MINIBATCHES = Grid(
    32, (100, 10), (0.0001, 0.01), (0.0, 0.0001), (0.1, 0.05, 0.03, 0.02)
)

_SCHEDULE = {"lr_scheduler_factor": 0.99, "lr_scheduler_minimum_lr": 1e-5}


@dataclass(frozen=True)
class Candidate:
    """The hyperparameters in which the models differ, and the rate's schedule.

    Every lr_scheduler_step mini-batches the rate is multiplied by the factor.
    positive_weight: what a positive example counts for, when the algorithm chooses it.
    """

    optimizer: str
    learning_rate: float
    l1: float
    wd: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float
    positive_weight: float | None = None

    def rate_after(self, batches: int) -> float:
        """The learning rate after that many mini-batches."""
        decayed = self.learning_rate * self.lr_scheduler_factor ** (
            batches // self.lr_scheduler_step
        )
        lowest = min(self.lr_scheduler_minimum_lr, self.learning_rate)
        return max(decayed, lowest)

    def description(self) -> dict[str, Any]:
        """For the log, as AWS orders it."""
        found = asdict(self)
        weight = found.pop("positive_weight")
        if weight is not None:
            found["positive_example_weight_mult"] = weight
        return found


def by_rows(values: Values) -> list[Candidate]:
    """What models are to be trained with, row by row; as `_candidates` says."""
    return _candidates(values, _BY_ROWS, "sgd")


def by_minibatches(
    values: Values, positive_weights: tuple[float | None, ...] = (None,)
) -> list[Candidate]:
    """What models are to be trained with, by mini-batches.

    positive_weights: those that are tried; as `_candidates` says.
    """
    asked = values["optimizer"]
    optimizer = "adam" if asked == "auto" else asked
    return _candidates(values, _BY_MINIBATCHES, optimizer, positive_weights)


def _candidates(
    values: Values,
    grid: Grid,
    optimizer: str,
    positive_weights: tuple[float | None, ...] = (None,),
) -> list[Candidate]:
    """The first of them is AWS's "model 0".

    A hyperparameter that is set is the same in all of them. In a tuning job there is
    one (AWS page "Tune a linear learner model"); when all are set, there is no more
    than one either.
    """
    count = grid.models if values["num_models"] == "auto" else values["num_models"]
    if values["_tuning_objective_metric"]:
        count = 1
    tried = {
        name: options if values[name] == "auto" else (values[name],)
        for name, options in vars(grid).items()
        if name != "models"
    }
    tried["positive_weight"] = positive_weights
    schedule = {
        name: default if values[name] == "auto" else values[name]
        for name, default in _SCHEDULE.items()
    }
    if not values["use_lr_scheduler"]:
        schedule["lr_scheduler_factor"] = 1.0
    found = [
        Candidate(optimizer, **dict(zip(tried, chosen, strict=True)), **schedule)
        for chosen in itertools.product(*tried.values())
    ]
    free = [name for name in ("wd", "l1", "learning_rate") if values[name] == "auto"]
    if free and values["num_models"] != "auto":
        found += _drawn(found, free, count - len(found))
    return found[:count]


def _drawn(first: list[Candidate], free: list[str], count: int) -> list[Candidate]:
    """`first` in turn with free hyperparameters drawn evenly on a logarithmic scale."""
    generator = np.random.default_rng(SEED)
    drawn = []
    for number in range(count):
        chosen: Mapping[str, float] = {
            name: float(10 ** generator.uniform(*np.log10(_range(name))))
            for name in free
        }
        drawn.append(replace(first[number % len(first)], **chosen))
    return drawn


def _range(name: str) -> tuple[float, float]:
    return _LEARNING_RATE_RANGE if name == "learning_rate" else _REGULARIZATION_RANGE
