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
    from sklearn.preprocessing import StandardScaler

    def scaler(
        unbias: str, normalize: str, table: "np.ndarray | csr_matrix"
    ) -> tuple[np.ndarray, np.ndarray]:
        # It has the means of a sparse table, although it could not take them off.
        fitted = StandardScaler(with_mean=isinstance(table, np.ndarray)).fit(table)
        means, deviations = fitted.mean_, fitted.scale_
        if values[unbias] is False:
            means = np.zeros_like(means)
        if values[normalize] is False:
            deviations = np.ones_like(deviations)
        return means, deviations

    rows = values["num_point_for_scaler"]
    label_means, label_deviations = np.zeros(1), np.ones(1)
    if values["predictor_type"] == "regressor":
        label_means, label_deviations = scaler(
            "unbias_label", "normalize_label", train.labels[:rows, None]
        )
    return Scaling(
        *scaler("unbias_data", "normalize_data", train.features[:rows]),
        float(label_means[0]),
        float(label_deviations[0]),
    )
