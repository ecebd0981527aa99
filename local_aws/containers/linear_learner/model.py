"""Linear models, which need nothing but numpy, and the artifact."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local_aws.containers.contract import ModelNotLoaded
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.log import logger

NAME = "model_algo-1"

_FORMAT = 1
_PARAMETERS = "additional-params.json"
# The first day of the zip format, so that equal models are equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


# Scores that are held at a time, so that many models need no more memory than one.
_HELD_SCORES = 2**21


def logistic(scores: np.ndarray) -> np.ndarray:
    """Of the real line to (0, 1)."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-scores))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities along the second axis."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


_LINKS = {"identity": lambda scores: scores, "logistic": logistic, "softmax": softmax}


@dataclass(frozen=True)
class LinearModel:
    """weights: (features, outputs) float64. bias: (outputs,) float64.

    A regressor and a binary classifier have one output, a multiclass classifier one for
    each class. Both are for features and labels as they come, with no scaling before
    or after. link: from the linear sum to the score. threshold: the lowest score of a
    positive, of a binary classifier.
    """

    predictor_type: str
    weights: np.ndarray
    bias: np.ndarray
    link: str = "identity"
    threshold: float | None = None

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(rows, outputs) float32, the precision of AWS's responses.

        features: (rows, columns). ValueError when the columns don't fit.
        """
        if features.shape[1] != len(self.weights):
            raise ValueError(
                f"The payload has {features.shape[1]} features, the model was trained "
                f"with {len(self.weights)}."
            )
        sums = features @ self.weights + self.bias
        return _LINKS[self.link](sums).astype(np.float32)

    def predicted_labels(self, scores: np.ndarray) -> np.ndarray | None:
        """(rows,) integers; None for a regressor. scores: those of this model."""
        if self.predictor_type == "regressor":
            return None
        if self.threshold is None:
            return scores.argmax(axis=1)
        return (scores[:, 0] >= np.float32(self.threshold)).astype(int)


@dataclass(frozen=True)
class Solutions:
    """Several models side by side, for features and labels as they come.

    numbers: the models' numbers, (models,). weights: (features, outputs, models).
    bias: (outputs, models).
    """

    numbers: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, model: LinearModel) -> "Solutions":
        """A single model."""
        return cls(np.zeros(1, int), model.weights[..., None], model.bias[:, None])

    def where(self, chosen: np.ndarray | list[int]) -> "Solutions":
        """Some of the models, as numpy chooses elements."""
        return Solutions(
            self.numbers[chosen], self.weights[..., chosen], self.bias[:, chosen]
        )

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(rows, outputs, models): the linear sums, without a link."""
        sums = features @ self.weights.reshape(len(self.weights), -1)
        return sums.reshape(-1, *self.bias.shape) + self.bias

    def mean(
        self,
        of_rows: Callable[[np.ndarray, np.ndarray], np.ndarray],
        records: Records,
    ) -> np.ndarray:
        """Each model's mean over the rows.

        of_rows: scores and labels to (rows, models).
        """
        sums = np.zeros(len(self.numbers))
        block = max(1, _HELD_SCORES // self.bias.size)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(records.labels), block):
                rows = slice(start, start + block)
                scores = self.scores(records.features[rows])
                sums += of_rows(scores, records.labels[rows]).sum(axis=0)
        return sums / len(records.labels)


def save(model: LinearModel, folder: Path) -> None:
    """Write the folder's model_algo-1."""
    parameters = {
        "format": _FORMAT,
        "predictor_type": model.predictor_type,
        "link": model.link,
        "threshold": model.threshold,
    }
    members = {
        _PARAMETERS: json.dumps(parameters).encode(),
        "weights.npy": _array_bytes(model.weights),
        "bias.npy": _array_bytes(model.bias),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)


def load(folder: Path) -> LinearModel:
    """The model of a folder. ModelNotLoaded with the reason."""
    path = folder / NAME
    logger.info(f"Loading the model from {path}")
    if not path.is_file():
        raise ModelNotLoaded(f"There is no file {NAME} in {folder}")
    try:
        with zipfile.ZipFile(path) as archive:
            parameters = json.loads(archive.read(_PARAMETERS))
            weights, bias = (
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in ("weights.npy", "bias.npy")
            )
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ModelNotLoaded(f"Model at {path} cannot be loaded: {error}") from error
    if parameters["format"] != _FORMAT:
        raise ModelNotLoaded(f"Model at {path} has the format {parameters['format']}")
    # Those of the first edition had regressors only, without the last two.
    return LinearModel(
        parameters["predictor_type"],
        weights,
        bias,
        parameters.get("link", "identity"),
        parameters.get("threshold"),
    )


def _array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
