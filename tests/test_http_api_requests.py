"""Requests to API Gateway with one fault, by the hundred; and what an API can't be."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from aws_requests import request_of
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from model_requests import Faulty, faulty_requests, sample, wrongly_told

from local_aws.errors import AwsError
from local_aws.http_apis import (
    configuration,
    cors,
    events,
    routing,
    service,
    throttling,
)
from local_aws.http_apis.operations import HANDLERS
from local_aws.messages import Head
from local_aws.protocol import constraints

MODEL = ServiceModel(Loader().load_service_model("apigatewayv2", "service-2"))
OPERATIONS = tuple(sorted(HANDLERS))
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:name"


def send(name: str, body: dict) -> tuple[str, str]:
    """Read a request as the service does; returns code and message of the error."""
    model = MODEL.operation_model(name)
    path, query = model.http["requestUri"], []
    for member, shape in model.input_shape.members.items():
        wire = shape.serialization.get("name", member)
        where = shape.serialization.get("location")
        if where == "uri":
            path = path.replace(f"{{{wire}}}", quote("$default", safe=""))
        elif where == "querystring":
            query.append(f"{wire}=1")
    head = Head(model.http["method"], path, "&".join(query), [])
    content = json.dumps(on_the_wire(body, body_shape(name))).encode()
    try:
        service._read(request_of("apigatewayv2", head, content))
    except AwsError as error:
        return error.code, error.message
    return "Accepted", ""


def on_the_wire(value: Any, shape: Shape) -> Any:
    """A value with the names that its members have in JSON."""
    if isinstance(value, dict) and shape.type_name == "structure":
        return {
            shape.members[name].serialization.get("name", name): on_the_wire(
                item, shape.members[name]
            )
            for name, item in value.items()
        }
    if isinstance(value, dict) and shape.type_name == "map":
        return {name: on_the_wire(item, shape.value) for name, item in value.items()}
    if isinstance(value, list) and shape.type_name == "list":
        return [on_the_wire(item, shape.member) for item in value]
    return value


def body_shape(name: str) -> Shape:
    return MODEL.operation_model(name).input_shape


def whole_body(name: str) -> dict:
    return {
        member: sample(kind)
        for member, kind in body_shape(name).members.items()
        if not kind.serialization.get("location")
    }


def bodies(name: str) -> Iterator[Faulty]:
    yield from faulty_requests(whole_body(name), body_shape(name))


def wrongly_answered(name: str, faulty: Faulty) -> str | None:
    """What is wrong with the answer to a faulty request; None if it is right."""
    if faulty.code == "ValidationException":  # which this service calls so
        faulty = replace(faulty, code="BadRequestException")
    problem = wrongly_told(faulty, *send(name, faulty.request))
    return problem and f"{name}: {problem}"


def test_one_field_wrong_is_refused_by_name() -> None:
    failures, number = [], 0
    for name in OPERATIONS:
        assert send(name, whole_body(name))[0] == "Accepted", name
        for faulty in bodies(name):
            number += 1
            failures.append(wrongly_answered(name, faulty))
    failures = list(filter(None, failures))
    assert not failures, "\n".join(failures[:20])
    assert number > 300


def test_the_gate_notices_a_check_that_does_nothing(monkeypatch) -> None:
    monkeypatch.setattr(constraints, "check", lambda params, shape: None)
    faulty = [f for f in bodies("CreateApi") if f.code == "ValidationException"]
    assert faulty
    assert all(wrongly_answered("CreateApi", each) for each in faulty)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "predict",
        "POST",
        "POST predict",
        "post /predict",
        "FETCH /predict",
        "POST  /predict",
        "POST /predict/",
        "POST //predict",
        "POST /{a+}/b",
        "POST /{a}/{a}",
        "POST /{}",
        "POST /a{b}",
        "POST /a?b",
        "$other",
        "$connect",
    ],
)
def test_what_is_no_route_key(key: str) -> None:
    assert routing.parse(key) is None


def test_which_path_a_route_key_takes() -> None:
    for key, path, values in (
        ("ANY /", "/", {}),
        ("ANY /", "/a", None),
        ("ANY /a", "/a/", None),
        ("ANY /{a}", "/", None),
        ("ANY /{a}", "/x", {"a": "x"}),
        ("ANY /{a}", "/x%2Fy", {"a": "x/y"}),
        ("ANY /{a}", "/x/y", None),
        ("ANY /a/{b+}", "/a", None),
        ("ANY /a/{b+}", "/a/", None),
        ("ANY /a/{b+}", "/a/c/d/", {"b": "c/d/"}),
        ("GET /a", "/a", None),
        ("$default", "*", {}),
    ):
        assert routing.parse(key).values("POST", path) == values, (key, path)


def test_what_cors_can_not_be() -> None:
    for configured, problem in (
        ({"AllowOrigins": ["localhost:8888"]}, "Invalid format for origin localhost"),
        ({"AllowOrigins": ["null"]}, "Invalid format for origin null"),
        ({"AllowOrigins": ["*"], "AllowCredentials": True}, "allow-credentials is not"),
        ({"AllowHeaders": ["a\r\nb: c"]}, "Invalid value"),
        ({"AllowOrigins": ["http://é"]}, "Invalid value"),
    ):
        assert cors.problem(configured).startswith(problem)
    assert not cors.problem({"AllowOrigins": ["*"], "AllowHeaders": ["*"]})


@pytest.mark.parametrize("payload", [b"no JSON", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_result_of_the_runtimes(payload: bytes) -> None:
    with pytest.raises(events.Malformed):
        events.reply_of(payload, "2.0")


def test_a_bucket_fills_at_its_rate() -> None:
    now = [0.0]
    bucket = throttling.Bucket(2, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


@pytest.fixture(scope="module")
def api(stand_in) -> dict:
    client = stand_in.client("apigatewayv2")
    api = client.create_api(
        Name="refusing", ProtocolType="HTTP", Target=FUNCTION, Tags={"a": "b"}
    )
    [route] = client.get_routes(ApiId=api["ApiId"])["Items"]
    [integration] = client.get_integrations(ApiId=api["ApiId"])["Items"]
    api |= {
        "RouteId": route["RouteId"],
        "IntegrationId": integration["IntegrationId"],
        "StageName": "$default",
    }
    return api


LAMBDA = {
    "IntegrationType": "AWS_PROXY",
    "IntegrationUri": FUNCTION,
    "PayloadFormatVersion": "2.0",
}
HTTP = {"Name": "a", "ProtocolType": "HTTP"}
ROLE = "arn:aws:iam::123456789012:role/any"
BAD, CONFLICT, MISSING = 400, 409, 404


@pytest.mark.parametrize(
    ("call", "members", "status", "message"),
    [
        ("create_api", HTTP | {"ProtocolType": "WEBSOCKET"}, BAD, "WebSocket APIs"),
        ("create_api", HTTP | {"Target": "https://x.y"}, BAD, "integration URI"),
        (
            "create_api",
            HTTP | {"Target": FUNCTION, "CredentialsArn": ROLE},
            BAD,
            "CredentialsArn (a role that",
        ),
        ("create_api", HTTP | {"RouteKey": "GET /"}, BAD, "needs a Target"),
        ("create_api", HTTP | {"Tags": {"aws:a": "b"}}, BAD, "reserved"),
        ("update_api", {"Target": FUNCTION}, BAD, "Target of UpdateApi"),
        (
            "update_api",
            {"CorsConfiguration": {"AllowOrigins": ["x"]}},
            BAD,
            "Supported schemes are [https://, ",
        ),
        ("create_integration", LAMBDA | {"IntegrationType": "HTTP_PROXY"}, BAD, ""),
        ("create_integration", {"IntegrationType": "AWS_PROXY"}, BAD, "IntegrationUri"),
        (
            "create_integration",
            LAMBDA | {"PayloadFormatVersion": "3.0"},
            BAD,
            "Invalid PayloadFormatVersion 3.0",
        ),
        (
            "create_integration",
            LAMBDA | {"ConnectionType": "VPC_LINK"},
            BAD,
            "ConnectionType VPC_LINK (VPC links)",
        ),
        (
            "create_integration",
            LAMBDA | {"RequestParameters": {"a": "b"}},
            BAD,
            "RequestParameters (parameter mapping)",
        ),
        (
            "create_integration",
            LAMBDA | {"IntegrationSubtype": "SQS-SendMessage"},
            BAD,
            "IntegrationSubtype",
        ),
        (
            "create_integration",
            LAMBDA | {"TimeoutInMillis": 30_001},
            BAD,
            "at 'timeoutInMillis' failed",
        ),
        (
            "delete_integration",
            {"IntegrationId": None},
            CONFLICT,
            "referenced by the following Routes with Ids: [",
        ),
        ("get_integration", {"IntegrationId": "x"}, MISSING, "Invalid Integration id"),
        ("create_route", {"RouteKey": "/a"}, BAD, "Format should be"),
        ("create_route", {"RouteKey": "$default"}, CONFLICT, "already exists for this"),
        (
            "create_route",
            {"RouteKey": "GET /a", "Target": "integrations/x"},
            MISSING,
            "Invalid Integration identifier specified x",
        ),
        (
            "create_route",
            {"RouteKey": "GET /a", "AuthorizationType": "JWT"},
            BAD,
            "AuthorizationType JWT (authorisers)",
        ),
        (
            "create_route",
            {"RouteKey": "GET /a", "ApiKeyRequired": True},
            BAD,
            "ApiKeyRequired (API keys)",
        ),
        ("delete_route", {"RouteId": "x"}, MISSING, "Invalid Route identifier"),
        ("create_stage", {"StageName": "$default"}, CONFLICT, "Stage already exists"),
        ("create_stage", {"StageName": "a/b"}, BAD, "Stage name only allows"),
        (
            "update_stage",
            {"AccessLogSettings": {"Format": "x"}},
            BAD,
            "AccessLogSettings (access logs)",
        ),
        (
            "update_stage",
            {"RouteSettings": {"GET /x": {"ThrottlingBurstLimit": 1}}},
            MISSING,
            "Unable to find Route by key GET /x within the provided RouteSettings",
        ),
        (
            "update_stage",
            {"DefaultRouteSettings": {"DetailedMetricsEnabled": True}},
            BAD,
            "DetailedMetricsEnabled (metrics",
        ),
        (
            "update_stage",
            {"DefaultRouteSettings": {"ThrottlingBurstLimit": -1}},
            BAD,
            "must not be less than 0",
        ),
        ("update_stage", {"StageVariables": {"a b": "c"}}, BAD, "stage variable"),
        ("update_stage", {"DeploymentId": "x"}, BAD, "AutoDeploy"),
        ("get_stage", {"StageName": "x"}, MISSING, "Invalid stage identifier"),
        ("create_deployment", {"StageName": "$default"}, BAD, "AutoDeploy"),
        ("get_deployment", {"DeploymentId": "x"}, MISSING, "Invalid Deployment"),
        ("get_routes", {"MaxResults": "0"}, BAD, "maxResults"),
        ("get_routes", {"NextToken": "x"}, BAD, "NextToken"),
        ("get_tags", {"ResourceArn": "arn:aws:s3:::a"}, BAD, "ARN"),
    ],
)
def test_what_is_refused(stand_in, api, call, members, status, message) -> None:
    client = stand_in.client("apigatewayv2")
    shape = body_shape("".join(word.title() for word in call.split("_")))
    given = {name: api[name] for name in shape.required_members if name in api}
    members = {k: api[k] if v is None else v for k, v in members.items()}
    before = client.get_apis()
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**(given | members))
    response = caught.value.response
    code = {BAD: "BadRequest", CONFLICT: "Conflict", MISSING: "NotFound"}[status]
    assert response["Error"]["Code"] == f"{code}Exception"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert message in response["Error"]["Message"]
    assert client.get_apis()["Items"] == before["Items"]


@pytest.mark.parametrize(
    ("call", "members", "name"),
    [
        ("create_authorizer", {"AuthorizerType": "JWT"}, "CreateAuthorizer"),
        ("create_vpc_link", {"SubnetIds": ["a"]}, "CreateVpcLink"),
        ("create_domain_name", {"DomainName": "a.example"}, "CreateDomainName"),
        ("export_api", {"Specification": "OAS30", "OutputType": "JSON"}, "ExportApi"),
    ],
)
def test_what_is_not_built_says_so(stand_in, api, call, members, name) -> None:
    client = stand_in.client("apigatewayv2")
    known = api | {"Name": "a", "IdentitySource": ["a"]}
    wanted = body_shape(name).required_members
    given = {member: known[member] for member in wanted if member in known}
    said = f"has not built {name}. It is a real operation of Amazon API Gateway:"
    with pytest.raises(ClientError, match=said):
        getattr(client, call)(**(given | members))


def test_tags_and_pages(stand_in, api) -> None:
    client = stand_in.client("apigatewayv2")
    arn = configuration.arn_of("us-east-1", api["ApiId"])
    stage = configuration.arn_of("us-east-1", api["ApiId"], "$default")
    client.tag_resource(ResourceArn=arn, Tags={"c d": "é"})
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "b"])
    assert client.get_tags(ResourceArn=arn)["Tags"] == {"c d": "é"}
    assert client.get_api(ApiId=api["ApiId"])["Tags"] == {"c d": "é"}
    client.tag_resource(ResourceArn=stage, Tags={"x": "y"})
    assert client.get_stage(ApiId=api["ApiId"], StageName="$default")["Tags"] == {
        "x": "y"
    }
    keys = [f"GET /page/{number}" for number in range(5)]
    for key in keys:
        client.create_route(ApiId=api["ApiId"], RouteKey=key)
    pages = client.get_paginator("get_routes").paginate(
        ApiId=api["ApiId"], PaginationConfig={"PageSize": 2}
    )
    found = [[one["RouteKey"] for one in page["Items"]] for page in pages]
    assert found == [["$default", keys[0]], keys[1:3], keys[3:]]
    west = stand_in.client("apigatewayv2", "eu-west-1")
    with pytest.raises(west.exceptions.NotFoundException):
        west.get_api(ApiId=api["ApiId"])
