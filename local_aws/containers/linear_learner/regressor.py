"""What belongs to predictor_type regressor: its losses and its final metrics."""

from dataclasses import dataclass

import numpy as np

from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.hyperparameters import Values


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

    def mean(self, residuals: np.ndarray, unit: float = 1.0) -> float:
        """The mean loss. unit: one standard deviation of the label in the residuals'
        own unit; 1 when they are normalised.
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
        return float(np.mean(losses))


def choose_loss(values: Values) -> Loss:
    """The loss that the hyperparameters ask for.

    CustomerError for one that a regressor does not have, or that is not built.
    """
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
    }
    if name == "quantile_loss":
        raise CustomerError(
            "This local Linear Learner container does not support loss quantile_loss; "
            "absolute_loss is the loss of quantile 0.5."
        )
    if name not in losses:
        raise CustomerError(
            f"The loss {name} is not one of predictor_type regressor: it has "
            f"{', '.join(losses)} and quantile_loss."
        )
    return losses[name]


def final_metrics(loss: Loss, residuals: np.ndarray, unit: float) -> dict[str, float]:
    """What is reported of the chosen model on one data set, in the log's order.

    residuals: prediction minus label, in the label's unit; all are losses.
    """
    mean_square = float(np.mean(residuals**2))
    return {
        loss.objective: loss.mean(residuals, unit),
        "mse": mean_square,
        "absolute_loss": float(np.mean(np.abs(residuals))),
        "rmse": mean_square**0.5,
    }
