"""Normalisation of features and label, and its undoing in the trained model."""

from dataclasses import dataclass

import numpy as np

from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.hyperparameters import Values


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations; 0 and 1 for what is not normalised.

    means, deviations: (columns,) of the features.
    """

    means: np.ndarray
    deviations: np.ndarray
    label_mean: float
    label_deviation: float

    def apply(self, records: Records) -> Records:
        """The records as the optimiser sees them."""
        return Records(
            (records.labels - self.label_mean) / self.label_deviation,
            (records.features - self.means) / self.deviations,
        )

    def with_ones(self, features: np.ndarray) -> np.ndarray:
        """Scaled features, and behind them a column of ones for the bias."""
        table = np.ones((len(features), len(self.means) + 1))
        np.subtract(features, self.means, out=table[:, :-1])
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

    def scaler(unbias: str, normalize: str, table: np.ndarray) -> tuple:
        fitted = StandardScaler(
            with_mean=values[unbias] in ("auto", True),
            with_std=values[normalize] in ("auto", True),
        ).fit(table)
        columns = table.shape[1]
        means = fitted.mean_ if fitted.with_mean else np.zeros(columns)
        deviations = fitted.scale_ if fitted.with_std else np.ones(columns)
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
