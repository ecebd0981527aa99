"""Thresholds of a binary classifier, and the best one by a criterion."""

from dataclasses import dataclass

import numpy as np

from local_aws.containers.linear_learner.hyperparameters import Values


@dataclass(frozen=True)
class Points:
    """What each threshold does: rows with a score of at least that are positive.

    thresholds: (points,) float32, falling; the first is above all scores. found:
    positive rows that are called so. called: rows that are called positive. positives,
    rows: of the data.
    """

    thresholds: np.ndarray
    found: np.ndarray
    called: np.ndarray
    positives: int
    rows: int

    @property
    def precision(self) -> np.ndarray:
        """0 where nothing is called positive."""
        return self.found / np.maximum(self.called, 1)

    @property
    def recall(self) -> np.ndarray:
        """0 where nothing is positive."""
        return self.found / max(self.positives, 1)

    @property
    def accuracy(self) -> np.ndarray:
        """The share of rows that are called what they are."""
        missed = self.positives - self.found
        return 1 - (missed + self.called - self.found) / self.rows

    def f(self, beta: float) -> np.ndarray:
        """F with recall beta times as important as precision."""
        weighted = beta**2 * self.positives + self.called
        return (1 + beta**2) * self.found / np.maximum(weighted, 1e-12)

    def area_under_roc(self) -> float:
        """Of all thresholds together; there must be rows of both kinds."""
        false = self.called - self.found
        area = np.sum(np.diff(false) * (self.found[1:] + self.found[:-1]) / 2)
        return float(area / self.positives / (self.rows - self.positives))


def of_answers(called: np.ndarray, positive: np.ndarray) -> Points:
    """The single point of a classifier that calls these rows positive.

    called, positive: (rows,) booleans.
    """
    return Points(
        thresholds=np.full(1, np.nan, np.float32),
        found=np.array([np.sum(called & positive)]),
        called=np.array([np.sum(called)]),
        positives=int(np.sum(positive)),
        rows=len(positive),
    )


def measure(scores: np.ndarray, labels: np.ndarray) -> Points:
    """All thresholds that differ in what they do. scores: (rows,) float32."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # Equal scores are on one side of every threshold.
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    found = np.cumsum(labels[order] == 1)[last]
    return Points(
        thresholds=_between(falling[last]),
        found=np.append(0, found),
        called=np.append(0, last + 1),
        positives=int(found[-1]),
        rows=len(labels),
    )


def _between(falling: np.ndarray) -> np.ndarray:
    """One threshold above all of these scores, and one below each.

    They lie half way to the next score, so that the last digit of a score, in which
    computers differ, decides nothing.
    """
    below = falling - np.append(-np.diff(falling), 0) / 2
    # Between two neighbours among 32 bit numbers there is nothing.
    below[:-1] = np.where(below[:-1] > falling[1:], below[:-1], falling[:-1])
    above = max(2 * falling[0] - below[0], np.nextafter(falling[0], np.float32(np.inf)))
    return np.append(above, below)


@dataclass(frozen=True)
class Choice:
    """A threshold. value: what the criterion is there.

    shortfall: by how much the target was missed; value is 0 then.
    """

    threshold: float
    value: float
    shortfall: float = 0.0

    @property
    def rank(self) -> float:
        """The higher the better; what misses its target is below all others."""
        return self.value - self.shortfall


def best(points: Points, values: Values) -> Choice:
    """The best threshold by binary_classifier_model_selection_criteria, which is not
    one of the losses: these need no threshold.
    """
    criterion = values["binary_classifier_model_selection_criteria"]
    if criterion == "precision_at_target_recall":
        return _at_target(
            points, points.precision, points.recall, values["target_recall"]
        )
    if criterion == "recall_at_target_precision":
        return _at_target(
            points, points.recall, points.precision, values["target_precision"]
        )
    if criterion == "accuracy":
        goal = points.accuracy
    else:
        goal = points.f(1.0 if criterion == "f1" else values["f_beta"])
    at = int(np.argmax(goal))
    return Choice(float(points.thresholds[at]), float(goal[at]))


def _at_target(
    points: Points, goal: np.ndarray, held: np.ndarray, target: float
) -> Choice:
    """The best `goal` where `held` is at least the target, or else the best `held`.

    Among equal ones that with the most of the other.
    """
    reached = held >= target
    if reached.any():
        highest = goal[reached].max()
        at = int(np.argmax(np.where(reached & (goal == highest), held, -1)))
        return Choice(float(points.thresholds[at]), float(goal[at]))
    at = int(np.argmax(held))
    return Choice(float(points.thresholds[at]), 0.0, target - float(held[at]))
