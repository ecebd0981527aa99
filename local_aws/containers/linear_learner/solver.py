"""The optimiser: several models side by side, each by stochastic gradient descent.

Every epoch's model is the mean of that epoch's steps (Polyak and Ruppert's averaging,
begun anew each epoch); with l1, which makes coefficients exactly 0, it is the last
step. So it comes near to least squares at a constant rate, whichever it is: on
Boston's houses the test error is within 3 % for rates from 0.03 to 0.3.
"""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.regressor import Loss

# The same job gives the same model.
_SEED = 0

# What "auto" tries, the most useful first.
_LEARNING_RATES = (0.1, 0.03, 0.01, 0.003)
_WEIGHT_DECAYS = (0.0001, 0.01)
_L1 = (0.0,)
_AUTO_MODELS = 8

# From where more are drawn when more models are asked for: AWS page "Tune a linear
# learner model".
_LEARNING_RATE_RANGE = (1e-5, 1.0)
_REGULARIZATION_RANGE = (1e-7, 1.0)

_SCHEDULE = {
    "lr_scheduler_step": 10,
    "lr_scheduler_factor": 0.99,
    "lr_scheduler_minimum_lr": 1e-5,
}


@dataclass(frozen=True)
class Candidate:
    """The hyperparameters in which the models differ, and the rate's schedule.

    Every lr_scheduler_step mini-batches the rate is multiplied by the factor.
    """

    learning_rate: float
    l1: float
    wd: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float

    def rate_after(self, batches: int) -> float:
        """The learning rate after that many mini-batches."""
        decayed = self.learning_rate * self.lr_scheduler_factor ** (
            batches // self.lr_scheduler_step
        )
        lowest = min(self.lr_scheduler_minimum_lr, self.learning_rate)
        return max(decayed, lowest)

    def description(self) -> dict[str, Any]:
        """For the log, as AWS orders it."""
        return {"optimizer": "sgd", **asdict(self)}


def candidates(values: Values) -> list[Candidate]:
    """What the models are to be trained with, the first of them AWS's "model 0".

    A hyperparameter that is set is the same in all of them. In a tuning job there is
    one (AWS page "Tune a linear learner model"); when all three are set, there is no
    more than one either.
    """
    schedule = {
        name: default if values[name] == "auto" else values[name]
        for name, default in _SCHEDULE.items()
    }
    if not values["use_lr_scheduler"]:
        schedule["lr_scheduler_factor"] = 1.0
    count = _AUTO_MODELS if values["num_models"] == "auto" else values["num_models"]
    if values["_tuning_objective_metric"]:
        count = 1
    tried = {
        "wd": _WEIGHT_DECAYS,
        "l1": _L1,
        "learning_rate": _LEARNING_RATES,
    }
    grid = {
        name: defaults if values[name] == "auto" else (values[name],)
        for name, defaults in tried.items()
    }
    settings = [
        dict(zip(grid, chosen, strict=True))
        for chosen in itertools.product(*grid.values())
    ]
    free = [name for name in grid if values[name] == "auto"]
    if free and values["num_models"] != "auto":
        settings += _drawn(settings[0], free, count - len(settings))
    return [Candidate(**chosen, **schedule) for chosen in settings[:count]]


def _drawn(first: dict[str, float], free: list[str], count: int) -> list[dict]:
    """`first` with its free hyperparameters drawn evenly on a logarithmic scale."""
    generator = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(count):
        chosen = dict(first)
        for name in free:
            low, high = (
                _LEARNING_RATE_RANGE
                if name == "learning_rate"
                else _REGULARIZATION_RANGE
            )
            power = generator.uniform(np.log10(low), np.log10(high))
            chosen[name] = float(10**power)
        drawn.append(chosen)
    return drawn


class Learner:
    """One model while it is trained. `diverged` once its numbers have overflowed."""

    def __init__(
        self, candidate: Candidate, loss: Loss, use_bias: bool, train: Records
    ) -> None:
        """train: the scaled records that it will be trained on."""
        from sklearn.linear_model import SGDRegressor

        self.candidate = candidate
        self.diverged = False
        self._train = train
        # A step is stable up to about 2 over a row's squared length.
        lengths = np.sum(train.features**2, axis=1)
        self._row_length = float(np.mean(lengths)) + use_bias
        alpha = candidate.wd + candidate.l1
        # The library's average leaves out what l1 takes off the coefficients.
        self._averaged = candidate.l1 == 0
        self._regressor = SGDRegressor(
            loss=loss.library_name,
            epsilon=loss.margin,
            penalty="elasticnet",
            alpha=alpha,
            l1_ratio=candidate.l1 / alpha if alpha else 0.0,
            fit_intercept=use_bias,
            learning_rate="constant",
            random_state=np.random.RandomState(_SEED),
        )

    def train_epoch(self, batches_seen: int) -> None:
        """Go over all records once, in an order of its own."""
        rate = self.candidate.rate_after(batches_seen)
        # t_ is the number of the next step, from which on the average is taken.
        next_step = int(getattr(self._regressor, "t_", 1))
        self._regressor.set_params(
            eta0=rate / max(self._row_length, 1e-12),
            average=next_step if self._averaged else False,
        )
        try:
            self._regressor.partial_fit(self._train.features, self._train.labels)
        except ValueError as error:
            if "overflow" not in str(error):
                raise
            self.diverged = True

    def solution(self) -> tuple[np.ndarray, float]:
        """A copy of the coefficients, (columns,), and the intercept."""
        return self._regressor.coef_.copy(), float(self._regressor.intercept_[0])
