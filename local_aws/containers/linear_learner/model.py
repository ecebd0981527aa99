"""The artifact: a linear model that needs nothing but numpy."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local_aws.containers.contract import ModelNotLoaded
from local_aws.containers.linear_learner.log import logger

NAME = "model_algo-1"

_FORMAT = 1
_PARAMETERS = "additional-params.json"
# The first day of the zip format, so that equal models are equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class LinearModel:
    """weights: (features, outputs) float64. bias: (outputs,) float64.

    A regressor has one output. Both are for features and labels as they come, with
    no scaling before or after.
    """

    predictor_type: str
    weights: np.ndarray
    bias: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(rows, outputs) float32, the precision of AWS's responses.

        features: (rows, columns). ValueError when the columns don't fit.
        """
        if features.shape[1] != len(self.weights):
            raise ValueError(
                f"The payload has {features.shape[1]} features, the model was trained "
                f"with {len(self.weights)}."
            )
        return (features @ self.weights + self.bias).astype(np.float32)


def save(model: LinearModel, folder: Path) -> None:
    """Write the folder's model_algo-1."""
    parameters = {"format": _FORMAT, "predictor_type": model.predictor_type}
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
    return LinearModel(parameters["predictor_type"], weights, bias)


def _array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
