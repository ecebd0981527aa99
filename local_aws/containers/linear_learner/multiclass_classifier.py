"""predictor_type multiclass_classifier: its loss and its final metrics."""

import numpy as np

from local_aws.containers.linear_learner import candidates, minibatches
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.model import LinearModel, Solutions, softmax
from local_aws.containers.linear_learner.scaling import Scaling


class Softmax:
    """The cross entropy of scores, (rows, classes, models), and labels, (rows,)."""

    def __init__(self, outputs: int, weights: np.ndarray) -> None:
        """weights: (classes,), what a row of each class counts for."""
        self.outputs = outputs
        self._weights = weights

    def of_rows(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Weighted, (rows, models)."""
        classes = labels.astype(int)
        scores = scores - scores.max(axis=1, keepdims=True)
        right = scores[np.arange(len(classes)), classes]
        losses = np.log(np.exp(scores).sum(axis=1)) - right
        return losses * self._weights[classes][:, None]

    def gradient(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """As minibatches.Loss says."""
        classes = labels.astype(int)
        slopes = softmax(scores)
        slopes[np.arange(len(classes)), classes] -= 1
        return slopes * self._weights[classes][:, None, None]


class MulticlassClassifier:
    """What training does for this predictor_type."""

    objective = criterion = "multiclass_cross_entropy_objective"

    def __init__(self, values: Values, train: Records, scales: Scaling) -> None:
        """As predictor_types.PredictorType says."""
        self._values = values
        self._scales = scales
        self._classes = values["num_classes"]
        self.check_labels("train", train.labels)
        weights = np.ones(self._classes)
        if values["balance_multiclass_weights"]:
            counts = np.bincount(train.labels.astype(int), minlength=self._classes)
            present = np.count_nonzero(counts)
            weights = len(train.labels) / (present * np.maximum(counts, 1))
        self._loss = Softmax(self._classes, weights)

    def check_labels(self, channel: str, labels: np.ndarray) -> None:
        """CustomerError for a label that is not one of 0 to classes - 1."""
        wrong = labels[(labels < 0) | (labels >= self._classes) | (labels % 1 != 0)]
        if wrong.size:
            raise CustomerError(
                f"Found label {wrong[0]:g} in data channel '{channel}': the labels of "
                "a multiclass_classifier are 0 to num_classes - 1, which is "
                f"{self._classes - 1}."
            )

    def models(self, train: Records) -> minibatches.Models:
        """The models to be trained."""
        return minibatches.Models(
            self._values,
            candidates.by_minibatches(self._values),
            self._loss,
            train,
            self._scales,
        )

    def losses(
        self, channel: str, solutions: Solutions, records: Records
    ) -> np.ndarray:
        """Each model's mean loss."""
        return solutions.mean(self._loss.of_rows, records)

    def ranks(
        self, solutions: Solutions, records: Records, losses: np.ndarray
    ) -> np.ndarray:
        """How good each model is by the criterion; the higher the better."""
        return -losses

    def finish(self, solution: Solutions, records: Records) -> LinearModel:
        """The chosen model."""
        weights, bias = solution.weights[..., 0], solution.bias[:, 0]
        return LinearModel("multiclass_classifier", weights, bias, "softmax")

    def final_metrics(
        self, channel: str, fitted: LinearModel, records: Records
    ) -> dict[str, float]:
        """What is reported of the chosen model on one data set, in the log's order."""
        [loss] = self.losses(channel, Solutions.of(fitted), records)
        scores = fitted.scores(records.features)
        labels, called = records.labels.astype(int), scores.argmax(axis=1)
        right = scores[np.arange(len(labels)), labels]
        # The place of the right class among all, the first being 1.
        places = 1 + (scores > right[:, None]).sum(axis=1)
        top, beta = self._values["accuracy_top_k"], self._values["f_beta"]
        by_class = _ByClass(labels, called, self._classes)
        found = {
            self.objective: loss,
            "multiclass_accuracy": np.mean(labels == called),
            f"multiclass_top_k_accuracy_{top}": np.mean(places <= top),
            "dcg": np.mean(1 / np.log2(1 + places)),
            "macro_recall": by_class.mean(by_class.recall),
            "macro_precision": by_class.mean(by_class.precision),
            f"macro_f_{beta:.3f}": by_class.mean(by_class.f(beta)),
            "multiclass_balanced_accuracy": np.mean(by_class.recall[by_class.true > 0]),
            "multiclass_log_loss": -np.mean(np.log(np.maximum(right, 1e-15))),
        }
        return {name: float(value) for name, value in found.items()}


class _ByClass:
    """Counts of each class, (classes,), and what follows from them; 0 for 0/0."""

    def __init__(self, labels: np.ndarray, called: np.ndarray, classes: int) -> None:
        self.true = np.bincount(labels, minlength=classes)
        self.called = np.bincount(called, minlength=classes)
        self.found = np.bincount(labels[labels == called], minlength=classes)
        self.recall = self.found / np.maximum(self.true, 1)
        self.precision = self.found / np.maximum(self.called, 1)

    def f(self, beta: float) -> np.ndarray:
        """F with recall beta times as important as precision."""
        weighted = beta**2 * self.true + self.called
        return (1 + beta**2) * self.found / np.maximum(weighted, 1e-12)

    def mean(self, of_classes: np.ndarray) -> float:
        """Over the classes that are true or called somewhere."""
        return float(np.mean(of_classes[self.true + self.called > 0]))
