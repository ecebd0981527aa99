"""A request as a function's event, and a function's result as a response.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP
APIs", for the payload formats 2.0 and 1.0.
"""

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from local_aws.installation import ACCOUNT_ID

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
_TEXT = re.compile(
    r"text/.+|application/(json|javascript|xml)|[\w.-]+/[\w.-]+\+(json|xml)", re.ASCII
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~\w-]+", re.ASCII)
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OF_CONNECTION = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# What a function can't set.
_OWN = _OF_CONNECTION | {"apigw-requestid", "content-length", "date", "server"}


class Malformed(Exception):
    """A result that is no response."""


@dataclass(frozen=True)
class Called:
    """A request to an API, with the route that it takes.

    `headers` are pairs of lower-case name and value; `path` and `query` are as they
    came over the wire.
    """

    api_id: str
    stage: str
    domain: str
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    client: str
    route_key: str
    resource: str
    parameters: Mapping[str, str]
    variables: Mapping[str, str]
    request_id: str
    body: bytes = b""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def joined(self) -> dict[str, str]:
        """Headers by name, those sent more than once joined."""
        found: dict[str, str] = {}
        for name, value in self.headers:
            comma = "; " if name == "cookie" else ","
            found[name] = f"{found[name]}{comma}{value}" if name in found else value
        return found


@dataclass(frozen=True)
class Reply:
    """What a client is sent; header names are lower-case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def message(status: int, text: str) -> Reply:
    """A response of API Gateway's own."""
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Reply(status, [("content-type", JSON)], body)


def new_request_id() -> str:
    """A request's id in the form of API Gateway's."""
    return base64.b64encode(secrets.token_bytes(11)).decode()


def forwarded(
    headers: list[tuple[str, str]], client: str, port: int, size: int
) -> list[tuple[str, str]]:
    """The headers of a request as a function sees them.

    Those that API Gateway adds or sets are in, those of the connection are not.
    """
    before = [value for name, value in headers if name == "x-forwarded-for"]
    trace = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    names = {name for name, _ in headers}
    added = [
        ("x-forwarded-for", ", ".join([*before, client])),
        ("x-forwarded-port", str(port)),
        ("x-forwarded-proto", "http"),
        ("content-length", str(size)),
    ]
    if "x-amzn-trace-id" not in names:
        added.append(("x-amzn-trace-id", trace))
    dropped = {name for name, _ in added} | _OF_CONNECTION
    return [pair for pair in headers if pair[0] not in dropped] + added


def event_of(called: Called, version: str) -> dict[str, Any]:
    """The event of a payload format."""
    return _event_2(called) if version == "2.0" else _event_1(called)


def _event_2(called: Called) -> dict[str, Any]:
    headers = called.joined
    cookies = headers.pop("cookie", "")
    query: dict[str, str] = {}
    for name, value in _query(called):
        query[name] = f"{query[name]},{value}" if name in query else value
    path = unquote(called.path, errors="replace")
    event = {
        "version": "2.0",
        "routeKey": called.route_key,
        "rawPath": path,
        "rawQueryString": called.query,
        "cookies": [one.strip() for one in cookies.split(";") if one.strip()],
        "headers": headers,
        "queryStringParameters": query,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": called.api_id,
            "domainName": called.domain,
            "domainPrefix": called.api_id,
            "http": {
                "method": called.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": called.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": called.request_id,
            "routeKey": called.route_key,
            "stage": called.stage,
            "time": _clf(called.time),
            "timeEpoch": _millis(called.time),
        },
        "pathParameters": called.parameters,
        "stageVariables": called.variables,
        **_body(called, headers.get("content-type")),
    }
    optional = ("cookies", "queryStringParameters", "pathParameters", "stageVariables")
    for name in (*optional, "body"):
        if not event[name]:
            del event[name]
    return event


def _event_1(called: Called) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in called.headers:
        headers.setdefault(name, []).append(value)
    query: dict[str, list[str]] = {}
    for name, value in _query(called):
        query.setdefault(name, []).append(value)
    path = unquote(called.path, errors="replace")
    single = {name: values[-1] for name, values in headers.items()}
    return {
        "version": "1.0",
        "resource": called.resource,
        "path": path,
        "httpMethod": called.method,
        "headers": single,
        "multiValueHeaders": headers,
        "queryStringParameters": {n: v[-1] for n, v in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": called.api_id,
            "domainName": called.domain,
            "domainPrefix": called.api_id,
            "extendedRequestId": called.request_id,
            "httpMethod": called.method,
            "identity": _identity(called, single.get("user-agent", "")),
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": called.request_id,
            "requestTime": _clf(called.time),
            "requestTimeEpoch": _millis(called.time),
            "resourceId": called.route_key,
            "resourcePath": called.resource,
            "stage": called.stage,
        },
        "pathParameters": called.parameters or None,
        "stageVariables": called.variables or None,
        **_body(called, single.get("content-type")),
    }


def _identity(called: Called, user_agent: str) -> dict[str, str | None]:
    """Who calls, in format 1.0: nobody who has a name."""
    unknown = (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
    known = {"sourceIp": called.client, "userAgent": user_agent}
    return dict.fromkeys(unknown) | known


def _query(called: Called) -> list[tuple[str, str]]:
    return parse_qsl(called.query, keep_blank_values=True)


def _body(called: Called, content_type: str | None) -> dict[str, Any]:
    """The body as text where its type says that it is text, else in base64."""
    if not called.body:
        return {"body": None, "isBase64Encoded": False}
    kind = (content_type or "text/plain").partition(";")[0].strip().lower()
    if _TEXT.fullmatch(kind):
        try:
            return {"body": called.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(called.body).decode(), "isBase64Encoded": True}


def _clf(moment: datetime) -> str:
    return f"{moment:%d/%b/%Y:%H:%M:%S} +0000"


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def reply_of(payload: bytes, version: str) -> Reply:
    """The response that a function's result says. Raises Malformed."""
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError):  # written past the runtime, or nested deeply
        raise Malformed("it can't be read as JSON") from None
    if not isinstance(result, dict) or "statusCode" not in result:
        if version == "1.0":
            raise Malformed("it has no statusCode")
        is_text = isinstance(result, str)
        body = result.encode("utf-8", "replace") if is_text else payload
        return Reply(200, [("content-type", JSON)], body)
    headers = _headers(result, version)
    if all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", PLAIN))
    return Reply(_status(result["statusCode"]), headers, _reply_body(result))


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:4])
    is_number = isinstance(value, int) and not isinstance(value, bool)
    # What is below 200 announces a response and is none.
    if not is_number or not 200 <= value <= 599:
        raise Malformed(f"its statusCode is {value!r:.80}")
    return value


def _reply_body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed(f"its body is no string but of type {type(body).__name__}")
    if result.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("its body is no base64") from None


def _headers(result: Mapping[str, Any], version: str) -> list[tuple[str, str]]:
    """The headers of a result, but for those that belong to the connection."""
    found: list[tuple[str, str]] = []
    multiple = result.get("multiValueHeaders") if version == "1.0" else None
    for name, values in _mapping(multiple, "multiValueHeaders").items():
        if not isinstance(values, list):
            raise Malformed("a value of its multiValueHeaders is no list")
        found += [_header(name, value) for value in values]
    names = {name for name, _ in found}
    for name, value in _mapping(result.get("headers"), "headers").items():
        if name.lower() not in names:
            found.append(_header(name, value))
    cookies = result.get("cookies") if version == "2.0" else None
    if cookies is not None and not isinstance(cookies, list):
        raise Malformed("its cookies are no list")
    found += [_header("set-cookie", value) for value in cookies or ()]
    return [(name, value) for name, value in found if name not in _OWN]


def _mapping(value: Any, member: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"its {member} are no object")
    return value


def _header(name: str, value: Any) -> tuple[str, str]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise Malformed(f"its header {name!r:.80} is no string")
    text = str(value)
    if not _HEADER_NAME.fullmatch(name) or _NO_VALUE.search(text):
        raise Malformed(f"its header {name!r:.80} can't be sent")
    return name.lower(), text
