"""Serve the model of train.py: the four functions that SageMaker's image calls."""

import csv
import io
import json
import os
from pathlib import Path

import joblib
import pandas as pd
from pydantic import TypeAdapter
from rows import COLUMNS, Call

CALLS = TypeAdapter(list[Call])
# From which probability on a customer is called: 5 dollars a call, 40 a sale.
THRESHOLD = float(os.environ.get("THRESHOLD", "0.125"))


def model_fn(model_dir):
    """Load the model. Called once, when the container starts."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    """Turn a request's body into a table; an error names the row and the field."""
    text = body.decode() if isinstance(body, bytes) else body
    if content_type == "text/csv":
        rows = csv.DictReader(io.StringIO(text), COLUMNS)
        calls = CALLS.validate_python(list(rows))
    elif content_type == "application/json":
        calls = CALLS.validate_json(text)
    else:
        raise ValueError(f"no {content_type} here: send text/csv or application/json")
    return pd.DataFrame([call.model_dump() for call in calls], columns=COLUMNS)


def predict_fn(calls, model):
    """Give each customer's probability of buying."""
    return model.predict_proba(calls)[:, 1]


def output_fn(scores, accept):
    """Write csv with a probability per line, or JSON with the decision as well."""
    if accept == "text/csv":
        return "".join(f"{score:.6f}\n" for score in scores), accept
    if accept == "application/json":
        answers = [
            {"probability": round(float(score), 4), "call": bool(score >= THRESHOLD)}
            for score in scores
        ]
        return json.dumps(answers), accept
    raise ValueError(f"no {accept} here: accept text/csv or application/json")
