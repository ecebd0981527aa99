"""rest-json: what of a request or a response is in the URI, a header or the body.

Where each member travels is in the service model. Source: Smithy's specification of
HTTP bindings and of the protocol restJson1.
"""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import OperationModel, Shape

from local_aws.errors import serialization_exception
from local_aws.messages import Head
from local_aws.protocol import requests, responses
from local_aws.protocol.model import location, wire_name
from local_aws.protocol.responses import ResultError

_JSON = [("Content-Type", "application/json")]


def parse(
    head: Head, labels: dict[str, str], body: bytes, shape: Shape | None
) -> dict[str, Any]:
    """The parameters of a request.

    Args:
        head: the request's head.
        labels: the values in its path, by their names there.
        body: its body.
        shape: the operation's input.

    Raises:
        AwsError: SerializationException.
    """
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    if payload is not None:
        params = _parse_payload(body, payload, shape.members[payload])
    elif all(map(location, shape.members.values())):
        params = {}
    else:
        params = requests.parse_body(body or b"{}", shape)
    query = parse_qsl(head.query, keep_blank_values=True)
    for member, kind in shape.members.items():
        where, name = location(kind), wire_name(member, kind)
        if where == "uri":
            params[member] = _from_text(labels[name], kind, where)
        elif where == "header":
            text = head.header(name.lower())
            if text is not None:
                params[member] = _from_text(text, kind, where)
        elif where == "headers":
            params[member] = _with_prefix(head, name.lower())
        elif where == "querystring":
            texts = [value for key, value in query if key == name]
            if texts and kind.type_name == "list":
                params[member] = [_from_text(t, kind.member, where) for t in texts]
            elif texts:
                params[member] = _from_text(texts[-1], kind, where)
    return params


def _parse_payload(body: bytes, member: str, kind: Shape) -> dict[str, Any]:
    if kind.type_name == "blob":
        return {member: body}
    if kind.type_name == "string":
        return {member: body.decode("utf-8", "replace")}
    return {member: requests.parse_body(body, kind)} if body else {}


def _with_prefix(head: Head, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in head.headers
        if name.startswith(prefix)
    }


def _from_text(text: str, shape: Shape, where: str) -> Any:
    """A value that is written as text in a URI or a header."""
    kind = shape.type_name
    if kind == "string":
        return text
    if kind == "list":
        return [_from_text(t.strip(), shape.member, where) for t in text.split(",")]
    try:
        if kind == "timestamp":
            default = "rfc822" if where == "header" else "iso8601"
            form = shape.serialization.get("timestampFormat", default)
            return requests.read_time(text, form)
        return requests.read(json.loads(text), shape)
    except (ValueError, OverflowError, OSError, RecursionError):
        raise serialization_exception() from None


def serialize(
    result: dict[str, Any] | None, operation: OperationModel
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a handler's result.

    Raises ResultError when it does not fit the operation's output shape.
    """
    status = operation.http.get("responseCode", 200)
    shape = operation.output_shape
    members = shape.members if shape else {}
    headers = []
    in_body = {}
    for member, value in (result or {}).items():
        where = location(members[member]) if member in members else ""
        if not where:
            in_body[member] = value
        elif value is None:
            continue
        elif where == "statusCode":
            status = value
        elif where == "header":
            headers.append((wire_name(member, members[member]), _to_text(value)))
        else:  # all that begin with the name
            name = wire_name(member, members[member])
            headers += [(name + key, text) for key, text in value.items()]
    payload = shape.serialization.get("payload") if shape else None
    if payload is None:
        body = responses.serialize(in_body, operation)
        return status, headers + (_JSON if body else []), body
    content = in_body.pop(payload, None)
    if in_body:
        raise ResultError(f"{operation.name}: {shape.name} has no {sorted(in_body)}")
    if isinstance(content, dict):
        written = responses.write(content, members[payload], operation.name)
        return status, headers + _JSON, json.dumps(written).encode()
    if isinstance(content, str):
        content = content.encode()
    return status, headers, content or b""


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return str(value)
