"""rest-json: what botocore serialises is read, and what is written botocore parses.

Without the services themselves: their models are what the protocol is for.
"""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import pytest
from aws_requests import Body, unpacked
from botocore.awsrequest import HeadersDict
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from local_aws import errors, protocol
from local_aws.errors import AwsError
from local_aws.messages import Head, Request
from local_aws.services import Service, own_data_loader

LAMBDA = Service("lambda", "")
HTTP_APIS = Service("apigatewayv2", "")
RUNTIME = Service("sagemaker-runtime", "")
ROLE = "arn:aws:iam::123456789012:role/service-role/some"
FUNCTION = {
    "FunctionName": "boston",
    "Role": ROLE,
    "Code": {"ZipFile": b"\x00PK\xff"},
    "Runtime": "python3.12",
    "Environment": {"Variables": {"ENDPOINT": "boston-ep"}},
    "Layers": [],
    "MemorySize": 256,
    "Publish": True,
}


def model_of(service: Service) -> ServiceModel:
    loaded = own_data_loader().load_service_model(service.name, "service-2")
    return ServiceModel(loaded)


def sent(service: Service, operation: str, params: dict) -> Request:
    """A request as botocore serialises it."""
    model = model_of(service).operation_model(operation)
    made = create_serializer("rest-json").serialize_to_request(params, model)
    path = urlsplit(made["url_path"])
    query = made["query_string"]
    query = urlencode(query, doseq=True) if isinstance(query, dict) else query
    headers = [(name.lower(), value) for name, value in made["headers"].items()]
    body = made["body"]
    body = body.encode() if isinstance(body, str) else body
    text = "&".join(part for part in (path.query, query) if part)
    head = Head(made["method"], path.path, text, headers)
    return Request(head, None, service, "rest-json", Body(body), None)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        (LAMBDA, "CreateFunction", FUNCTION),
        (LAMBDA, "GetFunction", {"FunctionName": "a:b", "Qualifier": "1"}),
        (LAMBDA, "ListFunctions", {"MaxItems": 7, "FunctionVersion": "ALL"}),
        (
            LAMBDA,
            "Invoke",
            {"FunctionName": "a", "InvocationType": "Event", "Payload": b"{}"},
        ),
        (
            LAMBDA,
            "UntagResource",
            {
                "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a",
                "TagKeys": ["a b", "c+d"],
            },
        ),
        (HTTP_APIS, "CreateApi", {"Name": "boston", "ProtocolType": "HTTP"}),
        (HTTP_APIS, "GetRoutes", {"ApiId": "abc123", "MaxResults": "5"}),
        (
            HTTP_APIS,
            "UpdateApi",
            {
                "ApiId": "abc123",
                "CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": False},
            },
        ),
        (
            RUNTIME,
            "InvokeEndpoint",
            {
                "EndpointName": "boston-ep",
                "Body": b"1,2\n",
                "ContentType": "text/csv",
                "TargetVariant": "A",
            },
        ),
    ],
)
def test_a_request_of_botocores_is_read(service, operation, params) -> None:
    request = sent(service, operation, params)
    found, read = protocol.read(request, {operation})
    assert found.name == operation
    assert read == params


@pytest.mark.parametrize(
    ("service", "operation", "result"),
    [
        (
            LAMBDA,
            "Invoke",
            {
                "StatusCode": 202,
                "FunctionError": "Unhandled",
                "ExecutedVersion": "1",
                "Payload": b'{"a": 1}',
            },
        ),
        (
            LAMBDA,
            "CreateFunction",
            {
                "FunctionName": "boston",
                "Environment": {"Variables": {"a": "b"}},
                "Timeout": 3,
                "TracingConfig": {"Mode": "PassThrough"},
            },
        ),
        (
            HTTP_APIS,
            "CreateApi",
            {
                "ApiId": "abc123",
                "CorsConfiguration": {"AllowMethods": ["GET"], "MaxAge": 5},
                "DisableExecuteApiEndpoint": False,
            },
        ),
        (HTTP_APIS, "DeleteApi", {}),
        (
            RUNTIME,
            "InvokeEndpoint",
            {
                "Body": b"22.5\n",
                "ContentType": "text/csv",
                "InvokedProductionVariant": "A",
            },
        ),
    ],
)
def test_what_is_written_is_parsed_by_botocore(service, operation, result) -> None:
    request = Request(None, None, service, "rest-json", None, None)
    found = service.model.operation(operation)
    status, headers, body = unpacked(protocol.write(result, found, request, "the-id"))
    model = model_of(service).operation_model(operation)
    headers = HeadersDict(headers)
    response = {"status_code": status, "headers": headers, "body": body, "context": {}}
    parsed = create_parser("rest-json").parse(response, model.output_shape)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == "the-id"
    expected = result.get("StatusCode", model.http.get("responseCode", 200))
    assert metadata["HTTPStatusCode"] == expected
    for member, value in result.items():  # the parser is given bodies as they are
        if isinstance(value, bytes):
            parsed[member] = body
    assert parsed == result


def test_times_are_written_as_the_model_says() -> None:
    request = Request(None, None, HTTP_APIS, "rest-json", None, None)
    found = HTTP_APIS.model.operation("GetApi")
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    _, _, body = unpacked(
        protocol.write({"CreatedDate": created}, found, request, "id")
    )
    assert json.loads(body) == {"createdDate": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/2015-03-31/functions/a/no-such-thing", "UnknownOperationException"),
        ("PATCH", "/2015-03-31/functions", "UnknownOperationException"),
        ("DELETE", "/2015-03-31/functions/a", "NotImplementedException"),
    ],
)
def test_an_operation_that_is_not_there(method, path, code) -> None:
    head = Head(method, path, "", [])
    request = Request(head, None, LAMBDA, "rest-json", Body(b""), None)
    with pytest.raises(AwsError) as caught:
        protocol.read(request, {"ListFunctions"})
    assert caught.value.code == code


def test_constraints_hold_in_uris_too() -> None:
    head = Head("GET", "/2015-03-31/functions/", "MaxItems=0", [])
    request = Request(head, None, LAMBDA, "rest-json", Body(b""), None)
    with pytest.raises(AwsError, match="Member must have value greater than or equal"):
        protocol.read(request, {"ListFunctions"})


def test_an_error_has_the_members_of_its_shape() -> None:
    members = {"OriginalStatusCode": 500, "OriginalMessage": "no"}
    error = AwsError("ModelError", "It failed.", 424, members)
    status, headers, body = unpacked(errors.render(error, "rest-json", RUNTIME, "id"))
    headers = HeadersDict(headers)
    response = {"status_code": status, "headers": headers, "body": body, "context": {}}
    shape = model_of(RUNTIME).operation_model("InvokeEndpoint").output_shape
    parsed = create_parser("rest-json").parse(response, shape)
    assert parsed["Error"] == {"Code": "ModelError", "Message": "It failed."}
    assert json.loads(body) == {"Message": "It failed.", **members}


def created_after(text: str) -> datetime:
    """What a handler gets for a time in a URI."""
    backup = Service("backup", "")
    head = Head("GET", "/backup-jobs/", urlencode({"createdAfter": text}), [])
    request = Request(head, None, backup, "rest-json", Body(b""), None)
    return protocol.read(request, {"ListBackupJobs"})[1]["ByCreatedAfter"]


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "2026-01-02T05:04:05+02:00"])
def test_a_time_in_a_uri_is_in_utc(text) -> None:
    time = created_after(text)
    assert (time, time.tzinfo) == (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), UTC)


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_the_clients_fault(text) -> None:
    with pytest.raises(AwsError) as caught:
        created_after(text)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize("text", [str(2**31), "NaN", "one", "null", "[" * 50_000])
def test_a_number_in_a_uri_has_the_limits_of_its_type(text) -> None:
    head = Head("GET", "/2015-03-31/functions/", f"MaxItems={text}", [])
    request = Request(head, None, LAMBDA, "rest-json", Body(b""), None)
    with pytest.raises(AwsError) as caught:
        protocol.read(request, {"ListFunctions"})
    assert caught.value.code == "SerializationException"
