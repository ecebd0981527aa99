"""The table of services holds together with botocore's models and with the rooms."""

import asyncio
import pkgutil
from types import SimpleNamespace

import pytest

from local_aws.installation import open_installation
from local_aws.messages import Head
from local_aws.server.responders import Responders
from local_aws.services import (
    SERVICES,
    Service,
    named,
    of_signature,
    of_target,
    of_unsigned,
    own_data_loader,
    protocol_of,
)

names = [service.name for service in SERVICES]


@pytest.mark.parametrize("name", [*names, "apigatewayv2", "dynamodb", "ec2"])
def test_the_quick_look_at_a_model_finds_its_metadata(name) -> None:
    whole = own_data_loader().load_service_model(name, "service-2")
    assert Service(name, "").metadata == whole["metadata"]


def test_all_that_a_row_names_is_there() -> None:
    assert len(set(names)) == len(names)
    for service in SERVICES:
        for place in filter(None, (service.responder, service.persistence)):
            assert isinstance(pkgutil.resolve_name(f"local_aws.{place}"), type)


FORM = ("content-type", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("path", "headers", "body", "name"),
    [
        ("/", [("x-amz-target", "SageMaker.ListTags")], b"", "sagemaker"),
        ("/", [("x-amz-target", "Logs_20140328.X")], b"", "logs"),
        ("/", [("x-amz-target", "Other_20140328.X")], b"", None),
        ("/", [FORM], b"Action=X&Version=2011-06-15", "sts"),
        ("/", [FORM], b"Action=X&Version=2010-08-01", "cloudwatch"),
        ("/", [FORM], b"Action=X&Version=1999-01-01", "iam"),
        ("/", [FORM], b"x=y", "s3"),
        ("/bucket/key", [], b"", "s3"),
        ("/endpoints/a/invocations", [], b"", "sagemaker-runtime"),
        ("/2015-03-31/functions/a/invocations", [], b"", "lambda"),
        ("/endpoints/a/async-invocations", [], b"", "sagemaker-runtime"),
    ],
)
def test_whom_an_unsigned_request_is_meant_for(path, headers, body, name) -> None:
    found = of_unsigned(Head("POST", path, "", headers), body)
    assert found is (name and named(name))


def test_one_signing_name_of_two_services() -> None:
    """The request's protocol tells them apart."""
    target = Head("POST", "/", "", [("x-amz-target", "SageMaker.ListTags")])
    invocation = Head("POST", "/endpoints/a/invocations", "", [])
    assert of_signature("sagemaker", target) is named("sagemaker")
    assert of_target(target) is named("sagemaker")
    assert of_signature("sagemaker", invocation) is named("sagemaker-runtime")


@pytest.mark.parametrize(
    ("headers", "protocol"),
    [
        ([("x-amz-target", "DynamoDB_20120810.ListTables")], "json"),
        ([FORM], "query"),
        ([], "rest-json"),
    ],
)
def test_a_service_that_is_not_here_is_answered_in_its_protocol(
    headers, protocol
) -> None:
    head = Head("POST", "/", "", headers)
    assert of_signature("unknown", head) is None
    assert protocol_of(None, head) == protocol


def test_a_service_that_can_not_stop_does_not_hold_up_the_others(home, caplog) -> None:
    stopped = []

    async def fail() -> None:
        raise OSError("the disk is full")

    sagemaker = SimpleNamespace(prepare_to_close=lambda: stopped.append("sagemaker"))
    responders = Responders(open_installation(home), sagemaker)
    responders.on_stop(fail)
    asyncio.run(responders.stop())
    assert stopped == ["sagemaker"]
    assert "the disk is full" in caplog.text
