"""What AWS refuses by its service models is refused before moto sees it."""

import contextlib
import gzip
import hashlib
import json
import re
import sqlite3
import time
import uuid
from datetime import datetime
from urllib.parse import urlencode

import pytest
from conftest import start_stand_in, stop_stand_in
from test_moto_services import error_of
from test_signature import Call, send, signed

from local_aws.installation import ACCOUNT_ID, ROLE_ARN
from local_aws.persistence import MOTO_DATABASE, pickles
from local_aws.services import LARGEST_BODY

LOGS, METRICS = "Logs_20140328", "GraniteServiceVersion20100801"


def send_json(
    stand_in, service: str, target: str, body: bytes, **headers: str
) -> tuple[int, dict]:
    """Send what no client would; returns status and the error."""
    headers |= {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    call = Call(service, body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    return answer.status, json.loads(answer.body or b"{}")


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "é", "a b", "a:b", "x" * 513])
def test_a_log_group_has_a_name_by_the_models_pattern(stand_in, name) -> None:
    logs = stand_in.client("logs")
    status, code, text = error_of(logs.create_log_group, logGroupName=name)
    assert (status, code) == (400, "InvalidParameterException")
    assert "validation error" in text
    assert f"Value '{name}' at 'logGroupName' failed to satisfy constraint" in text
    pages = logs.get_paginator("describe_log_groups").paginate()
    groups = pages.build_full_result()["logGroups"]
    assert name not in [group["logGroupName"] for group in groups]


@pytest.mark.parametrize("name", ["a:b", "a*", "x" * 513])
def test_a_log_stream_has_a_name_by_the_models_pattern(stand_in, name) -> None:
    logs = stand_in.client("logs")
    call = logs.create_log_stream
    status, code, text = error_of(call, logGroupName="group", logStreamName=name)
    assert (status, code) == (400, "InvalidParameterException")
    assert f"Value '{name}' at 'logStreamName' failed to satisfy constraint" in text


@pytest.mark.parametrize(
    ("service", "target", "body"),
    [
        ("logs", f"{LOGS}.DescribeLogGroups", b'{"logGroupNamePrefix": ["a"]}'),
        ("logs", f"{LOGS}.DescribeLogGroups", b'{"limit": {}}'),
        ("logs", f"{LOGS}.PutLogEvents", b"[" * 6000),
        ("logs", f"{LOGS}.FilterLogEvents", b"\xff\xfe"),
        ("monitoring", f"{METRICS}.ListMetrics", b'{"Dimensions": "a"}'),
        ("monitoring", f"{METRICS}.PutMetricData", b"null"),
    ],
)
def test_another_type_is_a_clients_error(stand_in, service, target, body) -> None:
    status, error = send_json(stand_in, service, target, body)
    assert status == 400
    assert error["__type"].endswith(("SerializationException", "ValidationError"))


def test_an_operation_that_aws_does_not_have(stand_in) -> None:
    status, error = send_json(stand_in, "logs", f"{LOGS}.Nonsense", b"{}")
    assert (status, error) == (400, {"__type": "UnknownOperationException"})
    body = b"Action=Nonsense&Version=2010-05-08"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("iam", body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 400
    assert b"<Code>InvalidAction</Code>" in answer.body


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (b"Action=ListRoles&MaxItems=x", "MalformedInput"),
        (b"Action=ListRoles&MaxItems=0", "ValidationError"),
        (b"Action=ListRoles&Marker=x", "ValidationError"),
        (b"Action=GetRole&RoleName=a%20b", "ValidationError"),
        (b"Action=GetRole", "ValidationError"),
        (b"Action=CreateServiceLinkedRole&AWSServiceName=x", "InvalidInput"),
    ],
)
def test_forms_are_checked_too(stand_in, form, code) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("iam", body=form + b"&Version=2010-05-08", headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 400
    assert f"<Code>{code}</Code>".encode() in answer.body


def put_packed_metrics(stand_in, body: bytes) -> tuple[int, str]:
    headers = {
        "X-Amz-Target": f"{METRICS}.PutMetricData",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Encoding": "gzip",
    }
    call = Call("monitoring", body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    return answer.status, json.loads(answer.body or b"{}").get("__type", "")


def test_a_packed_body_is_unpacked_within_limits(stand_in) -> None:
    content = {"Namespace": "Packed", "MetricData": [{"MetricName": "m", "Value": 1}]}
    packed = gzip.compress(json.dumps(content).encode())
    assert put_packed_metrics(stand_in, packed) == (200, "")
    bad = (400, "SerializationException")
    assert put_packed_metrics(stand_in, packed[:-9]) == bad
    assert put_packed_metrics(stand_in, b"x" + packed) == bad
    huge = gzip.compress(bytes(2 * LARGEST_BODY), compresslevel=1)
    assert put_packed_metrics(stand_in, huge) == (413, "EntityTooLarge")


@pytest.mark.parametrize("token", ["x", "", "²", 5000 * "1"])
def test_a_token_of_logs_that_was_never_given(stand_in, token) -> None:
    body = json.dumps({"nextToken": token}).encode()
    status, error = send_json(stand_in, "logs", f"{LOGS}.DescribeDestinations", body)
    assert (status, error["__type"]) == (400, "InvalidParameterException")


def test_a_query_that_nobody_has_started(stand_in) -> None:
    call = stand_in.client("logs").get_query_results
    status, code, _ = error_of(call, queryId="abc")
    assert (status, code) == (400, "ResourceNotFoundException")


@pytest.fixture
def log_group(stand_in) -> str:
    """A log group with events in three streams, and another group after it."""
    logs = stand_in.client("logs")
    group = f"/some/{uuid.uuid4()}"
    now = int(time.time() * 1000)
    for number, stream in enumerate(("a/1", "b/1", "a/2")):
        for name in (group, f"{group}-other"):
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=name)
            logs.create_log_stream(logGroupName=name, logStreamName=stream)
            where = {"logGroupName": name, "logStreamName": stream}
            text = f"{stream} of {name}"
            for later in (0, 10):
                event = {"timestamp": now + number + later, "message": text}
                logs.put_log_events(**where, logEvents=[event])
    return group


def filtered(stand_in, **parameters) -> list[str]:
    events = stand_in.client("logs").filter_log_events(**parameters)["events"]
    return [event["message"] for event in events]


def test_events_of_streams_with_a_prefix(stand_in, log_group) -> None:
    def found(prefix: str) -> list[str]:
        where = {"logGroupName": log_group, "logStreamNamePrefix": prefix}
        return [text.split()[0] for text in filtered(stand_in, **where)]

    assert found("a/") == ["a/1", "a/2", "a/1", "a/2"]
    assert found("a/2") == ["a/2", "a/2"]
    assert found("c") == []
    pages = stand_in.client("logs").get_paginator("filter_log_events")
    where = {"logGroupName": log_group, "logStreamNamePrefix": "a/", "limit": 1}
    events = [event for page in pages.paginate(**where) for event in page["events"]]
    assert len(events) == 4
    where = {"logGroupName": log_group + "-none", "logStreamNamePrefix": "a"}
    status, code, _ = error_of(stand_in.client("logs").filter_log_events, **where)
    assert (status, code) == (400, "ResourceNotFoundException")


def test_events_of_all_streams_are_interleaved(stand_in, log_group) -> None:
    """As since 2019, whatever is sent (botocore, logs model)."""
    found = filtered(stand_in, logGroupName=log_group, interleaved=False)
    assert [text.split()[0] for text in found] == ["a/1", "b/1", "a/2"] * 2


def test_a_log_group_by_its_identifier(stand_in, log_group) -> None:
    logs = stand_in.client("logs")
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT_ID}:log-group:{log_group}"
    for identifier in (log_group, arn):
        where = {"logGroupIdentifier": identifier}
        found = filtered(stand_in, **where)
        assert len(found) == 6
        assert {text.split()[-1] for text in found} == {log_group}
        [event, _] = logs.get_log_events(**where, logStreamName="b/1")["events"]
        assert event["message"] == f"b/1 of {log_group}"
        [stream, *_] = logs.describe_log_streams(**where)["logStreams"]
        assert f":{log_group}:" in stream["arn"]
    for identifier in (arn + "-none", arn.replace("us-east-1", "eu-west-1")):
        where = {"logGroupIdentifier": identifier}
        for call in (logs.filter_log_events, logs.describe_log_streams):
            status, code, _ = error_of(call, **where)
            assert (status, code) == (400, "ResourceNotFoundException")


def test_what_filter_log_events_does_not_take(stand_in, log_group) -> None:
    by_name = {"logGroupName": log_group}
    by_both = by_name | {"logGroupIdentifier": log_group}
    both_streams = by_name | {"logStreamNames": ["a/1"], "logStreamNamePrefix": "a"}
    latest_first = by_name | {"startFromHead": False}
    since_2024 = latest_first | {"startTime": 1_704_067_200_000}
    for parameters, text in (
        ({}, "logGroupIdentifier"),
        (by_both, "logGroupIdentifier"),
        (both_streams, "logStreamNamePrefix"),
        (latest_first, "January 1, 2024"),
        (since_2024, "stand-in for AWS does not know startFromHead=false"),
    ):
        call = stand_in.client("logs").filter_log_events
        status, code, message = error_of(call, **parameters)
        assert (status, code) == (400, "InvalidParameterException")
        assert text in message
    assert len(filtered(stand_in, **by_name, startFromHead=True)) == 6


@pytest.mark.parametrize("name", ["logStreamNamePrefix", "limit", "nextToken"])
def test_a_null_is_a_member_that_is_not_there(stand_in, log_group, name) -> None:
    body = json.dumps({"logGroupName": log_group, name: None}).encode()
    target = f"{LOGS}.DescribeLogStreams"
    for packing in ({}, {"Content-Encoding": "gzip"}):
        sent = gzip.compress(body) if packing else body
        status, answer = send_json(stand_in, "logs", target, sent, **packing)
        assert (status, len(answer["logStreams"])) == (200, 3)


def test_a_dashboard_is_json(stand_in) -> None:
    call = stand_in.client("cloudwatch").put_dashboard
    for body in ("x", "[" * 6000):
        status, code, _ = error_of(call, DashboardName="d", DashboardBody=body)
        assert (status, code) == (400, "InvalidParameterInput")


def send_to_s3(stand_in, method: str, path: str, body: bytes, **headers: str) -> str:
    """Send what no client would; returns status and code."""
    sent = {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    call = Call("s3", method=method, path=path, body=body, headers=sent)
    answer = send(stand_in, call, signed(stand_in, call))
    code = re.search(rb"<Code>(\w+)</Code>", answer.body)
    return f"{answer.status} {code[1].decode() if code else ''}"


@pytest.mark.parametrize("part", ["tagging", "cors", "lifecycle", "acl", "versioning"])
@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY e "x">]><Tagging><TagSet>&e;</TagSet></Tagging>',
        b"<Tagging><TagSet>",
        b"<Other/>",
        b"\xff\xfe<\x00",
        b"<a>" * 5000,
        b"{}",
    ],
)
def test_xml_that_s3_can_not_use(stand_in, bucket, part, body) -> None:
    found = send_to_s3(stand_in, "PUT", f"/{bucket}?{part}", body)
    assert found == "400 MalformedXML"


NO_METHOD = (
    b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod/>"
    b"</CORSRule></CORSConfiguration>"
)


def tags(name: str, key: str) -> bytes:
    tag = f"<{name}><Key>{key}</Key><Value>b</Value></{name}>"
    return f"<Tagging><TagSet>{tag}</TagSet></Tagging>".encode()


ENCRYPTION = "ServerSideEncryptionConfiguration"
RULES = {
    "OwnershipControls": "<ObjectOwnership>ObjectWriter</ObjectOwnership>",
    ENCRYPTION: "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256"
    "</SSEAlgorithm></ApplyServerSideEncryptionByDefault>",
}


def two(name: str) -> bytes:
    """A document with two rules where S3 takes one."""
    return f"<{name}>{2 * f'<Rule>{RULES[name]}</Rule>'}</{name}>".encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("PUT", "?tagging", b"", "400 MissingRequestBodyError"),
        ("PUT", "?acl", b"", "400 MissingSecurityHeader"),
        ("POST", "?delete", b"<Delete><Object/></Delete>", "400 MalformedXML"),
        ("PUT", "?policy", b"abc", "400 MalformedPolicy"),
        ("PUT", "?policy", b"{" * 6000, "400 MalformedPolicy"),
        ("PUT", "?policy", b"{}", "400 MalformedPolicy"),
        ("PUT", "?policy", b'{"Statement": [1]}', "400 MalformedPolicy"),
        ("GET", "?max-keys=x", b"", "400 InvalidArgument"),
        ("GET", "?max-keys=-1", b"", "400 InvalidArgument"),
        ("GET", "?max-keys=4294967296", b"", "400 InvalidArgument"),
        ("GET", "/key?partNumber=x", b"", "400 InvalidArgument"),
        ("GET", "/key?partNumber=" + 5000 * "1", b"", "400 InvalidArgument"),
        ("GET", "/key?uploadId=x", b"", "404 NoSuchUpload"),
        ("PUT", "/none?legal-hold", b"<LegalHold/>", "404 NoSuchKey"),
        ("GET", "/key?tagging&versionId=x", b"", "404 NoSuchVersion"),
        ("GET", "/key?versionId=", b"", "400 InvalidArgument"),
        ("DELETE", "/key?tagging&versionId=", b"", "400 InvalidArgument"),
        ("DELETE", "/key?versionId", b"", "400 InvalidArgument"),
        ("GET", "?list-type=2&continuation-token=x", b"", "400 InvalidArgument"),
        ("GET", "?list-type=2&continuation-token=", b"", "400 InvalidArgument"),
        ("PUT", "?ownershipControls", two("OwnershipControls"), "400 MalformedXML"),
        ("PUT", "?cors", NO_METHOD, "400 InvalidRequest"),
        ("POST", "?uploads", b"", "405 MethodNotAllowed"),
        ("POST", "/?uploads", b"", "405 MethodNotAllowed"),
        ("PUT", "?tagging", tags("Other", "a"), "400 MalformedXML"),
        ("PUT", "?tagging", tags("Tag", " "), "400 InvalidTag"),
        ("PUT", "/key?tagging", tags("Tag", " "), "400 InvalidTag"),
        ("GET", "/key?response-cache-control=%00", b"", "400 InvalidArgument"),
        ("GET", "/key?response-content-type=a%0Ab", b"", "400 InvalidArgument"),
        ("PUT", "?encryption", two(ENCRYPTION), "400 MalformedXML"),
    ],
)
def test_other_things_that_s3_refuses(
    stand_in, bucket, method, path, body, error
) -> None:
    stand_in.client("s3").put_object(Bucket=bucket, Key="key", Body=b"x")
    found = send_to_s3(stand_in, method, f"/{bucket}{path}", body)
    assert found == error
    assert stand_in.client("s3").get_object(Bucket=bucket, Key="key")


def test_a_good_token_continues_a_list(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [page["Contents"][0]["Key"] for page in found] == ["a", "b", "c"]
    call = s3.list_objects_v2
    found = error_of(call, Bucket=bucket, ContinuationToken="x")
    text = "The continuation token provided is incorrect"
    assert found == (400, "InvalidArgument", text)
    status, code, _ = error_of(call, Bucket=bucket + "-none", ContinuationToken="x")
    assert (status, code) == (404, "NoSuchBucket")


def test_an_empty_tag_set_takes_the_tags_away(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    place = {"Bucket": bucket, "Key": "key"}
    s3.put_object(**place, Body=b"x", Tagging="a=b")
    s3.put_object_tagging(**place, Tagging={"TagSet": []})
    assert s3.get_object_tagging(**place)["TagSet"] == []
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": []})
    _, code, _ = error_of(s3.get_bucket_tagging, Bucket=bucket)
    assert code == "NoSuchTagSet"


def test_s3_select_is_not_built(stand_in, bucket) -> None:
    """Nor does moto know enough of its SQL for answers to be trusted."""
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=b"a,b\n1,2\n")
    found = error_of(
        s3.select_object_content,
        Bucket=bucket,
        Key="key",
        Expression="SELECT * FROM S3Object LIMIT 1",
        ExpressionType="SQL",
        InputSerialization={"CSV": {}},
        OutputSerialization={"JSON": {}},
    )
    assert found[:2] == (501, "NotImplemented")


def test_nobody_signs_saml_here(stand_in) -> None:
    provider = f"arn:aws:iam::{ACCOUNT_ID}:saml-provider/some"
    names = {"RoleArn": ROLE_ARN, "PrincipalArn": provider, "SAMLAssertion": "PHg+"}
    form = {"Action": "AssumeRoleWithSAML", "Version": "2011-06-15"} | names
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("sts", body=urlencode(form).encode(), headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 400
    assert b"<Code>InvalidIdentityToken</Code>" in answer.body
    assert b"<Message>Response signature invalid</Message>" in answer.body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_amz_copy_source", "x"),
        ("x_amz_copy_source", "s3:///x"),
        ("x_amz_copy_source", "some-bucket/"),
        ("x_amz_grant_read", "x"),
        ("x_amz_acl", "x"),
    ],
)
def test_headers_that_s3_refuses(stand_in, bucket, name, value) -> None:
    found = send_to_s3(stand_in, "PUT", f"/{bucket}/key", b"x", **{name: value})
    assert found == "400 InvalidArgument"


@pytest.mark.parametrize("value", ["a:b", "{}", "MD4"])
def test_checksums_that_s3_does_not_have(stand_in, bucket, value) -> None:
    """moto would name a header of its response after them."""
    body = tags("Tag", "a")
    stand_in.client("s3").put_object(Bucket=bucket, Key="key", Body=b"x")

    def found(algorithm: str) -> str:
        header = {"x_amz_sdk_checksum_algorithm": algorithm}
        path = f"/{bucket}/key?tagging"
        return send_to_s3(stand_in, "PUT", path, body, **header)

    assert found(value) == "400 InvalidRequest"
    assert found("SHA256") == "200 "


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("x", 200),
        ("bytes", 200),
        ("bytes=1=2", 200),
        ("bytes=-", 200),
        ("lines=0-1", 200),
        ("bytes=0-1", 206),
        ("bytes=1-", 206),
        ("bytes=-1", 206),
    ],
)
def test_a_range_that_is_none_is_passed_over(
    stand_in, bucket, method, value, status
) -> None:
    stand_in.client("s3").put_object(Bucket=bucket, Key="key", Body=b"abc")
    found = send_to_s3(stand_in, method, f"/{bucket}/key", b"", range=value)
    assert found == f"{status} "


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("x", 200),
        ("%Y-13-45T99:00:00Z", 200),
        ("%a, %d %b 1994 %H:%M:%S GMT", 200),
        ("%a, %d %b %Y %H:%M:%S GMT", 304),
        ("%A, %d-%b-%y %H:%M:%S GMT", 304),
        ("%a %b %d %H:%M:%S %Y", 304),
    ],
)
def test_a_date_that_is_none_is_no_condition(
    stand_in, bucket, method, form, status
) -> None:
    """All forms that RFC 9110 has are dates."""
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    time = s3.head_object(Bucket=bucket, Key="key")["LastModified"].strftime(form)
    path = f"/{bucket}/key"
    found = send_to_s3(stand_in, method, path, b"", if_modified_since=time)
    assert found == f"{status} "


def test_what_boto3_sends_is_still_taken(stand_in, bucket) -> None:
    """The documents of real clients, of buckets and of objects."""
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    tags = {"TagSet": [{"Key": "a", "Value": ""}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    s3.put_object_tagging(Bucket=bucket, Key="key", Tagging=tags)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 1}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    rule = {
        "ID": "a",
        "Status": "Enabled",
        "Filter": {"Prefix": "x"},
        "Expiration": {"Date": datetime(2030, 1, 1)},
    }
    rules = {"Rules": [rule]}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    rule = {"ObjectOwnership": "ObjectWriter"}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [rule]})
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    acl = s3.get_bucket_acl(Bucket=bucket)
    acl.pop("ResponseMetadata")
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=acl)
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:PutObjectAcl",
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"y")["VersionId"]
    s3.get_object_tagging(Bucket=bucket, Key="key", VersionId=version)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "key"}]})


def test_a_bad_policy_of_an_earlier_edition_is_dropped(home) -> None:
    """As it was stored when anything was taken for a policy."""
    own = start_stand_in(home)
    s3 = own.client("s3")
    s3.create_bucket(Bucket="sagemaker-old")
    s3.put_object(Bucket="sagemaker-old", Key="key", Body=b"x")
    stop_stand_in(own)
    with sqlite3.connect(home / MOTO_DATABASE) as database:
        [(record,)] = database.execute("SELECT record FROM buckets")
        state, tags = pickles.load(record)
        database.execute(
            "UPDATE buckets SET record=?",
            (pickles.dump((state | {"policy": b"abc"}, tags)),),
        )
    database.close()
    own = start_stand_in(home)
    s3 = own.client("s3")
    found = s3.get_object(Bucket="sagemaker-old", Key="key")["Body"].read()
    printed = stop_stand_in(own)
    assert found == b"x"
    assert "The policy of bucket sagemaker-old is dropped" in printed
