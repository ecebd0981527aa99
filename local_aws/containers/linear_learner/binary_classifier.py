"""predictor_type binary_classifier: its losses, its criteria and its final metrics."""

from abc import ABC, abstractmethod

import numpy as np

from local_aws.containers.linear_learner import candidates, minibatches
from local_aws.containers.linear_learner import operating_points as points
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.log import logger
from local_aws.containers.linear_learner.model import LinearModel, Solutions, logistic
from local_aws.containers.linear_learner.scaling import Scaling

# Criteria that compare losses and say nothing about a threshold.
_LOSSES = ("loss_function", "cross_entropy_loss")


class Loss(ABC):
    """A loss of scores, (rows, 1, models), and labels that are 0 or 1, (rows,)."""

    objective: str
    link: str
    threshold: float
    outputs = 1

    def __init__(self, values: Values, weights: "Weights") -> None:
        self.margin = values["margin"]
        self._weights = weights

    @abstractmethod
    def of_rows(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""

    @abstractmethod
    def slopes(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""

    def gradient(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """As minibatches.Loss says."""
        slopes = self.slopes(scores, labels)
        return (slopes * self._weights.in_training(labels))[:, None]


class Logistic(Loss):
    """The cross entropy."""

    objective = "binary_classification_cross_entropy_objective"
    link = "logistic"
    threshold = 0.5

    def of_rows(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""
        scores = scores[:, 0]
        return np.logaddexp(0, scores) - labels[:, None] * scores

    def slopes(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""
        return logistic(scores[:, 0]) - labels[:, None]


class Hinge(Loss):
    """0 for a score that is on the right side of 0 by the margin."""

    objective = "hinge_loss_objective"
    link = "identity"
    threshold = 0.0

    def of_rows(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""
        signs = 2 * labels[:, None] - 1
        return np.maximum(self.margin - signs * scores[:, 0], 0)

    def slopes(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Unweighted, (rows, models)."""
        signs = 2 * labels[:, None] - 1
        return np.where(signs * scores[:, 0] < self.margin, -signs, 0.0)


LOSSES = {"auto": Logistic, "logistic": Logistic, "hinge_loss": Hinge}


class Weights:
    """What a positive example counts for, where a negative one counts for 1."""

    def __init__(self, values: Values, labels: np.ndarray) -> None:
        """labels: of the training data."""
        asked = values["positive_example_weight_mult"]
        self._share = float(np.mean(labels))
        # With one class there is nothing to balance.
        balanced = (1 - self._share) / self._share if 0 < self._share < 1 else 1.0
        # Which weights are tried; None when there is no choice.
        self.tried: tuple[float | None, ...] = (None,)
        if asked == "auto":
            self.tried = (1.0, balanced)
        self.given = {"auto": 1.0, "balanced": balanced}.get(asked, asked)
        self._in_training = np.array([self.given])

    def use(self, chosen: list[candidates.Candidate]) -> None:
        """Train with the candidates' own weights where they have them."""
        self._in_training = np.array(
            [
                self.given if one.positive_weight is None else one.positive_weight
                for one in chosen
            ]
        )

    def in_training(self, labels: np.ndarray) -> np.ndarray:
        """(rows, models), 1 on the average of the training data."""
        return self._of(labels, self._in_training)

    def in_losses(self, labels: np.ndarray) -> np.ndarray:
        """(rows, 1): the same for all models, so that their losses compare."""
        return self._of(labels, np.array([self.given]))

    def _of(self, labels: np.ndarray, positive: np.ndarray) -> np.ndarray:
        average = 1 - self._share + self._share * positive
        return np.where(labels[:, None] == 1, positive, 1.0) / average


class BinaryClassifier:
    """What training does for this predictor_type."""

    def __init__(self, values: Values, train: Records, scales: Scaling) -> None:
        """As predictor_types.PredictorType says."""
        self.check_labels("train", train.labels)
        self._values = values
        self._scales = scales
        self._weights = Weights(values, train.labels)
        self._loss = LOSSES[values["loss"]](values, self._weights)
        self._choice = values["binary_classifier_model_selection_criteria"]
        self.objective = self._loss.objective
        self.criterion = (
            self.objective if self._choice in _LOSSES else f"sampled_{self._choice}"
        )

    def check_labels(self, channel: str, labels: np.ndarray) -> None:
        """CustomerError for a label that is neither 0 nor 1."""
        wrong = labels[~np.isin(labels, (0, 1))]
        if wrong.size:
            raise CustomerError(
                f"Found label {wrong[0]:g} in data channel '{channel}': the labels of "
                "a binary_classifier are 0 and 1."
            )

    def models(self, train: Records) -> minibatches.Models:
        """The models to be trained."""
        chosen = candidates.by_minibatches(self._values, self._weights.tried)
        self._weights.use(chosen)
        return minibatches.Models(self._values, chosen, self._loss, train, self._scales)

    def losses(
        self, channel: str, solutions: Solutions, records: Records
    ) -> np.ndarray:
        """Each model's mean loss."""

        def of_rows(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
            losses = self._loss.of_rows(scores, labels)
            return losses * self._weights.in_losses(labels)

        return solutions.mean(of_rows, records)

    def ranks(
        self, solutions: Solutions, records: Records, losses: np.ndarray
    ) -> np.ndarray:
        """How good each model is by the criterion; the higher the better."""
        if self._choice in _LOSSES:
            return -losses
        sample = self._sample(records)
        scores = self._responses(solutions.scores(sample.features)[:, 0])
        return np.array([self._best(column, sample.labels).rank for column in scores.T])

    def _sample(self, records: Records) -> Records:
        count = self._values["num_calibration_samples"]
        return records if count == "auto" else records.first(count)

    def _responses(self, scores: np.ndarray) -> np.ndarray:
        """The scores that a response has."""
        linked = logistic(scores) if self._loss.link == "logistic" else scores
        return linked.astype(np.float32)

    def _best(self, scores: np.ndarray, labels: np.ndarray) -> points.Choice:
        return points.best(points.measure(scores, labels), self._values)

    def finish(self, solution: Solutions, records: Records) -> LinearModel:
        """The chosen model with the threshold that is best on these records."""
        if self._choice in _LOSSES:
            return self._model(solution, self._loss.threshold)
        sample = self._sample(records)
        scores = self._responses(solution.scores(sample.features)[:, 0, 0])
        choice = self._best(scores, sample.labels)
        if choice.shortfall:
            logger.warning(
                f"No threshold reaches the target of {self._choice}; the nearest "
                f"falls short of it by {choice.shortfall}."
            )
        return self._model(solution, choice.threshold)

    def _model(self, solution: Solutions, threshold: float) -> LinearModel:
        return LinearModel(
            "binary_classifier",
            solution.weights[..., 0],
            solution.bias[:, 0],
            self._loss.link,
            threshold,
        )

    def final_metrics(
        self, channel: str, fitted: LinearModel, records: Records
    ) -> dict[str, float]:
        """What is reported of the chosen model on one data set, in the log's order."""
        [loss] = self.losses(channel, Solutions.of(fitted), records)
        scores, positive = fitted.scores(records.features), records.labels == 1
        called = fitted.predicted_labels(scores) == 1
        answers = points.of_answers(called, positive)
        beta = self._values["f_beta"]
        found = {
            self.objective: loss,
            "binary_classification_accuracy": answers.accuracy[0],
            f"binary_f_{beta:.3f}": answers.f(beta)[0],
            "precision": answers.precision[0],
            "recall": answers.recall[0],
        }
        if positive.any() and not positive.all():
            curve = points.measure(scores[:, 0], records.labels)
            found["roc_auc_score"] = curve.area_under_roc()
        return {name: float(value) for name, value in found.items()}
