"""Predictions as the body of a response."""

import io
import json
import math
from typing import Any

import numpy as np

from local_aws.containers import media_types
from local_aws.containers.xgboost.log import logger

# Of more numbers pyarrow writes them in less time than Python (65,000 in 9 and not in
# 35 ms), and holds up no other thread meanwhile.
_MANY_NUMBERS = 8192

ACCEPTED = [
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
    "text/csv",
]

_REGRESSION = ["predicted_score"]
_LABELS = ["predicted_label", "labels"]
_PROBABILITIES = ["probability", "probabilities"]
_SCORES = ["raw_score", "raw_scores"]

# The order in which a response has what was asked for; in csv it is the request's.
_ORDER = [*_LABELS, *_PROBABILITIES, *_SCORES, *_REGRESSION]

# What SAGEMAKER_INFERENCE_OUTPUT may ask of a model, by the model's objective.
SELECTABLE = {
    "reg:squarederror": _REGRESSION,
    "reg:logistic": _REGRESSION,
    "reg:gamma": _REGRESSION,
    "reg:absoluteerror": _REGRESSION,
    "reg:tweedie": _REGRESSION,
    "binary:logistic": _LABELS + _PROBABILITIES + _SCORES,
    "binary:logitraw": _LABELS + _SCORES,
    "binary:hinge": _LABELS + _SCORES,
    "multi:softmax": _LABELS + _SCORES,
    "multi:softprob": _LABELS + _PROBABILITIES + _SCORES,
}


class NotAcceptable(Exception):
    """The Accept header asks for a type that the image never responds with."""


class NotEncodable(Exception):
    """The response can't be written in the type that Accept names."""


def accept_type(header: str | None, default: str | None) -> str:
    """The media type to respond with.

    header: Accept, or None. default: SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT, or None.
    NotAcceptable with the official text for a type that is not in ACCEPTED.
    """
    given = header or ""
    name, _ = media_types.parse(given)
    if name in ("", "*/*"):
        return default or "text/csv"
    if name not in ACCEPTED:
        # Quoted as it was sent, capitals and all.
        raise NotAcceptable(
            f"Accept type {given.split(';')[0].strip()} is not supported. "
            f"Please use supported accept types: {ACCEPTED}."
        )
    return name


def batch_text(predictions: np.ndarray) -> str:
    """One prediction per line, whatever the type; a row of several as a list."""
    return _lines(predictions)


def one_line(predictions: np.ndarray) -> str:
    """All predictions with commas between them, as tags up to 1.2-1 respond."""
    return ",".join(map(str, predictions.tolist()))


def encode(predictions: np.ndarray, accept: str) -> str:
    """The response of a real-time endpoint. NotEncodable for a type with no encoder.

    Numbers are written with as many digits as a 64 bit number needs, although
    predictions have 32 bits: so the image writes them.
    """
    if accept == "application/json":
        scores = [{"score": value} for value in predictions.tolist()]
        return json.dumps({"predictions": scores})
    if accept != "text/csv":
        raise NotEncodable(f"Content type {accept} is not supported by this framework.")
    if predictions.ndim == 2:
        rows = [",".join(map(repr, row)) for row in predictions.tolist()]
        return "".join(f"{row}\n" for row in rows)
    return _lines(predictions)


def _lines(predictions: np.ndarray) -> str:
    """Each prediction as Python writes it, on a line of its own."""
    if predictions.ndim == 1 and len(predictions) >= _MANY_NUMBERS:
        numbers = predictions.astype(np.float64)
        size = np.abs(numbers)
        # pyarrow writes whole, very large and very small numbers in its own way.
        if ((size >= 1e-4) & (size < 1e15) & (numbers != np.trunc(numbers))).all():
            return _lines_by_pyarrow(numbers)
    return "\n".join(map(str, predictions.tolist())) + "\n"


def _lines_by_pyarrow(numbers: np.ndarray) -> str:
    import pyarrow
    from pyarrow import csv

    # pyarrow.table of a numpy array would import pandas.
    buffers = [None, pyarrow.py_buffer(numbers)]
    column = pyarrow.Array.from_buffers(pyarrow.float64(), len(numbers), buffers)
    stream = pyarrow.BufferOutputStream()
    table = pyarrow.table([column], names=["prediction"])
    csv.write_csv(table, stream, csv.WriteOptions(include_header=False))
    return stream.getvalue().to_pybytes().decode()


def select(
    predictions: np.ndarray, keys: list[str], objective: str, classes: int
) -> list[dict[str, Any]]:
    """For each prediction what SAGEMAKER_INFERENCE_OUTPUT asks for.

    In the order of the image, whatever that of the keys. objective: the model's.
    classes: num_class of the model. A key that the objective does not have is nan, and
    comes last. NotEncodable for other objectives.
    """
    if objective not in SELECTABLE:
        raise NotEncodable(
            f"Objective `{objective}` unsupported for selectable inference predictions."
        )
    wrong = [key for key in dict.fromkeys(keys) if key not in SELECTABLE[objective]]
    right = [key for key in _ORDER if key in keys and key not in wrong]
    if wrong:
        logger.warning(
            f"Selected key(s) {set(wrong)} incompatible for objective '{objective}'. "
            "Please use list of compatible selectable inference predictions: "
            f"{SELECTABLE[objective]}"
        )
    return [
        {key: _content(key, value, objective, classes) for key in right}
        | dict.fromkeys(wrong, math.nan)
        for value in predictions.tolist()
    ]


def _content(key: str, value: Any, objective: str, classes: int) -> Any:
    """One key of one prediction: `value` is a number, or a list for multi:softprob."""
    many = isinstance(value, list)
    if key == "predicted_label":
        if objective == "binary:logistic":
            return int(value > 0.5)
        if objective == "binary:logitraw":
            return int(value > 0)
        return int(np.argmax(value)) if many else value
    if key == "labels":
        return list(range(classes)) if objective.startswith("multi:") else [0, 1]
    if key in ("probability", "raw_score"):
        return max(value) if many else value
    if key in ("probabilities", "raw_scores"):
        return value if many else [1.0 - value, value]
    return value  # predicted_score


def encode_selected(
    rows: list[dict[str, Any]], keys: list[str], accept: str, batch: bool
) -> str | bytes:
    """Selected content in the accepted type. NotEncodable for one with no encoder.

    RecordIO has a record per row, in which each key is a label. (The image writes all
    earlier rows into a record before its own, which a reader sees nothing of.)
    """
    if accept == "application/json":
        return json.dumps({"predictions": rows})
    if accept == "application/jsonlines":
        return "".join(json.dumps(row) + "\n" for row in rows)
    if accept == "application/x-recordio-protobuf":
        from local_aws.containers import recordio

        stream = io.BytesIO()
        for row in rows:
            recordio.write_labels(stream, row)
        return stream.getvalue()
    if accept != "text/csv":
        raise NotEncodable(
            f"Cannot encode selected predictions into accept type '{accept}'."
        )
    lines = [",".join(_csv_field(row[key]) for key in keys) for row in rows]
    return "\n".join(lines) + ("\n" if batch else "")


def _csv_field(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
