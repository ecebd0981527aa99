"""From bodies to arrays and back."""

import csv
import io
import json
from typing import Any

import numpy as np

from sagemaker_containers.beta.framework import content_types
from sagemaker_containers.beta.framework.errors import (
    ClientError,
    UnsupportedFormatError,
)


def npy_to_numpy(npy_array: bytes) -> np.ndarray:
    """The array of an NPY file; one that holds pickled objects is refused."""
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def array_to_npy(array_like: Any) -> bytes:
    """An NPY file."""
    buffer = io.BytesIO()
    np.save(buffer, array_like)
    return buffer.getvalue()


def json_to_numpy(string_like: str | bytes, dtype: Any = None) -> np.ndarray:
    """The array of nested JSON lists."""
    return np.array(json.loads(string_like), dtype=dtype)


def array_to_json(array_like: Any) -> str:
    """JSON, with arrays as lists wherever they are in it."""
    return json.dumps(array_like, default=_to_list)


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def csv_to_numpy(string_like: str, dtype: Any = None) -> np.ndarray:
    """The array of csv rows: one row has one dimension, and so has one column.

    Without a dtype it has numbers, or text if one of its fields is no number. Raises
    ClientError.
    """
    try:
        rows = list(csv.reader(io.StringIO(string_like), strict=True))
        array = np.array(rows).squeeze()
    except (csv.Error, ValueError) as error:
        raise ClientError(f"Error while decoding csv: {error}") from error
    try:
        return array.astype(dtype)
    except ValueError as error:
        if dtype is None:
            return array
        raise ClientError(
            f"Error while writing numpy array: {error}. dtype is: {dtype}"
        ) from error


def array_to_csv(array_like: Any) -> str:
    """csv; an array of one dimension is one column."""
    array = np.array(array_like)
    stream = io.StringIO()
    rows = array.reshape(-1, 1) if array.ndim == 1 else array
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


_ENCODERS = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
_DECODERS = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
}


def decode(obj: str | bytes, content_type: str) -> np.ndarray:
    """The array of a body; UnsupportedFormatError for other media types."""
    if content_type not in _DECODERS:
        raise UnsupportedFormatError(content_type)
    return _DECODERS[content_type](obj)


def encode(array_like: Any, content_type: str) -> str | bytes:
    """The body of an array; UnsupportedFormatError for other media types."""
    if content_type not in _ENCODERS:
        raise UnsupportedFormatError(content_type)
    return _ENCODERS[content_type](array_like)
