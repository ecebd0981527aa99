"""Requests to Lambda with one fault, by the hundred; and what only its API says."""

import json
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote

import pytest
from aws_requests import request_of, unpacked
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from model_requests import Faulty, faulty_requests, sample, wrongly_told

from local_aws import protocol
from local_aws.errors import AwsError
from local_aws.functions.operations import HANDLERS
from local_aws.messages import Head
from local_aws.protocol import constraints

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"))
OPERATIONS = tuple(sorted(HANDLERS))
ARN = "arn:aws:lambda:us-east-1:123456789012:function:name"


def accept(params: dict, context: object) -> dict:
    """A handler that only says that the request came through."""
    raise AwsError("Accepted", "")


def send(name: str, body: object, **labels: str) -> tuple[str, str]:
    """Send a request; returns the code and the message of the answer."""
    model = MODEL.operation_model(name)
    path = model.http["requestUri"]
    members = model.input_shape.members if model.input_shape else {}
    for member, shape in members.items():
        if shape.serialization.get("location") == "uri":
            value = labels.get(member, ARN if member == "Resource" else "name")
            path = path.replace(f"{{{member}}}", quote(value, safe=""))
    query = "tagKeys=a" if name == "UntagResource" else ""
    head = Head(model.http["method"], path, query, [])
    request = request_of("lambda", head, json.dumps(body).encode())
    handled = protocol.handle(request, {name: accept}, None)
    _, headers, content = unpacked(handled.response)
    error = json.loads(content)
    return headers["x-amzn-ErrorType"], error.get("message", error.get("Message", ""))


@cache
def body_shape(name: str) -> Shape | None:
    """What the body of an operation's request may hold; None for nothing."""
    model = MODEL.operation_model(name)
    if model.input_shape is None:
        return None
    shape = model.input_shape
    members = {
        member: shape.metadata
        for member, shape in shape.members.items()
        if not shape.serialization.get("location")
    }
    return shape if members else None


def bodies(name: str) -> Iterator[Faulty]:
    shape = body_shape(name)
    if shape is not None:
        whole = whole_body(name)
        yield from faulty_requests(whole, shape)


def whole_body(name: str) -> dict:
    shape = body_shape(name)
    whole = {
        member: sample(kind)
        for member, kind in shape.members.items()
        if not kind.serialization.get("location")
    }
    return {member: value for member, value in whole.items() if value is not None}


def wrongly_answered(name: str, faulty: Faulty) -> str | None:
    """What is wrong with the answer to a faulty request; None if it is right."""
    problem = wrongly_told(faulty, *send(name, faulty.request))
    return problem and f"{name}: {problem}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_field_wrong_is_refused_by_name(name) -> None:
    if body_shape(name) is not None:
        assert send(name, whole_body(name)) == ("Accepted", "")
    failures = [wrongly_answered(name, faulty) for faulty in bodies(name)]
    assert not list(filter(None, failures)), "\n".join(filter(None, failures[:20]))


def test_there_are_hundreds_of_them() -> None:
    assert sum(len(list(bodies(name))) for name in OPERATIONS) > 400


def test_the_gate_notices_a_check_that_does_nothing(monkeypatch) -> None:
    monkeypatch.setattr(constraints, "check", lambda params, shape: None)
    faulty = [f for f in bodies("CreateFunction") if f.code == "ValidationException"]
    assert faulty
    assert all(wrongly_answered("CreateFunction", each) for each in faulty)


@pytest.mark.parametrize(
    "function", ["a b", "é", "a" * 257, "arn:aws:s3:::bucket", "/"]
)
def test_a_name_in_the_path_is_checked(function) -> None:
    code, message = send("GetFunction", {}, FunctionName=function)
    assert code == "ValidationException"
    assert "at 'functionName' failed to satisfy constraint" in message
