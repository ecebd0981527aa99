"""From bodies to arrays."""

import io
from typing import Any

import numpy as np
from sagemaker_containers.beta.framework.encoders import json_to_numpy, npy_to_numpy

from sagemaker_inference import content_types
from sagemaker_inference.errors import UnsupportedFormatError


def _csv_to_numpy(string_like: str, dtype: Any = None) -> np.ndarray:
    return np.genfromtxt(io.StringIO(string_like), dtype=dtype, delimiter=",")


_DECODERS = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: _csv_to_numpy,
    content_types.JSON: json_to_numpy,
}


def decode(obj: str | bytes, content_type: str) -> np.ndarray:
    """The array of a body; UnsupportedFormatError for other media types."""
    if content_type not in _DECODERS:
        raise UnsupportedFormatError(content_type)
    return _DECODERS[content_type](obj)
