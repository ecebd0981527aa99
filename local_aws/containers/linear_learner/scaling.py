"""Normalisation of features and label, and its undoing in the trained model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from local_aws.containers.linear_learner.data import Records, dense
from local_aws.containers.linear_learner.hyperparameters import Values

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations; 0 and 1 for what is not normalised.

    means, deviations: (columns,) of the features.
    """

    means: np.ndarray
    deviations: np.ndarray
    label_mean: float
    label_deviation: float

    def apply_to_labels(self, labels: np.ndarray) -> np.ndarray:
        """Labels as the optimiser sees them."""
        return (labels - self.label_mean) / self.label_deviation

    def apply(self, records: Records) -> Records:
        """The records as the optimiser sees them."""
        return Records(
            self.apply_to_labels(records.labels),
            (dense(records.features) - self.means) / self.deviations,
        )

    def with_ones(self, features: "np.ndarray | csr_matrix") -> np.ndarray:
        """Scaled features, and behind them a column of ones for the bias."""
        table = np.ones((features.shape[0], len(self.means) + 1))
        np.subtract(dense(features), self.means, out=table[:, :-1])
        table[:, :-1] /= self.deviations
        return table

    def undo(
        self, coefficients: np.ndarray, intercept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients and intercepts for features and labels as they come.

        coefficients: (columns, ...). intercept: (...).
        """
        by_column = (-1, *[1] * (coefficients.ndim - 1))
        weights = coefficients / self.deviations.reshape(by_column)
        weights = weights * self.label_deviation
        bias = intercept * self.label_deviation + self.label_mean
        return weights, bias - np.tensordot(self.means, weights, 1)


def measure(values: Values, train: Records) -> Scaling:
    """The scaling that the hyperparameters ask for, of the first records.

    "auto" is true in all four for a regressor; a classifier's label is left alone.
    """
    sample = train.first(values["num_point_for_scaler"])
    means, deviations = _moments(sample.features)
    label_means, label_deviations = np.zeros(1), np.ones(1)
    if values["predictor_type"] == "regressor":
        label_means, label_deviations = _moments(sample.labels[:, None])

    def if_asked(name: str, found: np.ndarray, otherwise: float) -> np.ndarray:
        return np.full_like(found, otherwise) if values[name] is False else found

    return Scaling(
        if_asked("unbias_data", means, 0),
        if_asked("normalize_data", deviations, 1),
        float(if_asked("unbias_label", label_means, 0)[0]),
        float(if_asked("normalize_label", label_deviations, 1)[0]),
    )


def _moments(table: "np.ndarray | csr_matrix") -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each column; 1 where nothing varies.

    As scikit-learn's StandardScaler has them, which takes a second to import.
    """
    rows, columns = table.shape
    if isinstance(table, np.ndarray):
        means = table.sum(axis=0, dtype=np.float64) / rows
        apart = table - means
        squares, rest = (apart**2).sum(axis=0), apart.sum(axis=0)
    else:

        def total(written: np.ndarray) -> np.ndarray:
            return np.bincount(table.indices, written, minlength=columns)

        means = total(table.data) / rows
        apart = table.data - means[table.indices]
        zeros = rows - total(np.ones(table.nnz))
        squares = total(apart**2) + zeros * means**2
        rest = total(apart) - zeros * means
    # The rest would be 0, were the mean not rounded.
    variances = (squares - rest**2 / rows) / rows
    rounding = rows * np.finfo(np.float64).eps
    varies = variances > rounding * variances + (rounding * means) ** 2
    return means, np.sqrt(np.where(varies, variances, 1.0))
