"""Answer a web page's question: should the bank call this customer?

An AWS Lambda function behind an HTTP API (payload format 2.0). A request's body is a
customer in the data's own words, as JSON. Each field is checked by encoding.json, which
training has written beside this file, and becomes the numbers that the model was
trained on. Needs boto3, which Lambda's Python runtimes bring, and the environment
variable ENDPOINT_NAME. Lesson 11 explains it.
"""

import base64
import json
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ENCODING_FILE = Path(__file__).with_name("encoding.json")
MOST_BYTES = 4096  # of a body; a customer takes some 300
# Together shorter than the function's timeout, so that the page gets an answer of ours.
PATIENCE = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)


class Refused(Exception):
    """A request that can't be answered as it is. The public reads all that is in it.

    fields: what is wrong with which field of the customer.
    """

    def __init__(
        self, status: int, message: str, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.answer = {"message": message, "fields": dict(fields or {})}


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Give the response for a request to the API.

    Whatever it does not expect it raises: Lambda logs that, API Gateway tells the
    public "Internal Server Error" and nothing more.
    """
    try:
        customer = read_customer(event)
        row = encode(customer, encoding()["fields"])
    except Refused as refused:
        log.info("refused with %d: %s", refused.status, refused)
        return response(refused.status, refused.answer)
    try:
        probability = ask_the_model(row)
    except (BotoCoreError, ClientError):
        log.exception("the endpoint did not answer")
        number = context.aws_request_id
        sorry = f"The model does not answer. Please try again later. (Request {number})"
        return response(503, {"message": sorry, "fields": {}})
    threshold = encoding()["threshold"]
    answer = {
        "probability": probability,
        "threshold": threshold,
        "call": probability >= threshold,
    }
    return response(200, answer)


def read_customer(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON object in a request's body. Raises Refused."""
    headers = event.get("headers") or {}
    kinds = [text for name, text in headers.items() if name.lower() == "content-type"]
    if "".join(kinds).partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The content type must be application/json.")
    body = event.get("body") or ""
    try:
        is_base64 = event.get("isBase64Encoded")
        content = base64.b64decode(body, validate=True) if is_base64 else body.encode()
        if len(content) > MOST_BYTES:
            raise Refused(413, f"The request has more than {MOST_BYTES} bytes.")
        customer = json.loads(content)
    except (ValueError, RecursionError):  # base64's error is a ValueError, too
        raise Refused(400, "The request is no valid JSON.") from None
    if not isinstance(customer, dict):
        raise Refused(400, "The request must be a JSON object: a customer's fields.")
    return customer


def encode(customer: Mapping[str, Any], fields: list[Mapping[str, Any]]) -> list[int]:
    """Turn a customer's fields into the model's numbers, in the model's order.

    fields: as encoding.json has them. Raises Refused, which names each field that is
    missing, wrong or not known.
    """
    wrong = {name: "is not known" for name in customer}
    row: list[int] = []
    for field in fields:
        name = field["name"]
        wrong.pop(name, None)
        if problem := what_is_wrong(customer, field):
            wrong[name] = problem
        elif field["type"] == "category":
            row += [int(customer[name] == known) for known in field["categories"]]
        elif field["type"] == "yes_no":
            row.append(int(customer[name] == "yes"))
        else:
            row.append(customer[name])
    if wrong:
        raise Refused(400, "Some fields are missing or wrong.", wrong)
    return row


def what_is_wrong(customer: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    """Say what is wrong with a customer's field; "" for nothing."""
    if field["name"] not in customer:
        return "is missing"
    value = customer[field["name"]]
    if field["type"] == "number":
        low, high = field["minimum"], field["maximum"]
        # In Python, True is a whole number as well.
        if type(value) is not int or not low <= value <= high:
            return f"must be a whole number from {low} to {high}"
        return ""
    known = ["no", "yes"] if field["type"] == "yes_no" else field["categories"]
    if not isinstance(value, str) or value not in known:
        return f"must be one of: {', '.join(known)}"
    return ""


def ask_the_model(row: list[int]) -> float:
    """Give the probability that the endpoint computes for a row of numbers."""
    answer = runtime().invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        ContentType="text/csv",
        Body=",".join(str(number) for number in row),
    )
    return float(answer["Body"].read())


def response(status: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Give a response in payload format 2.0."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps(answer),
    }


@cache
def encoding() -> dict[str, Any]:
    """Give what training has written: "fields" and "threshold"."""
    return json.loads(ENCODING_FILE.read_text(encoding="utf-8"))


@cache
def runtime() -> Any:
    """Give the client, which a warm function uses again."""
    return boto3.client("sagemaker-runtime", config=PATIENCE)
