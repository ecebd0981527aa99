"""The three kinds of predictor, and what training asks of each."""

from typing import Protocol

import numpy as np

from local_aws.containers.linear_learner.binary_classifier import BinaryClassifier
from local_aws.containers.linear_learner.candidates import Candidate
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.model import LinearModel, Solutions
from local_aws.containers.linear_learner.multiclass_classifier import (
    MulticlassClassifier,
)
from local_aws.containers.linear_learner.regressor import Regressor
from local_aws.containers.linear_learner.scaling import Scaling


class Models(Protocol):
    """Several models while they are trained."""

    candidates: list[Candidate]

    def train_epoch(self) -> None:
        """Go over all records once."""

    def solutions(self) -> Solutions:
        """The models as they are now, without those that have diverged."""


class PredictorType(Protocol):
    """One of the three. It is made with the hyperparameters, the training records and
    their scaling, and raises CustomerError for labels that it does not have.

    objective: the loss's name in the log. criterion: the name of what `ranks` goes by.
    """

    objective: str
    criterion: str

    def check_labels(self, channel: str, labels: np.ndarray) -> None:
        """CustomerError for a label that this type does not have."""

    def models(self, train: Records) -> Models:
        """The models to be trained."""

    def losses(
        self, channel: str, solutions: Solutions, records: Records
    ) -> np.ndarray:
        """Each model's mean loss on a channel's records."""

    def ranks(
        self, solutions: Solutions, validation: Records, losses: np.ndarray
    ) -> np.ndarray:
        """How good each model is by the criterion; the higher the better.

        losses: of the models on these records.
        """

    def finish(self, solution: Solutions, records: Records) -> LinearModel:
        """The chosen model. records: what a threshold is chosen on."""

    def final_metrics(
        self, channel: str, fitted: LinearModel, records: Records
    ) -> dict[str, float]:
        """What is reported of the chosen model on one data set, in the log's order."""


def make(values: Values, train: Records, scales: Scaling) -> PredictorType:
    """The one that the hyperparameters name."""
    return _TYPES[values["predictor_type"]](values, train, scales)


_TYPES = {
    "binary_classifier": BinaryClassifier,
    "multiclass_classifier": MulticlassClassifier,
    "regressor": Regressor,
}
