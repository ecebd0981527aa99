"""Reading bodies, writing answers and errors; botocore's parsers read the result."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from aws_requests import respond, unpacked
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.retries.standard import RetryContext, TransientRetryableChecker

from local_aws import errors, services
from local_aws.errors import AwsError
from local_aws.messages import Head, Response
from local_aws.protocol import responses

JOB_ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

DESCRIPTION = {
    "TrainingJobName": "job",
    "TrainingJobArn": JOB_ARN,
    "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
    "TrainingJobStatus": "InProgress",
    "SecondaryStatus": "Training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "CreationTime": NOW,
}


class Handler:
    """Remembers what it was called with and answers what it was given."""

    def __init__(self, result: object = None) -> None:
        self.result = result
        self.params = None
        self.context = None

    def __call__(self, params: dict, context: object) -> object:
        self.params, self.context = params, context
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def raw(body: str | bytes, operation: str = "CreateTrainingJob") -> tuple[str, str]:
    """Send a body as it is; returns the code and the message of the error."""
    content = body.encode() if isinstance(body, str) else body
    response = respond(operation, content, Handler(AwsError("Accepted", "")), 0)
    status, _, body = unpacked(response)
    error = json.loads(body)
    assert status == 400
    return error["__type"], error.get("Message", error.get("message"))


def parsed(
    response: Response,
    service: str,
    operation: str | None = None,
    protocol: str | None = None,
) -> dict:
    """A response as botocore's client would show it."""
    loaded = Loader().load_service_model(service, "service-2")
    service_model = ServiceModel(loaded)
    shape = None
    if operation is not None:
        shape = service_model.operation_model(operation).output_shape
    status, headers, body = unpacked(response)
    lower = {name.lower(): value for name, value in headers.items()}
    parser = create_parser(protocol or service_model.resolved_protocol)
    return parser.parse(
        {"status_code": status, "headers": lower, "body": body, "context": {}}, shape
    )


def described(description: dict) -> dict:
    """What boto3 makes of a handler's answer to DescribeTrainingJob."""
    response = respond(
        "DescribeTrainingJob",
        b'{"TrainingJobName":"job"}',
        Handler(description),
        None,
    )
    return parsed(response, "sagemaker", "DescribeTrainingJob")


# --- reading ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "1",
        '"x"',
        "true",
        '{"TrainingJobName":"a",}',
        '{"TrainingJobName":"a"} {}',
        '{"TrainingJobName":NaN}',
        '{"TrainingJobName":' + "1" * 5000 + "}",
        '{"TrainingJobName":"\\ud800"}',
        b'{"TrainingJobName":"\xff"}',
        "[" * 200_000,
        '{"SearchExpression":' + '{"SubExpressions":[' * 50_000,
    ],
)
def test_a_body_that_is_not_json_gets_the_bare_code(body):
    assert raw(body) == ("SerializationException", None)


def test_deep_nesting_is_the_clients_fault():
    # raw() fails on any answer but a 400; steps of one find the depth at which a
    # request can still be read but not be checked.
    codes = set()
    for depth in range(10, 400):
        body = (
            '{"Resource":"TrainingJob","SearchExpression":'
            + '{"SubExpressions":[' * depth
            + "{}"
            + "]}" * depth
            + "}"
        )
        codes.add(raw(body, "Search")[0])
    assert codes == {"Accepted", "SerializationException"}


# Recorded from a service of the same protocol and framework, pair by pair.
@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("TrainingJobName", 1, "NUMBER_VALUE can not be converted to a String"),
        ("TrainingJobName", 1.5, "NUMBER_VALUE can not be converted to a String"),
        ("TrainingJobName", True, "TRUE_VALUE can not be converted to a String"),
        ("TrainingJobName", False, "FALSE_VALUE can not be converted to a String"),
        ("TrainingJobName", ["a"], "Start of list found where not expected"),
        (
            "TrainingJobName",
            {"a": 1},
            "Start of structure or map found where not expected.",
        ),
        ("InputDataConfig", "a", "Expected list or null"),
        ("InputDataConfig", 1, "Expected list or null"),
        (
            "InputDataConfig",
            {},
            "Start of structure or map found where not expected.",
        ),
        ("InputDataConfig", [["a"]], "Start of list found where not expected"),
        ("HyperParameters", "a", "Expected map or null"),
        ("HyperParameters", [], "Start of list found where not expected"),
        (
            "HyperParameters",
            {"eta": 0.1},
            "NUMBER_VALUE can not be converted to a String",
        ),
        ("ResourceConfig", "a", "Expected null"),
        ("ResourceConfig", True, "Expected null"),
        (
            "ResourceConfig",
            {"InstanceCount": "1"},
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            "ResourceConfig",
            {"InstanceCount": 2**31},
            "NUMBER_VALUE can not be converted to an Integer",
        ),
        (
            "EnableNetworkIsolation",
            "maybe",
            "STRING_VALUE can not be converted to an Boolean",
        ),
        (
            "EnableNetworkIsolation",
            0,
            "NUMBER_VALUE can not be converted to a Boolean",
        ),
    ],
)
def test_a_value_of_another_type(member, value, message):
    body = json.dumps({member: value})
    assert raw(body) == ("SerializationException", message)


def test_a_list_for_a_body():
    text = "Start of list found where not expected"
    assert raw("[]") == ("SerializationException", text)


def test_timestamps_are_epoch_seconds():
    handler = Handler({"TrainingJobSummaries": []})
    body = b'{"CreationTimeAfter":1767323045.5,"MaxResults":7}'
    assert respond("ListTrainingJobs", body, handler, None).status == 200
    after = datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
    assert handler.params == {"CreationTimeAfter": after, "MaxResults": 7}
    assert handler.params["CreationTimeAfter"].tzinfo is UTC
    text = "STRING_VALUE can not be converted to milliseconds since epoch"
    for wrong, message in (
        ('"2026-01-02"', text),
        ("1e300", text.replace("STRING", "NUMBER")),
        ("1e999", text.replace("STRING", "NUMBER")),
    ):
        body = f'{{"CreationTimeAfter":{wrong}}}'
        assert raw(body, "ListTrainingJobs") == ("SerializationException", message)


def test_what_the_handler_gets():
    handler = Handler({"EndpointConfigArn": JOB_ARN})
    request = {
        "EndpointConfigName": "config",
        "Foo": {"unknown": "members are ignored"},
        "KmsKeyId": None,
        "ProductionVariants": [
            {
                "VariantName": "a",
                "InitialInstanceCount": 1.9,
                "InitialVariantWeight": 2,
                "EnableSSMAccess": "True",
                "ModelName": "model",
            },
        ],
    }
    context = object()
    status = respond(
        "CreateEndpointConfig", json.dumps(request).encode(), handler, context
    ).status
    assert status == 200
    assert handler.context is context
    assert handler.params == {
        "EndpointConfigName": "config",
        "ProductionVariants": [
            {
                "VariantName": "a",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 2.0,
                "EnableSSMAccess": True,
                "ModelName": "model",
            }
        ],
    }
    [variant] = handler.params["ProductionVariants"]
    assert type(variant["InitialInstanceCount"]) is int
    assert type(variant["InitialVariantWeight"]) is float


def test_a_union_has_exactly_one_member():
    request = {
        "AutoMLJobName": "job",
        "AutoMLJobInputDataConfig": [{}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/key"},
        "RoleArn": "arn:aws:iam::123456789012:role/name",
        "AutoMLProblemTypeConfig": {"ImageClassificationJobConfig": {}},
    }
    assert raw(json.dumps(request), "CreateAutoMLJobV2")[0] == "Accepted"
    for config in (
        {},
        {"ImageClassificationJobConfig": {}, "TextGenerationJobConfig": {}},
    ):
        request["AutoMLProblemTypeConfig"] = config
        code, message = raw(json.dumps(request), "CreateAutoMLJobV2")
        assert code == "SerializationException"
        assert "Exactly one member of the union AutoMLProblemTypeConfig" in message


# --- answering ----------------------------------------------------------------------


def test_an_answer_as_boto3_reads_it():
    result = described(DESCRIPTION)
    metadata = result.pop("ResponseMetadata")
    assert len(metadata["RequestId"]) == 36
    assert result.pop("CreationTime") == NOW.replace(microsecond=679000)
    assert result == {k: v for k, v in DESCRIPTION.items() if k != "CreationTime"}


def test_headers_of_an_answer():
    body = b'{"TrainingJobName":"job"}'
    first = respond("DescribeTrainingJob", body, Handler(DESCRIPTION), None)
    second = respond("DescribeTrainingJob", body, Handler(DESCRIPTION), None)
    status, headers, content = unpacked(first)
    assert status == 200
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["Content-Length"] == str(len(content))
    assert headers["x-amzn-RequestId"] != unpacked(second)[1]["x-amzn-RequestId"]


def test_an_operation_without_output_has_an_empty_body():
    body = b'{"TrainingJobName":"job"}'
    response = respond("StopTrainingJob", body, Handler(), None)
    status, headers, content = unpacked(response)
    assert (status, headers["Content-Length"], content) == (200, "0", b"")


def test_what_is_none_is_left_out():
    result = described(
        {
            **DESCRIPTION,
            "FailureReason": None,
            "CheckpointConfig": {"S3Uri": None, "LocalPath": None},
            "HyperParameters": {"eta": "0.1", "gone": None},
            "FinalMetricDataList": [],
        }
    )
    assert "FailureReason" not in result
    assert "CheckpointConfig" not in result
    assert result["HyperParameters"] == {"eta": "0.1"}
    assert result["FinalMetricDataList"] == []


def test_times_and_numbers_in_answers():
    zone = timezone(timedelta(hours=5))
    metric = {"MetricName": "m", "Value": float("nan"), "Timestamp": 1767323045}
    operation = services.named("sagemaker").model.operation("DescribeTrainingJob")
    body = responses.serialize(
        {
            **DESCRIPTION,
            "TrainingStartTime": NOW.astimezone(zone),
            "FinalMetricDataList": [metric, {**metric, "Value": 3}],
        },
        operation,
    )
    result = json.loads(body)
    assert result["TrainingStartTime"] == 1767323045.679
    values = [each["Value"] for each in result["FinalMetricDataList"]]
    assert values == ["NaN", 3]
    assert result["FinalMetricDataList"][0]["Timestamp"] == 1767323045.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"TrainingJobState": "x"}, "has no member 'TrainingJobState'"),
        ({"TrainingJobStatus": None}, "required TrainingJobStatus not in the result"),
        ({"TrainingJobName": 5}, "DescribeTrainingJob.TrainingJobName: 5 is not a str"),
        ({"BillableTimeInSeconds": 1.5}, "is not a integer"),
        ({"BillableTimeInSeconds": True}, "is not a integer"),
        ({"EnableNetworkIsolation": 1}, "is not a boolean"),
        ({"CreationTime": datetime(2026, 1, 2)}, "is not a timestamp"),
        ({"CreationTime": "2026"}, "is not a timestamp"),
        ({"InputDataConfig": {}}, "is not a list"),
        ({"HyperParameters": []}, "is not a map"),
        ({"ModelArtifacts": "x"}, "is not a structure"),
        ({"InputDataConfig": [{"ChannelName": "a", "X": 1}]}, "InputDataConfig[0]"),
    ],
)
def test_an_answer_that_the_model_does_not_allow(wrong, said, caplog):
    operation = services.named("sagemaker").model.operation("DescribeTrainingJob")
    description = {**DESCRIPTION, **wrong}
    with pytest.raises(responses.ResultError) as raised:
        responses.serialize(description, operation)
    assert said in str(raised.value)
    response = respond(
        "DescribeTrainingJob", b'{"TrainingJobName":"job"}', Handler(description), None
    )
    assert response.status == 500
    assert said in caplog.text
    assert b"ResultError" not in unpacked(response)[2]


def test_an_answer_where_there_is_none_to_give():
    operation = services.named("sagemaker").model.operation("StopTrainingJob")
    with pytest.raises(responses.ResultError, match="has no output"):
        responses.serialize({"TrainingJobArn": JOB_ARN}, operation)


# --- errors -------------------------------------------------------------------------


def test_an_error_of_a_handler():
    error = AwsError("ResourceInUse", "A job with this name already exists.")
    response = respond(
        "DescribeTrainingJob", b'{"TrainingJobName":"job"}', Handler(error), None
    )
    status, headers, content = unpacked(response)
    assert status == 400
    assert json.loads(content) == {
        "__type": "ResourceInUse",
        "Message": "A job with this name already exists.",
    }
    assert headers["Content-Length"] == str(len(content))
    result = parsed(response, "sagemaker")
    assert result["Error"] == {
        "Code": "ResourceInUse",
        "Message": "A job with this name already exists.",
    }
    assert result["ResponseMetadata"]["RequestId"] == headers["x-amzn-RequestId"]


def test_a_fault_of_ours_is_logged_and_not_shown(caplog):
    fault = RuntimeError("secret detail")
    with caplog.at_level(logging.ERROR):
        response = respond(
            "DescribeTrainingJob", b'{"TrainingJobName":"job"}', Handler(fault), None
        )
    status, headers, content = unpacked(response)
    assert status == 500
    assert json.loads(content) == {
        "__type": "InternalFailure",
        "message": "The request processing has failed because of an unknown error, "
        "exception or failure.",
    }
    assert "secret detail" in caplog.text
    assert "Traceback" in caplog.text
    assert headers["x-amzn-RequestId"] in caplog.text


def test_an_operation_that_is_not_built_is_named_and_not_tried_again():
    response = respond("CreateProcessingJob", b"{}", None, None)
    status = response.status
    result = parsed(response, "sagemaker")
    assert result["Error"]["Code"] == "NotImplementedException"
    assert "has not built CreateProcessingJob" in result["Error"]["Message"]
    context = RetryContext(attempt_number=1, parsed_response=result)
    context.http_response = type("Http", (), {"status_code": status})
    assert not TransientRetryableChecker().is_retryable(context)


def test_an_unknown_operation():
    response = respond("CreateTrainingJobs", b"{}", Handler(), None)
    status, _, content = unpacked(response)
    assert (status, json.loads(content)) == (
        400,
        {"__type": "UnknownOperationException"},
    )


AWKWARD = 'Signature <expired> & "gone": é \x01 \U0001f600'


CBOR = {"smithy-protocol": "rpc-v2-cbor"}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
CLOUDWATCH_TARGET = {"x-amz-target": "GraniteServiceVersion20100801.PutMetricData"}


@pytest.mark.parametrize(
    ("service", "signing_name", "headers", "protocol"),
    [
        ("sagemaker", "sagemaker", {"x-amz-target": "SageMaker.ListTags"}, "json"),
        ("sagemaker-runtime", "sagemaker", {}, "rest-json"),
        ("logs", "logs", {"x-amz-target": "Logs_20140328.GetLogEvents"}, "json"),
        ("iam", "iam", FORM, "query"),
        ("sts", "sts", {}, "query"),
        ("s3", "s3", FORM, "rest-xml"),
        ("cloudwatch", "monitoring", CLOUDWATCH_TARGET, "json"),
        ("cloudwatch", "monitoring", FORM, "query"),
        ("cloudwatch", "monitoring", {}, "query"),
        ("cloudwatch", "monitoring", CBOR, "smithy-rpc-v2-cbor"),
    ],
)
def test_errors_are_readable_by_boto3_for_each_service(
    service, signing_name, headers, protocol
):
    head = Head("POST", "/", "", list(headers.items()))
    row = services.of_signature(signing_name, head)
    assert row is services.named(service)
    assert services.protocol_of(row, head) == protocol
    error = AwsError("InvalidSignatureException", AWKWARD, 403)
    response = errors.render(error, protocol, row, "the-request-id")
    status, answered, body = unpacked(response)
    assert status == 403
    assert answered["Content-Length"] == str(len(body))
    result = parsed(response, service, protocol=protocol)
    message = AWKWARD
    if protocol in ("query", "rest-xml"):
        message = AWKWARD.replace("\x01", "?")  # XML can't hold it
    assert result["Error"]["Code"] == "InvalidSignatureException"
    assert result["Error"]["Message"] == message
    assert result["ResponseMetadata"]["RequestId"] == "the-request-id"


def test_cloudwatch_in_its_older_protocol():
    error = AwsError("SignatureDoesNotMatch", "no", 403)
    response = errors.render(error, "query", services.named("cloudwatch"), "id")
    _, headers, body = unpacked(response)
    assert headers["Content-Type"] == "text/xml"
    assert b'xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"' in body
