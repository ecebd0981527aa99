"""Scores as the body of a response.

Forms: AWS page "Linear learner response formats"; the csv of a regressor, which that
page does not have, as users recorded it.
"""

import io
import json
from typing import Any

import numpy as np

from local_aws.containers import media_types
from local_aws.containers.linear_learner.channels import CSV, RECORDIO_PROTOBUF

JSON, JSON_LINES = "application/json", "application/jsonlines"

# Nobody has published what a classifier's csv looks like.
ACCEPTED = {
    "binary_classifier": (JSON, JSON_LINES, RECORDIO_PROTOBUF),
    "multiclass_classifier": (JSON, JSON_LINES, RECORDIO_PROTOBUF),
    "regressor": (JSON, JSON_LINES, RECORDIO_PROTOBUF, CSV),
}

# What a transform job gets, a line for each record, if it does not say otherwise.
_OF_TRANSFORM_JOBS = {"regressor": CSV}


class NotAcceptable(Exception):
    """The Accept header asks for a type that the image does not respond with."""


def accept_type(header: str | None, batch: bool, predictor_type: str) -> str:
    """The media type to respond with. NotAcceptable for one that is not in ACCEPTED.

    header: Accept, or None. batch: whether this is a transform job.
    """
    name, _ = media_types.parse(header or "")
    if name in ("", "*/*"):
        default = _OF_TRANSFORM_JOBS.get(predictor_type, JSON_LINES)
        return default if batch else JSON
    accepted = ACCEPTED[predictor_type]
    if name not in accepted:
        raise NotAcceptable(
            f"Accept type {header} is not supported. "
            f"Please use one of: {', '.join(accepted)}"
        )
    return name


def encode(scores: np.ndarray, labels: np.ndarray | None, accept: str) -> str | bytes:
    """The response. scores: (rows, outputs). labels: (rows,), or None of a regressor.

    Numbers are written with as many digits as a 64 bit number needs, although they
    have 32 bits: so the image writes them.
    """
    several = scores.shape[1] > 1
    values = scores.tolist() if several else scores[:, 0].tolist()
    if accept == CSV:
        return "".join(f"{value!r}\n" for value in values)
    rows = [{"score": value} for value in values]
    if labels is not None:
        for row, label in zip(rows, labels.tolist(), strict=True):
            row["predicted_label"] = label
    if accept == RECORDIO_PROTOBUF:
        return _recordio(rows)
    if accept == JSON:
        return json.dumps({"predictions": rows})
    return "".join(json.dumps(row) + "\n" for row in rows)


def _recordio(rows: list[dict[str, Any]]) -> bytes:
    # Imported on first use: other responses need no protobuf.
    from local_aws.containers import recordio

    stream = io.BytesIO()
    for row in rows:
        recordio.write_labels(stream, row)
    return stream.getvalue()
