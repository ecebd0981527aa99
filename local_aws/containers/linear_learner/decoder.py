"""A request's body as features, by its content type.

Forms: AWS page "Common data formats for inference".
"""

import io
import json
from typing import Any

import numpy as np

from local_aws.containers import media_types
from local_aws.containers.linear_learner.channels import CSV, RECORDIO_PROTOBUF
from local_aws.containers.linear_learner.data import dense


class UnsupportedContentType(Exception):
    """The image does not read this type."""


class UnreadablePayload(Exception):
    """The body is not what its content type says."""


def parse(body: bytes, content_type: str | None, columns: int) -> np.ndarray:
    """The features of a body: (rows, any number of columns) float64, all finite.

    content_type: the request's header, or None. columns: of the model; a dense row
    with another number is not refused here. Raises UnsupportedContentType or
    UnreadablePayload; their texts are for the log, not for the client.
    """
    name, parameters = media_types.parse(content_type or "")
    if name not in _READERS:
        raise UnsupportedContentType(
            f"Content-type {content_type} is not supported: use one of "
            f"{', '.join(_READERS)}"
        )
    if parameters.get("label_size", "0") != "0":
        raise UnreadablePayload(f"A request has no label, and this is {content_type}")
    try:
        if not body.strip():
            raise ValueError("the body is empty")
        features = _READERS[name](body, columns)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise UnreadablePayload(
            f"The body can't be read as {name}: {type(error).__name__}: {error}"
        ) from error
    if features.ndim != 2 or not features.size:
        raise UnreadablePayload(f"There are no features in this {name}")
    if not np.isfinite(features).all():
        raise UnreadablePayload(f"There are missing or infinite values in this {name}")
    return features


def _csv(body: bytes, columns: int) -> np.ndarray:
    text = io.StringIO(body.decode("utf-8"))
    return np.loadtxt(text, delimiter=",", comments=None, ndmin=2)


def _recordio(body: bytes, columns: int) -> np.ndarray:
    """Labels in the records are passed over."""
    # Imported on first use: other requests need no protobuf.
    from local_aws.containers import recordio

    return dense(recordio.read_all(io.BytesIO(body), np.float64).features)


def _json(body: bytes, columns: int) -> np.ndarray:
    return _matrix(json.loads(body.decode("utf-8"))["instances"], columns)


def _jsonlines(body: bytes, columns: int) -> np.ndarray:
    lines = [line for line in body.decode("utf-8").split("\n") if line.strip()]
    return _matrix([json.loads(line) for line in lines], columns)


def _matrix(instances: list[Any], columns: int) -> np.ndarray:
    rows = [_features(instance, columns) for instance in instances]
    return np.array(rows, dtype=np.float64)


def _features(instance: dict[str, Any], columns: int) -> list[float]:
    """Of {"features": [...]} or {"data": {"features": {"values": [...]}}}.

    columns: how many a sparse instance (with keys and shape) must have.
    """
    holder = instance if "features" in instance else instance["data"]
    found = holder["features"]
    if isinstance(found, list):
        return found
    values = found["values"]
    if "keys" not in found:
        return values
    if found["shape"] != [columns]:
        raise ValueError(f"the shape is {found['shape']} and not [{columns}]")
    row = [0.0] * columns
    for key, value in zip(found["keys"], values, strict=True):
        if key < 0:
            raise IndexError(f"key {key}")
        row[key] = value
    return row


_READERS = {
    CSV: _csv,
    RECORDIO_PROTOBUF: _recordio,
    "application/json": _json,
    "application/jsonlines": _jsonlines,
}
