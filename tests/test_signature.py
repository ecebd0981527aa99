"""Only requests signed with this installation's keys are answered."""

import hashlib
import http.client
import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser

from local_aws.installation import ROLE_NAME

STS_QUERY = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass(frozen=True)
class Call:
    """A request before it is signed."""

    service: str
    method: str = "POST"
    path: str = "/"
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    region: str = "us-east-1"


def json_call(service: str, target: str, body: dict) -> Call:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    return Call(service, body=json.dumps(body).encode(), headers=headers)


CALLS = {
    "s3": Call("s3", method="GET"),
    "sts": Call("sts", body=STS_QUERY.encode(), headers={"Content-Type": FORM}),
    "iam": Call(
        "iam",
        body=b"Action=ListRoles&Version=2010-05-08",
        headers={"Content-Type": FORM},
    ),
    "sagemaker": json_call("sagemaker", "SageMaker.ListTrainingJobs", {}),
    "logs": json_call("logs", "Logs_20140328.DescribeLogGroups", {}),
    "monitoring": json_call(
        "monitoring", "GraniteServiceVersion20100801.ListMetrics", {}
    ),
}
ALL = sorted(CALLS)
UNKNOWN_KEY = {
    "s3": (403, "InvalidAccessKeyId"),
    "sts": (403, "InvalidClientTokenId"),
    "iam": (403, "InvalidClientTokenId"),
    "sagemaker": (400, "UnrecognizedClientException"),
    "logs": (400, "UnrecognizedClientException"),
    "monitoring": (400, "UnrecognizedClientException"),
}
MISMATCH = {
    "s3": (403, "SignatureDoesNotMatch"),
    "sts": (403, "SignatureDoesNotMatch"),
    "iam": (403, "SignatureDoesNotMatch"),
    "sagemaker": (400, "InvalidSignatureException"),
    "logs": (400, "InvalidSignatureException"),
    "monitoring": (400, "InvalidSignatureException"),
}
UNSIGNED = {
    "s3": (403, "AccessDenied"),
    "sts": (403, "MissingAuthenticationToken"),
    "iam": (403, "MissingAuthenticationToken"),
    "sagemaker": (400, "MissingAuthenticationTokenException"),
    "logs": (400, "MissingAuthenticationTokenException"),
    "monitoring": (400, "MissingAuthenticationTokenException"),
}
BAD_SCOPE = MISMATCH | {"s3": (400, "AuthorizationHeaderMalformed")}
INCOMPLETE = {
    "s3": (400, "AuthorizationHeaderMalformed"),
    "sts": (400, "IncompleteSignature"),
    "iam": (400, "IncompleteSignature"),
    "sagemaker": (400, "IncompleteSignatureException"),
    "logs": (400, "IncompleteSignatureException"),
    "monitoring": (400, "IncompleteSignatureException"),
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def error(self) -> tuple[int, str]:
        """Status and error code, however the service writes it down."""
        if self.body.lstrip().startswith(b"{"):
            return self.status, json.loads(self.body)["__type"]
        return self.status, _xml_text(self.body, "Code")

    @property
    def message(self) -> str:
        if self.body.lstrip().startswith(b"{"):
            return json.loads(self.body)["message"]
        return _xml_text(self.body, "Message")


def _xml_text(body: bytes, name: str) -> str:
    return next(e for e in ET.fromstring(body).iter() if e.tag.endswith(name)).text


def keys_of(stand_in) -> Credentials:
    installation = stand_in.installation
    return Credentials(installation.access_key_id, installation.secret_access_key)


def signed(stand_in, call: Call, keys: Credentials | None = None) -> dict:
    """The headers of a call, signed as botocore does it."""
    request = AWSRequest(
        method=call.method,
        url=stand_in.endpoint + call.path,
        data=call.body,
        headers=call.headers,
    )
    auth = S3SigV4Auth if call.service == "s3" else SigV4Auth
    auth(keys or keys_of(stand_in), call.service, call.region).add_auth(request)
    host = urlsplit(stand_in.endpoint).netloc
    return dict(request.headers) | {"Host": host}


def send(stand_in, call: Call, headers: dict) -> Answer:
    connection = http.client.HTTPConnection(
        urlsplit(stand_in.endpoint).netloc, timeout=20
    )
    try:
        connection.putrequest(
            call.method, call.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        if call.body:
            connection.putheader("Content-Length", str(len(call.body)))
        connection.endheaders(call.body or None)
        answer = connection.getresponse()
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )
    finally:
        connection.close()


def at(monkeypatch, when: datetime) -> None:
    """Let botocore sign at another time."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: when)


@pytest.mark.parametrize("service", ALL)
def test_a_signed_request_is_answered(stand_in, service) -> None:
    """The negative control of all refusals in this file."""
    call = CALLS[service]
    assert send(stand_in, call, signed(stand_in, call)).status == 200


@pytest.mark.parametrize("service", ALL)
def test_an_unsigned_request_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = call.headers | {"Host": urlsplit(stand_in.endpoint).netloc}
    assert send(stand_in, call, headers).error == UNSIGNED[service]


@pytest.mark.parametrize("service", ALL)
def test_an_unknown_key_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    keys = Credentials("AKIAIOSFODNN7EXAMPLE", keys_of(stand_in).secret_key)
    answer = send(stand_in, call, signed(stand_in, call, keys))
    assert answer.error == UNKNOWN_KEY[service]


@pytest.mark.parametrize("service", ALL)
def test_a_wrong_secret_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    keys = Credentials(keys_of(stand_in).access_key, "x" * 40)
    answer = send(stand_in, call, signed(stand_in, call, keys))
    assert answer.error == MISMATCH[service]


@pytest.mark.parametrize("service", ALL)
def test_a_session_token_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    keys = keys_of(stand_in)
    keys.token = "a-token"
    answer = send(stand_in, call, signed(stand_in, call, keys))
    expected = (400, "InvalidToken") if service == "s3" else UNKNOWN_KEY[service]
    assert answer.error == expected


@pytest.mark.parametrize("service", ALL)
def test_another_query_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    answer = send(stand_in, replace(call, path="/?prefix=x"), headers)
    assert answer.error == MISMATCH[service]


@pytest.mark.parametrize("service", ALL)
def test_another_path_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    answer = send(stand_in, replace(call, path="/other"), headers)
    assert answer.error == MISMATCH[service]


@pytest.mark.parametrize("service", ALL)
def test_another_body_is_refused(stand_in, service, bucket) -> None:
    call = CALLS[service]
    if service == "s3":
        call = Call("s3", "PUT", f"/{bucket}/key", b"the body that was signed")
    headers = signed(stand_in, call)
    answer = send(stand_in, replace(call, body=call.body[::-1]), headers)
    expected = (400, "XAmzContentSHA256Mismatch") if service == "s3" else None
    assert answer.error == (expected or MISMATCH[service])
    if service == "s3":
        assert stand_in.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("service", ALL)
def test_another_method_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    other = "DELETE" if call.method == "GET" else "PUT"
    answer = send(stand_in, replace(call, method=other), headers)
    assert answer.error == MISMATCH[service]


@pytest.mark.parametrize("service", ["sagemaker", "logs", "monitoring"])
def test_another_target_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    headers["X-Amz-Target"] = headers["X-Amz-Target"].replace("List", "Delete")
    headers["X-Amz-Target"] = headers["X-Amz-Target"].replace("Describe", "Delete")
    assert send(stand_in, call, headers).error == MISMATCH[service]


@pytest.mark.parametrize("service", ALL)
def test_an_amz_header_that_is_not_signed_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call) | {"X-Amz-Extra": "1"}
    expected = (403, "AccessDenied") if service == "s3" else MISMATCH[service]
    assert send(stand_in, call, headers).error == expected


@pytest.mark.parametrize("service", ALL)
def test_the_host_must_be_signed(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    text = headers["Authorization"]
    headers["Authorization"] = re.sub(r";?\bhost\b", "", text)
    assert headers["Authorization"] != text
    expected = (403, "AccessDenied") if service == "s3" else MISMATCH[service]
    assert send(stand_in, call, headers).error == expected


@pytest.mark.parametrize("service", ALL)
def test_a_signed_header_must_be_there(stand_in, service) -> None:
    call = CALLS[service]
    call = replace(call, headers=call.headers | {"If-Match": "x"})
    headers = signed(stand_in, call)
    del headers["If-Match"]
    assert send(stand_in, call, headers).error == MISMATCH[service]


@pytest.mark.parametrize("service", ALL)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/us-east-1/", "/mars-east-1/"),
        ("/aws4_request", "/aws5_request"),
        (r"/20\d{6}/", "/20200101/"),
    ],
)
def test_a_wrong_scope_is_refused(stand_in, service, old, new) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    headers["Authorization"] = re.sub(old, new, headers["Authorization"])
    assert send(stand_in, call, headers).error == BAD_SCOPE[service]


@pytest.mark.parametrize("service", ALL)
def test_a_scope_with_four_parts_is_refused(stand_in, service) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    headers["Authorization"] = headers["Authorization"].replace("/us-east-1/", "/")
    assert send(stand_in, call, headers).error == INCOMPLETE[service]


def test_the_scope_must_name_the_service_of_the_target(stand_in) -> None:
    call = replace(CALLS["sagemaker"], service="logs")
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.error == (400, "InvalidSignatureException")
    assert "correct service: 'sagemaker'" in answer.message


def test_a_post_that_s3_does_not_know(stand_in) -> None:
    call = replace(CALLS["s3"], method="POST", path="/moto-api/reset")
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.error == (405, "MethodNotAllowed")


def test_iam_is_reached_from_a_client_of_any_region(stand_in) -> None:
    roles = stand_in.client("iam", region="eu-west-1").list_roles()["Roles"]
    assert ROLE_NAME in {role["RoleName"] for role in roles}


def test_a_region_that_does_not_exist_is_refused(stand_in) -> None:
    call = replace(CALLS["iam"], region="mars-north-1")
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.error == (403, "SignatureDoesNotMatch")
    assert "valid region" in answer.message


@pytest.mark.parametrize("service", ALL)
@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_off_is_refused(
    stand_in, service, minutes, monkeypatch
) -> None:
    call = CALLS[service]
    at(monkeypatch, datetime.now(UTC) + timedelta(minutes=minutes))
    answer = send(stand_in, call, signed(stand_in, call))
    expected = MISMATCH | {"s3": (403, "RequestTimeTooSkewed")}
    assert answer.error == expected[service]
    if service == "s3":
        told = {e.tag: e.text for e in ET.fromstring(answer.body)}
        asked = datetime.strptime(told["RequestTime"], "%Y%m%dT%H%M%SZ")
        served = datetime.strptime(told["ServerTime"], "%Y-%m-%dT%H:%M:%SZ")
        off = (asked - served) / timedelta(minutes=minutes)
        assert off == pytest.approx(1, abs=0.2)
        assert told["MaxAllowedSkewMilliseconds"] == "900000"
    else:
        begin = "Signature expired:" if minutes < 0 else "Signature not yet current:"
        assert answer.message.startswith(begin)


@pytest.mark.parametrize("service", ALL)
def test_a_clock_that_is_slightly_off_is_fine(stand_in, service, monkeypatch) -> None:
    call = CALLS[service]
    at(monkeypatch, datetime.now(UTC) - timedelta(minutes=3))
    assert send(stand_in, call, signed(stand_in, call)).status == 200


@pytest.mark.parametrize("service", ALL)
@pytest.mark.parametrize("part", ["Credential", "SignedHeaders", "Signature"])
def test_an_incomplete_header_is_refused(stand_in, service, part) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    headers["Authorization"] = re.sub(
        rf"\b{part}=[^,]*(, )?", "", headers["Authorization"]
    )
    assert send(stand_in, call, headers).error == INCOMPLETE[service]


@pytest.mark.parametrize("service", ALL)
@pytest.mark.parametrize(
    "text",
    ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=/", "Bearer x", "=,,=", "é"],
)
def test_nonsense_in_the_header_is_refused(stand_in, service, text) -> None:
    call = CALLS[service]
    headers = signed(stand_in, call)
    headers["Authorization"] = text
    assert send(stand_in, call, headers).status in (400, 403)


def test_signature_version_2_is_refused(stand_in) -> None:
    request = AWSRequest("GET", stand_in.endpoint + "/")
    HmacV1Auth(keys_of(stand_in)).add_auth(request)
    headers = dict(request.headers) | {"Host": urlsplit(stand_in.endpoint).netloc}
    answer = send(stand_in, CALLS["s3"], headers)
    assert answer.error == (400, "InvalidRequest")
    assert "AWS4-HMAC-SHA256" in answer.message


def test_s3_wants_the_hash_of_the_body(stand_in) -> None:
    call = CALLS["s3"]
    headers = signed(stand_in, call)
    del headers["X-Amz-Content-SHA256"]
    headers["Authorization"] = headers["Authorization"].replace(
        "x-amz-content-sha256;", ""
    )
    assert send(stand_in, call, headers).error == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", (501, "NotImplemented")),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", (501, "NotImplemented")),
        ("something", (400, "InvalidArgument")),
    ],
)
def test_other_forms_of_body_are_refused(stand_in, bucket, value, error) -> None:
    call = Call("s3", "PUT", f"/{bucket}/key", b"body")
    headers = signed(stand_in, call) | {"X-Amz-Content-SHA256": value}
    assert send(stand_in, call, headers).error == error


def test_localhost_is_a_name_of_the_server_too(stand_in) -> None:
    call = CALLS["sts"]
    port = urlsplit(stand_in.endpoint).port
    request = AWSRequest(
        call.method, f"http://localhost:{port}/", call.headers, call.body
    )
    SigV4Auth(keys_of(stand_in), "sts", "us-east-1").add_auth(request)
    headers = dict(request.headers) | {"Host": f"localhost:{port}"}
    assert send(stand_in, call, headers).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1"])
def test_a_request_for_another_host_is_refused(stand_in, host) -> None:
    """A name that an attacker points at loopback (DNS rebinding), signed or not."""
    call = CALLS["s3"]
    request = AWSRequest("GET", f"http://{host}/")
    S3SigV4Auth(keys_of(stand_in), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers) | {"Host": host}
    assert send(stand_in, call, headers).error == (403, "AccessDenied")


# Presigned URLs


def presigned(stand_in, path: str, method: str = "GET", expires: int = 60) -> str:
    request = AWSRequest(method, stand_in.endpoint + path)
    S3SigV4QueryAuth(keys_of(stand_in), "s3", "us-east-1", expires=expires).add_auth(
        request
    )
    return request.url.removeprefix(stand_in.endpoint)


def open_url(stand_in, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    headers = {"Host": urlsplit(stand_in.endpoint).netloc}
    return send(stand_in, Call("s3", method, path, body), headers)


def test_a_presigned_url_opens_one_object(stand_in, bucket) -> None:
    path = presigned(stand_in, f"/{bucket}/key", "PUT")
    assert open_url(stand_in, path, "PUT", b"by URL").status == 200
    path = presigned(stand_in, f"/{bucket}/key")
    assert open_url(stand_in, path).body == b"by URL"
    # Not with another method, nor for another key.
    assert open_url(stand_in, path, "DELETE").error == (403, "SignatureDoesNotMatch")
    other = path.replace("/key?", "/other?")
    assert open_url(stand_in, other).error == (403, "SignatureDoesNotMatch")


PRESIGN = """
import sys
import boto3
from botocore.config import Config

config = Config(signature_version=sys.argv[2]) if sys.argv[2:] else None
s3 = boto3.client("s3", config=config)
place = {"Bucket": sys.argv[1], "Key": "a b.txt"}
print(s3.generate_presigned_url("get_object", place))
"""


def test_what_boto3_presigns_by_itself_s3_refuses(stand_in, bucket) -> None:
    """In the environment that learners have: it is version 2, as it is on AWS."""
    stand_in.client("s3").put_object(Bucket=bucket, Key="a b.txt", Body=b"by URL")
    answers = []
    for version in ([], ["s3v4"]):
        done = stand_in.run(sys.executable, "-c", PRESIGN, bucket, *version)
        path = done.stdout.strip().removeprefix(stand_in.endpoint)
        answers.append(open_url(stand_in, path))
    assert answers[0].error == (400, "InvalidRequest")
    assert answers[0].message == (
        "The authorization mechanism you have provided is not supported. Please use "
        "AWS4-HMAC-SHA256."
    )
    assert answers[1].body == b"by URL"


@pytest.mark.parametrize(
    ("expires", "age_s", "error", "text"),
    [
        (60, 61, (403, "AccessDenied"), "Request has expired"),
        (60, -1200, (403, "AccessDenied"), "Request is not yet valid"),
        (604_801, 0, (400, "AuthorizationQueryParametersError"), "less than a week"),
        (-1, 0, (400, "AuthorizationQueryParametersError"), "non-negative"),
    ],
)
def test_a_presigned_url_has_its_time(
    stand_in, monkeypatch, expires, age_s, error, text
) -> None:
    at(monkeypatch, datetime.now(UTC) - timedelta(seconds=age_s))
    answer = open_url(stand_in, presigned(stand_in, "/", expires=expires))
    assert answer.error == error
    assert text in answer.message


def test_a_presigned_url_lasts_longer_than_the_skew(stand_in, monkeypatch) -> None:
    at(monkeypatch, datetime.now(UTC) - timedelta(hours=2))
    answer = open_url(stand_in, presigned(stand_in, "/", expires=3 * 3600))
    assert answer.status == 200


@pytest.mark.parametrize(
    "name", ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"]
)
def test_a_presigned_url_needs_all_its_parts(stand_in, name) -> None:
    path = presigned(stand_in, "/")
    cut = re.sub(rf"[?&]X-Amz-{name}=[^&]*", "?", path).replace("??", "?")
    cut = cut[0] + "?" + cut[1:].replace("?", "&").lstrip("&")
    assert cut != path
    assert open_url(stand_in, cut).status in (400, 403)


# A page of another origin in the learner's browser


def assert_no_cors(answer: Answer) -> None:
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/bucket", "/bucket/key", "/moto-api/reset"])
def test_a_preflight_gets_no_permission(stand_in, path) -> None:
    headers = {
        "Host": urlsplit(stand_in.endpoint).netloc,
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,x-amz-target",
    }
    answer = send(stand_in, Call("s3", "OPTIONS", path), headers)
    assert answer.error == (403, "AccessForbidden")
    assert_no_cors(answer)


@pytest.mark.parametrize("kind", [FORM, "text/plain", "multipart/form-data"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_simple_request_of_a_page_does_nothing(stand_in, kind, method) -> None:
    body = urlencode(
        {
            "Action": "CreateUser",
            "UserName": "intruder",
            "Version": "2010-05-08",
        }
    ).encode()
    headers = {
        "Host": urlsplit(stand_in.endpoint).netloc,
        "Origin": "https://evil.example",
        "Content-Type": kind,
    }
    path = f"/?{body.decode()}" if method == "GET" else "/"
    call = Call("iam", method, path, b"" if method == "GET" else body)
    answer = send(stand_in, call, headers)
    assert answer.status == 403
    assert_no_cors(answer)
    users = stand_in.client("iam").list_users()["Users"]
    assert [user["UserName"] for user in users] == []


def test_a_signed_answer_carries_no_cors_header(stand_in, bucket) -> None:
    """Not even when a bucket's own rules would have S3 send some."""
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    stand_in.client("s3").put_bucket_cors(
        Bucket=bucket, CORSConfiguration={"CORSRules": [rule]}
    )
    headers = {"Origin": "https://evil.example"}
    call = Call("s3", "GET", f"/{bucket}", headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 200
    assert_no_cors(answer)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/moto-api/", "/moto-api/reset", "/favicon.ico"])
def test_motos_control_pages_are_not_there(stand_in, bucket, method, path) -> None:
    headers = {"Host": urlsplit(stand_in.endpoint).netloc}
    call = Call("s3", method, path)
    assert send(stand_in, call, headers).error == (403, "AccessDenied")
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status >= 400
    stand_in.client("s3").head_bucket(Bucket=bucket)  # nothing was reset


def test_a_refused_upload_leaves_the_connection_usable(stand_in, bucket) -> None:
    """The rest of a refused body must not be taken for the next request."""
    connection = http.client.HTTPConnection(urlsplit(stand_in.endpoint).netloc)
    body = b"GET / HTTP/1.1\r\n\r\n" * 50_000
    connection.request("PUT", f"/{bucket}/key", body)
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"<Code>AccessDenied</Code>" in answer.read()
    call = Call("s3", "GET", f"/{bucket}")
    connection.request("GET", call.path, headers=signed(stand_in, call))
    assert connection.getresponse().status == 200
    connection.close()


def test_the_hash_in_the_header_is_that_of_the_body(stand_in, bucket) -> None:
    """What a signature covers is really stored."""
    call = Call("s3", "PUT", f"/{bucket}/key", b"0123456789" * 600_000)
    headers = signed(stand_in, call)
    declared = headers["X-Amz-Content-SHA256"]
    assert send(stand_in, call, headers).status == 200
    stored = stand_in.client("s3").get_object(Bucket=bucket, Key="key")["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == declared


def test_a_large_unsigned_form_without_a_length_is_refused(stand_in) -> None:
    """In chunks, so that its size shows only as it comes."""
    connection = http.client.HTTPConnection(urlsplit(stand_in.endpoint).netloc)
    pieces = [b"Action=ListUsers&x=" + b"x" * 300_000] + [b"x" * 300_000] * 5
    headers = {"Content-Type": FORM}
    connection.request("POST", "/", iter(pieces), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"<Code>AccessDenied</Code>" in answer.read()
    call = CALLS["iam"]
    connection.request("POST", "/", call.body, signed(stand_in, call))
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("length", [10, 2_000_000])
def test_an_unsigned_form_is_refused_by_the_service_it_names(stand_in, length) -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15&x=".ljust(length, b"x")
    headers = {"Host": urlsplit(stand_in.endpoint).netloc, "Content-Type": FORM}
    call = Call("sts", path="/?Action=GetCallerIdentity", body=body)
    answer = send(stand_in, call, headers)
    assert answer.error == (403, "MissingAuthenticationToken")


def test_an_unsigned_invocation_is_refused_by_the_runtime(stand_in) -> None:
    headers = {"Host": urlsplit(stand_in.endpoint).netloc}
    call = Call("sagemaker", path="/endpoints/some-name/invocations", body=b"1,2")
    answer = send(stand_in, call, headers)
    assert answer.status == 403
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_cloudwatch_in_cbor_says_that_it_is_not_built(stand_in) -> None:
    """In CBOR, so that a client of that protocol can read it."""
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = {"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    call = Call("monitoring", path=path, body=b"\xa0", headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    parser = create_parser("smithy-rpc-v2-cbor")
    response = {
        "status_code": answer.status,
        "headers": answer.headers,
        "body": answer.body,
        "context": {},
    }
    error = parser.parse(response, None)["Error"]
    assert answer.status == 501
    assert error["Code"] == "NotImplemented"
    assert path in error["Message"]
