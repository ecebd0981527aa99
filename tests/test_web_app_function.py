"""The function behind lesson 11's page, without AWS: what it answers to whom."""

import base64
import importlib.util
import io
import json
import logging
import random
import string
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from course.install import ROOT
from utils.bank_marketing import (
    BANK_TARGET,
    columns_of,
    customers_of,
    describe_encoding,
    encode_bank_marketing,
)
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing

HANDLER = ROOT / "webapp" / "lambda_function.py"
CONTEXT = SimpleNamespace(aws_request_id="8f5c0a2e-request")


@pytest.fixture(scope="module")
def calls() -> Any:
    return make_synthetic_bank_marketing()[:3000]


@pytest.fixture(scope="module")
def customers(calls) -> list[dict]:
    return customers_of(calls)


@pytest.fixture(scope="module")
def loaded(calls, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The handler as it is unpacked from its zip: beside it is encoding.json."""
    folder = tmp_path_factory.mktemp("unpacked")
    file = folder / HANDLER.name
    file.write_bytes(HANDLER.read_bytes())
    encoding = describe_encoding(calls, threshold=0.125)
    (folder / "encoding.json").write_text(json.dumps(encoding))
    found = importlib.util.spec_from_file_location("handler_of_the_web_app", file)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


class Endpoint:
    """What answers in the place of the endpoint, and keeps what it was asked."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.asked: list[dict] = []

    def invoke_endpoint(self, **request: str) -> dict:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Body": io.BytesIO(self.answer.encode())}


@pytest.fixture
def web_app(loaded: ModuleType, monkeypatch) -> ModuleType:
    """The handler, with an endpoint that says 0.25."""
    loaded.endpoint = Endpoint("0.25\n")
    monkeypatch.setattr(loaded, "runtime", lambda: loaded.endpoint)
    monkeypatch.setenv("ENDPOINT_NAME", "the-endpoint")
    return loaded


def event(body: Any, kind: str = "application/json", is_base64: bool = False) -> dict:
    """The event for a request; a body that is no text is written as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "version": "2.0",
        "routeKey": "POST /predict",
        "headers": {"content-type": kind},
        "body": text,
        "isBase64Encoded": is_base64,
    }


def ask(web_app: ModuleType, *arguments: Any, **options: Any) -> tuple[int, dict]:
    """Status and body of the response."""
    answer = web_app.lambda_handler(event(*arguments, **options), CONTEXT)
    assert answer.keys() == {"statusCode", "headers", "body"}
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def test_a_customer_becomes_the_row_that_training_saw(web_app, calls, customers):
    table = encode_bank_marketing(calls).drop(columns=BANK_TARGET)
    fields = web_app.encoding()["fields"]
    rows = [web_app.encode(customer, fields) for customer in customers]
    assert rows == table.to_numpy().tolist()
    assert columns_of(web_app.encoding()) == list(table.columns)


def test_an_answer(web_app, customers) -> None:
    status, answer = ask(web_app, customers[0])
    assert (status, answer) == (
        200,
        {"probability": 0.25, "threshold": 0.125, "call": True},
    )
    (request,) = web_app.endpoint.asked
    row = web_app.encode(customers[0], web_app.encoding()["fields"])
    assert request == {
        "EndpointName": "the-endpoint",
        "ContentType": "text/csv",
        "Body": ",".join(map(str, row)),
    }


@pytest.mark.parametrize(
    ("probability", "call"), [("0.1249", False), ("0.125", True), ("1", True)]
)
def test_who_is_called(web_app, customers, probability, call) -> None:
    web_app.endpoint.answer = probability
    assert ask(web_app, customers[0])[1]["call"] is call


def test_a_body_in_base64_is_the_same(web_app, customers) -> None:
    content = base64.b64encode(json.dumps(customers[0]).encode()).decode()
    assert ask(web_app, content, is_base64=True)[0] == 200
    assert ask(web_app, content[:-3] + "%%%", is_base64=True)[0] == 400


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("age", None, "whole number from 17 to"),
        ("age", "30", "whole number"),
        ("age", 30.0, "whole number"),
        ("campaign", True, "whole number from 1 to"),
        ("age", -1, "whole number"),
        ("age", 10**30, "whole number"),
        ("age", float("nan"), "whole number"),
        ("age", [30], "whole number"),
        ("job", "astronaut", "one of: admin., blue-collar"),
        ("job", "Student", "one of"),
        ("job", "", "one of"),
        ("job", 3, "one of"),
        ("job", ["student"], "one of"),
        ("job", {"a": 1}, "one of"),
        ("job", "\ud800", "one of"),
        ("contacted_before", True, "one of: no, yes"),
        ("contacted_before", "unknown", "one of: no, yes"),
        ("duration", 100, "is not known"),
    ],
)
def test_a_wrong_field_is_named(web_app, customers, name, value, problem) -> None:
    status, answer = ask(web_app, {**customers[0], name: value})
    assert (status, list(answer["fields"])) == (400, [name])
    assert problem in answer["fields"][name]
    assert web_app.endpoint.asked == []


def test_each_field_is_needed(web_app, customers) -> None:
    for name in customers[0]:
        less = {other: v for other, v in customers[0].items() if other != name}
        status, answer = ask(web_app, less)
        assert (status, answer["fields"]) == (400, {name: "is missing"})
    status, answer = ask(web_app, {})
    assert answer["fields"] == dict.fromkeys(customers[0], "is missing")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ('"a"', 400),
        ("[" * 4000, 400),
        ('{"age":' + "9" * 4050 + "}", 400),
        ("\ud800", 400),
        (" " * 4097, 413),
        ("é" * 2049, 413),
        ("x" * 6_000_000, 413),
    ],
    ids=lambda value: str(value)[:8].encode("ascii", "backslashreplace").decode(),
)
def test_what_is_no_customer(web_app, body, status) -> None:
    assert ask(web_app, body)[0] == status
    assert web_app.endpoint.asked == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonx", "json"])
def test_another_content_type(web_app, customers, kind) -> None:
    assert ask(web_app, customers[0], kind=kind)[0] == 415
    right = "Application/JSON; charset=utf-8"
    assert ask(web_app, customers[0], kind=right)[0] == 200


def test_a_request_without_headers_or_body(web_app) -> None:
    for empty in ({}, {"headers": None, "body": None}):
        assert web_app.lambda_handler(empty, CONTEXT)["statusCode"] == 415
    sent = {"headers": {"Content-Type": "application/json"}}
    assert web_app.lambda_handler(sent, CONTEXT)["statusCode"] == 400


REFUSED = ClientError(
    {"Error": {"Code": "AccessDeniedException", "Message": "arn:secret"}}, "Invoke"
)


@pytest.mark.parametrize(
    "error", [REFUSED, ReadTimeoutError(endpoint_url="secret")], ids=["denied", "slow"]
)
def test_an_endpoint_that_does_not_answer(web_app, customers, caplog, error) -> None:
    web_app.endpoint.answer = error
    with caplog.at_level(logging.INFO):
        status, answer = ask(web_app, customers[0])
    assert status == 503
    assert CONTEXT.aws_request_id in answer["message"]
    assert "secret" not in json.dumps(answer)
    assert "secret" in caplog.text


def test_what_is_not_expected_is_raised(web_app, customers, monkeypatch) -> None:
    """API Gateway tells the public nothing of it."""
    web_app.endpoint.answer = "no number"
    with pytest.raises(ValueError, match="no number"):
        ask(web_app, customers[0])
    web_app.endpoint.answer = "0.1"
    monkeypatch.delenv("ENDPOINT_NAME")
    with pytest.raises(KeyError):
        ask(web_app, customers[0])


def test_any_json_gets_an_answer(web_app, customers) -> None:
    draw = random.Random(0)

    def value(depth: int = 0) -> Any:
        kind = draw.randrange(8 if depth < 3 else 6)
        if kind == 6:
            return [value(depth + 1) for _ in range(draw.randrange(4))]
        if kind == 7:
            return {text(): value(depth + 1) for _ in range(draw.randrange(4))}
        return [None, True, draw.randrange(-9, 99), draw.random(), text(), "yes"][kind]

    def text() -> str:
        return "".join(draw.choices(string.printable + "é☁\ud800", k=draw.randrange(9)))

    for _ in range(1000):
        body = {name: value() for name in [*draw.sample(list(customers[0]), 5), text()]}
        status, answer = ask(web_app, {**customers[0], **body})
        assert status == 400
        assert answer["fields"].keys() <= customers[0].keys() | body.keys()
    assert web_app.endpoint.asked == []


def test_it_needs_nothing_but_boto3_and_knows_no_stand_in() -> None:
    text = Path(HANDLER).read_text()
    imports = {
        line.split()[1].partition(".")[0]
        for line in text.splitlines()
        if line.startswith(("import ", "from "))
    }
    standard = {"base64", "collections", "functools", "json", "logging", "os"}
    assert imports == standard | {"boto3", "botocore", "pathlib", "typing"}
    assert "local_aws" not in text.lower()
