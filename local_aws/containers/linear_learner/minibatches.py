"""The optimiser of classifiers and of quantile_loss: all models side by side, on the
same mini-batches.

Every epoch's model is the mean of that epoch's steps, as a regressor's is. Criteria
such as accuracy choose among hundreds of models that hardly differ, and would often
choose one that the last steps have carried off: on the bank's calls its ROC AUC was up
to 0.024 below logistic regression's, and with the mean 0.006.
"""

from typing import Protocol

import numpy as np

from local_aws.containers.linear_learner.candidates import SEED, Candidate
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.model import Solutions
from local_aws.containers.linear_learner.scaling import Scaling

# What "auto" is.
_AUTO = {
    "momentum": 0.0,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "bias_lr_mult": 10.0,
    "bias_wd_mult": 0.0,
}
_RMSPROP_DECAY = 0.9
_EPSILON = 1e-8


class Loss(Protocol):
    """What the optimiser has to know of a loss."""

    outputs: int

    def gradient(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The slope of each row's loss, weighted: (rows, outputs, models), as scores.

        labels: (rows,).
        """


class Models:
    """Linear models in one table of parameters.

    A column is one output of one model; those of the first output come first. The last
    row is the bias.
    """

    def __init__(
        self,
        values: Values,
        candidates: list[Candidate],
        loss: Loss,
        train: Records,
        scales: Scaling,
    ) -> None:
        """train: features as they came, which are scaled batch by batch, and labels as
        the loss takes them.
        """
        self.candidates = candidates
        self._loss = loss
        self._train = train
        self._scales = scales
        self._batch = values["mini_batch_size"]
        self._batches = 0
        self._generator = np.random.default_rng(SEED)
        self._settings = {
            name: default if values[name] == "auto" else values[name]
            for name, default in _AUTO.items()
        }
        columns = train.features.shape[1]
        self._parameters = self._average = self._initial(values, columns)
        self._mean = np.zeros_like(self._parameters)
        self._square = np.zeros_like(self._parameters)
        by_row = np.ones((columns + 1, 1))
        by_row[-1] = self._settings["bias_lr_mult"] if values["use_bias"] else 0
        self._rate_factors = by_row
        self._wd = self._by_column("wd") * np.ones((columns + 1, 1))
        self._wd[-1] *= self._settings["bias_wd_mult"]
        self._l1 = self._by_column("l1") * np.ones((columns + 1, 1))
        self._l1[-1] = 0

    def _by_column(self, name: str) -> np.ndarray:
        """A candidate's number for each column of the table."""
        numbers = [getattr(one, name) for one in self.candidates]
        return np.tile(numbers, self._loss.outputs)

    def _initial(self, values: Values, columns: int) -> np.ndarray:
        """The same start for all models."""
        shape = (columns + 1, self._loss.outputs)
        if values["init_method"] == "uniform":
            scale = values["init_scale"]
            one = self._generator.uniform(-scale, scale, shape)
        else:
            one = self._generator.normal(0, values["init_sigma"], shape)
        one[-1] = values["init_bias"] if values["use_bias"] else 0
        return np.repeat(one, len(self.candidates), axis=1)

    def train_epoch(self) -> None:
        """Go over all records once, in a new order."""
        order = self._generator.permutation(len(self._train.labels))
        shape = (-1, self._loss.outputs, len(self.candidates))
        steps = np.zeros_like(self._parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(order), self._batch):
                rows = order[start : start + self._batch]
                table = self._scales.with_ones(self._train.features[rows])
                scores = (table @ self._parameters).reshape(shape)
                slopes = self._loss.gradient(scores, self._train.labels[rows])
                slopes = slopes.reshape(len(rows), -1)
                self._step(table.T @ slopes / len(rows))
                steps += self._parameters
            self._average = steps / -(-len(order) // self._batch)

    def _step(self, gradient: np.ndarray) -> None:
        rates = [one.rate_after(self._batches) for one in self.candidates]
        rate = np.tile(rates, self._loss.outputs) * self._rate_factors
        self._batches += 1
        gradient += self._wd * self._parameters
        optimizers = {"adam": self._adam, "rmsprop": self._rmsprop, "sgd": self._sgd}
        direction, pace = optimizers[self.candidates[0].optimizer](gradient)
        step = rate * pace
        moved = self._parameters - step * direction
        # What l1 takes off, which stops at 0.
        size = np.maximum(np.abs(moved) - step * self._l1, 0)
        self._parameters = np.copysign(size, moved)

    def _adam(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._settings["beta_1"], self._settings["beta_2"]
        self._mean = first * self._mean + (1 - first) * gradient
        self._square = second * self._square + (1 - second) * gradient**2
        square = self._square / (1 - second**self._batches)
        mean = self._mean / (1 - first**self._batches)
        return mean, 1 / (np.sqrt(square) + _EPSILON)

    def _rmsprop(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = _RMSPROP_DECAY
        self._square = decay * self._square + (1 - decay) * gradient**2
        return gradient, 1 / np.sqrt(self._square + _EPSILON)

    def _sgd(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._mean = self._settings["momentum"] * self._mean + gradient
        return self._mean, np.ones(1)

    def solutions(self) -> Solutions:
        """The models whose numbers are finite, for features as they come."""
        shape = (-1, self._loss.outputs, len(self.candidates))
        table = self._average.reshape(shape)
        finite = np.flatnonzero(np.isfinite(table).all(axis=(0, 1)))
        table = table[..., finite]
        weights, bias = self._scales.undo(table[:-1], table[-1])
        return Solutions(finite, weights, bias)
