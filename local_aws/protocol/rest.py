"""rest-json: what of a request or a response is in the URI, a header or the body.

Where each member travels is in the service model. Source: Smithy's specification of
HTTP bindings and of the protocol restJson1.
"""

import json
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from local_aws.errors import serialization_exception
from local_aws.messages import Head
from local_aws.protocol import requests, responses
from local_aws.protocol.model import Binding, Operation, Shape
from local_aws.protocol.responses import ResultError


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
    params = {}
    if shape.payload is not None:
        params = _parse_payload(body, shape)
    elif shape.names:
        params = requests.parse_body(body or b"{}", shape)
    query = parse_qsl(head.query, keep_blank_values=True)
    for member, binding in shape.bindings.items():
        kind = shape.members[member]
        if binding.location == "uri":
            params[member] = _from_text(labels[binding.name], kind, binding)
        elif binding.location == "header":
            text = head.header(binding.name.lower())
            if text is not None:
                params[member] = _from_text(text, kind, binding)
        elif binding.location == "headers":
            params[member] = _with_prefix(head, binding.name.lower())
        elif binding.location == "querystring":
            texts = [value for name, value in query if name == binding.name]
            if texts and kind.type == "list":
                params[member] = [_from_text(t, kind.element, binding) for t in texts]
            elif texts:
                params[member] = _from_text(texts[-1], kind, binding)
    return params


def _parse_payload(body: bytes, shape: Shape) -> dict[str, Any]:
    kind = shape.members[shape.payload]
    if kind.type == "blob":
        return {shape.payload: body}
    if kind.type == "string":
        return {shape.payload: body.decode("utf-8", "replace")}
    return {shape.payload: requests.parse_body(body, kind)} if body else {}


def _with_prefix(head: Head, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in head.headers
        if name.startswith(prefix)
    }


def _from_text(text: str, shape: Shape, binding: Binding) -> Any:
    """A value that is written as text in a URI or a header."""
    try:
        if shape.type in ("integer", "long"):
            return int(text)
        if shape.type in ("float", "double"):
            return float(text)
        if shape.type == "timestamp":
            return _time(text, shape, binding)
    except ValueError:
        raise serialization_exception() from None
    if shape.type == "boolean":
        if text not in ("true", "false"):
            raise serialization_exception()
        return text == "true"
    if shape.type == "list":
        return [_from_text(t.strip(), shape.element, binding) for t in text.split(",")]
    return text


def _time(text: str, shape: Shape, binding: Binding) -> datetime:
    default = "rfc822" if binding.location == "header" else "iso8601"
    form = shape.timestamp_format or default
    if form == "unixTimestamp":
        return datetime.fromtimestamp(float(text), UTC)
    if form == "rfc822":
        return parsedate_to_datetime(text)
    return datetime.fromisoformat(text)


def serialize(
    result: dict[str, Any] | None, operation: Operation
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a handler's result.

    Raises ResultError when it does not fit the operation's output shape.
    """
    result = result or {}
    shape = operation.output
    if shape is None:
        if result:
            raise ResultError(f"{operation.name} has no output, got {sorted(result)}")
        return operation.status, [], b""
    if unknown := result.keys() - shape.members.keys():
        raise ResultError(f"{operation.name}: {shape.name} has no {sorted(unknown)}")
    status = operation.status
    headers = []
    in_body = {}
    for member, value in result.items():
        binding = shape.bindings[member]
        if value is None:
            continue
        if binding.location == "statusCode":
            status = value
        elif binding.location == "header":
            headers.append((binding.name, _to_text(value)))
        elif binding.location == "headers":
            headers += [(binding.name + name, text) for name, text in value.items()]
        else:
            in_body[member] = value
    if shape.payload is None:
        body = responses.write_structure(in_body, shape, operation.name)
        headers.append(("Content-Type", "application/json"))
        return status, headers, json.dumps(body, separators=(",", ":")).encode()
    payload = in_body.get(shape.payload, b"")
    if isinstance(payload, bytes):
        return status, headers, payload
    if isinstance(payload, str):
        return status, headers, payload.encode()
    body = responses.write_structure(
        payload, shape.members[shape.payload], operation.name
    )
    headers.append(("Content-Type", "application/json"))
    return status, headers, json.dumps(body, separators=(",", ":")).encode()


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return str(value)
