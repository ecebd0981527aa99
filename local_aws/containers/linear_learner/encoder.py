"""Scores as the body of a response.

Forms: AWS page "Linear learner response formats"; the csv of a regressor, which that
page does not have, as users recorded it.
"""

import json

import numpy as np

from local_aws.containers import media_types

ACCEPTED = ("application/json", "application/jsonlines", "text/csv")


class NotAcceptable(Exception):
    """The Accept header asks for a type that the image does not respond with."""


def accept_type(header: str | None, batch: bool) -> str:
    """The media type to respond with. NotAcceptable for one that is not in ACCEPTED.

    header: Accept, or None. batch: whether this is a transform job, which gets a line
    for each record if it does not say otherwise.
    """
    name, _ = media_types.parse(header or "")
    if name in ("", "*/*"):
        return "text/csv" if batch else "application/json"
    if name not in ACCEPTED:
        raise NotAcceptable(
            f"Accept type {header} is not supported. "
            f"Please use one of: {', '.join(ACCEPTED)}"
        )
    return name


def encode(scores: np.ndarray, accept: str) -> str:
    """The response of a regressor. scores: (rows, 1).

    Numbers are written with as many digits as a 64 bit number needs, although they
    have 32 bits: so the image writes them.
    """
    values = scores[:, 0].tolist()
    if accept == "application/json":
        return json.dumps({"predictions": [{"score": value} for value in values]})
    if accept == "application/jsonlines":
        return "".join(json.dumps({"score": value}) + "\n" for value in values)
    return "".join(f"{value!r}\n" for value in values)
