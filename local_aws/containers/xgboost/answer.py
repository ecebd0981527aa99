"""Predictions as the body of an answer."""

import json
import logging
import math
from typing import Any

import numpy as np

from local_aws.containers.xgboost import content_types

_log = logging.getLogger("sagemaker-xgboost")

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
    """The Accept header asks for something that the image never answers."""


class NotEncodable(Exception):
    """The answer can't be written in the type that Accept names."""


def accept_type(header: str | None, default: str | None) -> str:
    """The media type to answer with.

    header: Accept, or None. default: SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT, or None.
    NotAcceptable with the official text for a type that is not in ACCEPTED.
    """
    name, _ = content_types.media_type(header or "")
    if name in ("", "*/*"):
        return default or "text/csv"
    if name.lower() not in ACCEPTED:
        raise NotAcceptable(
            f"Accept type {name} is not supported. "
            f"Please use supported accept types: {ACCEPTED}."
        )
    return name.lower()


def batch_text(predictions: np.ndarray) -> str:
    """One prediction per line, whatever the type; a row of several as a list."""
    return "\n".join(map(str, predictions.tolist())) + "\n"


def encode(predictions: np.ndarray, accept: str) -> str:
    """The answer of a real-time endpoint. NotEncodable for a type with no encoder.

    Numbers are written with as many digits as a 64 bit number needs, although
    predictions have 32 bits: so the image writes them.
    """
    values = predictions.tolist()
    if accept == "application/json":
        return json.dumps({"predictions": [{"score": value} for value in values]})
    if accept != "text/csv":
        raise NotEncodable(f"Content type {accept} is not supported by this framework.")
    if predictions.ndim == 2:
        values = [",".join(map(repr, row)) for row in values]
        return "".join(f"{row}\n" for row in values)
    return "".join(f"{value!r}\n" for value in values)


def select(
    predictions: np.ndarray, keys: list[str], objective: str, classes: int
) -> list[dict[str, Any]]:
    """For each prediction what SAGEMAKER_INFERENCE_OUTPUT asks for, in its order.

    keys: its names. objective: the model's. classes: num_class of the model. A key
    that the objective does not have is nan. NotEncodable for other objectives.
    """
    if objective not in SELECTABLE:
        raise NotEncodable(
            f"Objective `{objective}` unsupported for selectable inference predictions."
        )
    wrong = {key for key in keys if key not in SELECTABLE[objective]}
    if wrong:
        _log.warning(
            f"Selected key(s) {wrong} incompatible for objective '{objective}'. "
            "Please use list of compatible selectable inference predictions: "
            f"{SELECTABLE[objective]}"
        )
    return [
        {
            key: math.nan if key in wrong else _content(key, value, objective, classes)
            for key in keys
        }
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
) -> str:
    """Selected content in the accepted type. NotEncodable for one with no encoder."""
    if accept == "application/json":
        return json.dumps({"predictions": rows})
    if accept == "application/jsonlines":
        return "".join(json.dumps(row) + "\n" for row in rows)
    if accept != "text/csv":
        raise NotEncodable(
            f"Cannot encode selected predictions into accept type '{accept}'."
        )
    lines = [",".join(_csv_field(row[key]) for key in keys) for row in rows]
    return "\n".join(lines) + ("\n" if batch else "")


def _csv_field(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
