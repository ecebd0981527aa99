"""Requests to Lambda with one fault, by the hundred; and what only its API says."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

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


def send(name: str, body: object, **elsewhere: Any) -> tuple[str, str]:
    """Send a request; returns the code and the message of the answer.

    `elsewhere`: what is not in the body, by the members' names.
    """
    model = MODEL.operation_model(name)
    path = model.http["requestUri"]
    if name == "UntagResource" and not elsewhere:
        elsewhere = {"TagKeys": ["a"]}
    query, headers = [], []
    for member, shape in members_elsewhere(name).items():
        where, wire = shape.serialization["location"], shape.serialization["name"]
        value = elsewhere.get(member)
        if where == "uri":
            text = value or (ARN if member == "Resource" else "name")
            path = path.replace(f"{{{wire}}}", quote(text, safe=""))
        elif value is not None and where == "header":
            headers.append((wire.lower(), str(value)))
        elif value is not None:
            texts = value if isinstance(value, list) else [value]
            query += [(wire, text) for text in texts]
    head = Head(model.http["method"], path, urlencode(query), headers)
    request = request_of("lambda", head, json.dumps(body).encode())
    handled = protocol.handle(request, {name: accept}, None)
    _, headers, content = unpacked(handled.response)
    error = json.loads(content)
    return headers["x-amzn-ErrorType"], error.get("message", error.get("Message", ""))


def members_elsewhere(name: str) -> dict[str, Shape]:
    """The members of a request that are in its path, its query or a header."""
    shape = MODEL.operation_model(name).input_shape
    return {
        member: kind
        for member, kind in (shape.members.items() if shape else ())
        if kind.serialization.get("location")
    }


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
        for member, kind in (shape.members.items() if shape else ())
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


def faults_elsewhere(name: str) -> Iterator[Faulty]:
    """Requests with one fault outside of the body: a rule broken, or no number."""
    shape, members = MODEL.operation_model(name).input_shape, members_elsewhere(name)
    whole = {member: sample(kind) for member, kind in members.items()}
    assert None not in whole.values()
    assert send(name, whole_body(name), **whole) == ("Accepted", ""), name
    for faulty in faulty_requests(whole, shape):
        changed = [m for m in members if faulty.request.get(m) != whole[m]]
        in_path = [members[m].serialization["location"] == "uri" for m in changed]
        # A path with nothing in that place is another operation's.
        is_there = not all(in_path) or all(map(faulty.request.get, changed))
        if faulty.code == "ValidationException" and is_there:
            yield faulty
    for member, kind in members.items():
        if kind.type_name in ("integer", "long"):
            for text in ("one", "1.", "", "0x1"):
                request = whole | {member: text}
                yield Faulty(text, request, "SerializationException", member, "")


def test_one_fault_outside_of_the_body_is_refused_by_name() -> None:
    failures, number = [], 0
    for name in (*OPERATIONS, "Invoke"):
        if not members_elsewhere(name):
            continue
        for faulty in faults_elsewhere(name):
            number += 1
            code, message = send(name, whole_body(name), **faulty.request)
            if faulty.code == code == "SerializationException":
                continue
            problem = wrongly_told(faulty, code, message)
            failures.append(problem and f"{name}: {problem}")
    failures = list(filter(None, failures))
    assert not failures, "\n".join(failures[:20])
    assert number > 60, number


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
