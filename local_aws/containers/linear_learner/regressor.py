"""What belongs to predictor_type regressor: its losses and its final metrics."""

from dataclasses import dataclass

import numpy as np

from local_aws.containers.linear_learner import candidates, minibatches, solver
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.model import LinearModel, Solutions
from local_aws.containers.linear_learner.scaling import Scaling


@dataclass(frozen=True)
class Loss:
    """A loss of the residuals.

    objective: its name in the log. library_name: in scikit-learn's SGDRegressor.
    margin: the loss's own constant (insensitivity, or Huber's delta), in standard
    deviations of the label where the label is normalised.
    """

    objective: str
    library_name: str
    margin: float = 0.0

    def of(self, residuals: np.ndarray, unit: float = 1.0) -> np.ndarray:
        """The loss of each residual.

        unit: one standard deviation of the label in the residuals' own unit; 1 when
        they are normalised.
        """
        margin = self.margin * unit
        absolute = np.abs(residuals)
        if self.library_name == "squared_error":
            losses = residuals**2
        elif self.library_name == "huber":
            linear = margin * (absolute - margin / 2)
            losses = np.where(absolute <= margin, residuals**2 / 2, linear)
        else:
            losses = np.maximum(absolute - margin, 0.0)
            if self.library_name == "squared_epsilon_insensitive":
                losses = losses**2
        return losses

    def mean(self, residuals: np.ndarray, unit: float = 1.0) -> float:
        """The mean loss. unit: as `of` has it."""
        return float(np.mean(self.of(residuals, unit)))


class Quantile(Loss):
    """What is least at the quantile `margin`; it is trained by mini-batches."""

    outputs = 1

    def of(self, residuals: np.ndarray, unit: float = 1.0) -> np.ndarray:
        """The loss of each residual."""
        return np.maximum(-self.margin * residuals, (1 - self.margin) * residuals)

    def gradient(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """As minibatches.Loss says."""
        above = scores >= labels[:, None, None]
        return np.where(above, 1 - self.margin, -self.margin)


def choose_loss(values: Values) -> Loss:
    """The loss that the hyperparameters ask for."""
    name = values["loss"]
    insensitivity = values["loss_insensitivity"]
    losses = {
        "auto": Loss("mse_objective", "squared_error"),
        "squared_loss": Loss("mse_objective", "squared_error"),
        "absolute_loss": Loss("absolute_loss_objective", "epsilon_insensitive"),
        "eps_insensitive_squared_loss": Loss(
            "eps_insensitive_squared_loss_objective",
            "squared_epsilon_insensitive",
            insensitivity,
        ),
        "eps_insensitive_absolute_loss": Loss(
            "eps_insensitive_absolute_loss_objective",
            "epsilon_insensitive",
            insensitivity,
        ),
        "huber_loss": Loss("huber_loss_objective", "huber", values["huber_delta"]),
        "quantile_loss": Quantile("quantile_loss_objective", "", values["quantile"]),
    }
    return losses[name]


class Regressor:
    """What training does for this predictor_type."""

    def __init__(self, values: Values, train: Records, scales: Scaling) -> None:
        """As predictor_types.PredictorType says."""
        self._values = values
        self._scales = scales
        self._loss = choose_loss(values)
        self.objective = self.criterion = self._loss.objective

    def check_labels(self, channel: str, labels: np.ndarray) -> None:
        """Any number is a label."""

    def models(self, train: Records) -> solver.Learners | minibatches.Models:
        """The models to be trained."""
        if isinstance(self._loss, Quantile):
            chosen = candidates.by_minibatches(self._values)
            labels = self._scales.apply_to_labels(train.labels)
            return minibatches.Models(
                self._values,
                chosen,
                self._loss,
                Records(labels, train.features),
                self._scales,
            )
        return solver.Learners(self._values, self._loss, train, self._scales)

    def losses(
        self, channel: str, solutions: Solutions, records: Records
    ) -> np.ndarray:
        """Each model's mean loss: on training data in units of the scaled label and
        on other data in the label's own, as in AWS's log.
        """
        deviation = self._scales.label_deviation
        unit = 1.0 if channel == "train" else deviation

        def of_rows(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
            residuals = (scores[:, 0] - labels[:, None]) / deviation
            return self._loss.of(unit * residuals, unit)

        return solutions.mean(of_rows, records)

    def ranks(
        self, solutions: Solutions, validation: Records, losses: np.ndarray
    ) -> np.ndarray:
        """The lower the loss the better."""
        return -losses

    def finish(self, solution: Solutions, records: Records) -> LinearModel:
        """The chosen model."""
        return LinearModel("regressor", solution.weights[..., 0], solution.bias[:, 0])

    def final_metrics(
        self, channel: str, fitted: LinearModel, records: Records
    ) -> dict[str, float]:
        """What is reported of the chosen model on one data set, in the log's order."""
        residuals = fitted.scores(records.features)[:, 0] - records.labels
        mean_square = float(np.mean(residuals**2))
        return {
            self.objective: self._loss.mean(residuals, self._scales.label_deviation),
            "mse": mean_square,
            "absolute_loss": float(np.mean(np.abs(residuals))),
            "rmse": mean_square**0.5,
        }
