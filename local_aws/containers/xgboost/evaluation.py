"""Which metrics a job reports, and those that the image computes itself.

The image hands the metrics in OWN_METRICS to xgboost as one custom function and takes
their names out of eval_metric. If no other name is left, xgboost also reports the
objective's default metric. A custom rmse beside the default rmse is one column: the
log shows the last value under a name, and both are the same number.

The functions were made for raw scores: a class is what is above 0. Since 3.0-5 the
image hands them to xgboost in a way that shows them its final predictions instead: of
`binary:logistic` probabilities, all of them above 0. So `accuracy` is the share of
class 1, and stays that in every round; a learner who stops early by it finds the same
on AWS.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from local_aws.containers.xgboost.log import logger

if TYPE_CHECKING:
    from xgboost import DMatrix

# Labels, and predictions of xgboost: (rows,), or (rows, classes) of multi:softprob.
Metric = Callable[[np.ndarray, np.ndarray], float]


# Columns and not rows of numbers: so scikit-learn adds them up, and the sums are then
# its own to the last bit, on which the round at which training stops may depend.


def _columns(
    labels: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both as (rows, 1).

    ValueError, in scikit-learn's words, for predictions of several numbers a row.
    """
    if predictions.ndim == 2:
        raise ValueError(
            "y_true and y_pred have different number of output "
            f"(1!={predictions.shape[1]})"
        )
    return labels.reshape(-1, 1), predictions.reshape(-1, 1)


def mse(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean squared error."""
    actual, predicted = _columns(labels, predictions)
    return float(np.average((actual - predicted) ** 2, axis=0)[0])


def rmse(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Root of the mean squared error."""
    actual, predicted = _columns(labels, predictions)
    return float(np.sqrt(np.average((actual - predicted) ** 2, axis=0))[0])


def mae(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean absolute error."""
    actual, predicted = _columns(labels, predictions)
    return float(np.average(np.abs(predicted - actual), axis=0)[0])


def r2(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of the labels' variance that is explained; nan for one row."""
    actual, predicted = _columns(labels, predictions)
    if len(labels) < 2:
        return float("nan")
    residual = np.sum((actual - predicted) ** 2, axis=0)[0]
    total = np.sum((actual - np.average(actual, axis=0)) ** 2, axis=0)[0]
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return float(1 - residual / total)


def _predicted_class(predictions: np.ndarray) -> np.ndarray:
    """(rows, classes) to the index of the largest score; (rows,) to score > 0."""
    if predictions.ndim == 2:
        return np.argmax(predictions, axis=-1)
    return (predictions > 0).astype(int)


def _counts(
    labels: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, and for each: rows labelled so, predicted so, and both.

    ValueError, in scikit-learn's words, for labels that are not whole numbers.
    """
    if np.any(labels != labels.astype(int)):
        predicted = _predicted_class(predictions)
        kind = "binary" if len(np.unique(predicted)) <= 2 else "multiclass"
        raise ValueError(
            "Classification metrics can't handle a mix of continuous and "
            f"{kind} targets"
        )
    actual, predicted = labels.astype(int), _predicted_class(predictions)
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


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of the rows put into their class."""
    _, _, _, hits = _counts(labels, predictions)
    return float(hits.sum() / len(labels))


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean recall of the classes that occur among the labels."""
    _, actual, _, hits = _counts(labels, predictions)
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

    def metric(labels: np.ndarray, predictions: np.ndarray) -> float:
        return float(np.mean(_per_class(part, _counts(labels, predictions))))

    return metric


def _binary(part: str) -> Metric:
    """Of class 1. ValueError, in scikit-learn's words, for more than two classes."""

    def metric(labels: np.ndarray, predictions: np.ndarray) -> float:
        counts = _counts(labels, predictions)
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


def own_metrics(
    names: list[str],
) -> Callable[[np.ndarray, "DMatrix"], list[tuple[str, float]]]:
    """A custom metric function for xgboost, for the rows of one data set."""

    def evaluate(predictions: np.ndarray, matrix: "DMatrix") -> list[tuple[str, float]]:
        labels = matrix.get_label()
        return [(name, OWN_METRICS[name](labels, predictions)) for name in names]

    return evaluate


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
