"""Which metrics a job reports, and those that the image computes itself.

The image hands the metrics in OWN_METRICS to xgboost as one custom function and takes
their names out of eval_metric. If no other name is left, xgboost also reports the
objective's default metric. A custom rmse beside the default rmse is one column: the
log shows the last value under a name, and both are the same number.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from local_aws.containers.xgboost import library
from local_aws.containers.xgboost.log import logger

if TYPE_CHECKING:
    from xgboost import DMatrix

xgboost = library.load()

Metric = Callable[[np.ndarray, np.ndarray], float]

# Objectives whose prediction is the raw score itself.
_NO_LINK = (
    "reg:squarederror",
    "reg:linear",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "binary:logitraw",
)


def mse(labels: np.ndarray, margins: np.ndarray) -> float:
    """Mean squared error of the raw scores."""
    return float(np.average((labels - margins) ** 2))


def rmse(labels: np.ndarray, margins: np.ndarray) -> float:
    """Root of the mean squared error of the raw scores."""
    return float(np.sqrt(np.average((labels - margins) ** 2)))


def mae(labels: np.ndarray, margins: np.ndarray) -> float:
    """Mean absolute error of the raw scores."""
    return float(np.average(np.abs(margins - labels)))


def r2(labels: np.ndarray, margins: np.ndarray) -> float:
    """Share of the labels' variance that the raw scores explain; nan for one row."""
    if len(labels) < 2:
        return float("nan")
    labels = labels.astype(np.float64)
    residual = float(np.sum((labels - margins) ** 2))
    total = float(np.sum((labels - labels.mean()) ** 2))
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


def _predicted_class(margins: np.ndarray) -> np.ndarray:
    """(rows, classes) to the index of the largest score; (rows,) to score > 0."""
    if margins.ndim == 2:
        return np.argmax(margins, axis=-1)
    return (margins > 0).astype(int)


def _counts(
    labels: np.ndarray, margins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, and for each: rows labelled so, predicted so, and both.

    ValueError, in scikit-learn's words, for labels that are not whole numbers.
    """
    if np.any(labels != labels.astype(int)):
        predicted = _predicted_class(margins)
        kind = "binary" if len(np.unique(predicted)) <= 2 else "multiclass"
        raise ValueError(
            "Classification metrics can't handle a mix of continuous and "
            f"{kind} targets"
        )
    actual, predicted = labels.astype(int), _predicted_class(margins)
    classes = np.union1d(actual, predicted)
    of_class = actual[:, None] == classes
    put_in_class = predicted[:, None] == classes
    return (
        classes,
        of_class.sum(axis=0),
        put_in_class.sum(axis=0),
        (of_class & put_in_class).sum(axis=0),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole != 0)


def accuracy(labels: np.ndarray, margins: np.ndarray) -> float:
    """Share of the rows put into their class."""
    _, _, _, hits = _counts(labels, margins)
    return float(hits.sum() / len(labels))


def balanced_accuracy(labels: np.ndarray, margins: np.ndarray) -> float:
    """Mean recall of the classes that occur among the labels."""
    _, actual, _, hits = _counts(labels, margins)
    return float(np.mean(hits[actual > 0] / actual[actual > 0]))


def _per_class(part: str, counts: tuple[np.ndarray, ...]) -> np.ndarray:
    _, actual, predicted, hits = counts
    if part == "precision":
        return _ratio(hits, predicted)
    if part == "recall":
        return _ratio(hits, actual)
    return _ratio(2 * hits, actual + predicted)


def _macro(part: str) -> Metric:
    """Mean over the classes."""

    def metric(labels: np.ndarray, margins: np.ndarray) -> float:
        return float(np.mean(_per_class(part, _counts(labels, margins))))

    return metric


def _binary(part: str) -> Metric:
    """Of class 1. ValueError, in scikit-learn's words, for more than two classes."""

    def metric(labels: np.ndarray, margins: np.ndarray) -> float:
        counts = _counts(labels, margins)
        classes = counts[0]
        if len(classes) > 2:
            raise ValueError(
                "Target is multiclass but average='binary'. Please choose another "
                "average setting, one of [None, 'micro', 'macro', 'weighted']."
            )
        if 1 not in classes:
            if len(classes) == 2:
                known = ", ".join(str(name) for name in classes)
                raise ValueError(
                    f"pos_label=1 is not a valid label. It should be one of [{known}]"
                )
            return 0.0
        return float(_per_class(part, counts)[classes == 1][0])

    return metric


OWN_METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": _macro("f1"),
    "f1_binary": _binary("f1"),
    "f1_macro": _macro("f1"),
    "mse": mse,
    "rmse": rmse,
    "mae": mae,
    "precision": _binary("precision"),
    "precision_macro": _macro("precision"),
    # With one class per row the sums over classes are those of accuracy.
    "precision_micro": accuracy,
    "r2": r2,
    "recall": _binary("recall"),
    "recall_macro": _macro("recall"),
    "recall_micro": accuracy,
}


class OwnMetrics(xgboost.callback.TrainingCallback):
    """The custom metric function of one training, on raw scores (margins).

    xgboost hands a custom metric the final predictions (a probability, say), and the
    image's metrics are defined on the scores before that step. The callback side
    of this class learns which booster is being trained, to ask it for those.
    """

    def __init__(self, names: list[str], objective: str) -> None:
        super().__init__()
        self._names = names
        self._has_link = objective not in _NO_LINK
        self._booster: Any = None

    def before_training(self, model: Any) -> Any:
        self._booster = model
        return model

    def __call__(
        self, predictions: np.ndarray, matrix: "DMatrix"
    ) -> list[tuple[str, float]]:
        """Name and value of each metric for the rows of one data set."""
        margins = predictions
        if self._has_link:
            margins = self._booster.predict(matrix, output_margin=True)
        labels = matrix.get_label()
        return [(name, OWN_METRICS[name](labels, margins)) for name in self._names]


def choose(
    tuning_objective: str | None, eval_metric: list[str] | None
) -> tuple[list[str], list[str], str | None]:
    """Metrics for xgboost, metrics of our own, and the one for early stopping.

    tuning_objective: `validation:rmse` or None. The last of the tuner's metrics is
    watched, else the last of eval_metric, else none.
    """
    asked = list(eval_metric or [])
    watched = asked[-1] if asked else None
    if tuning_objective is not None:
        name = tuning_objective.split(":")[1]
        logger.info(f"Setting up HPO optimized metric to be : {name}")
        asked = sorted({*asked, name})
        watched = name
    own = [name for name in asked if name in OWN_METRICS]
    return [name for name in asked if name not in own], own, watched
