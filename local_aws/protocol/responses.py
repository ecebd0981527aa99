"""A handler's result, written as the operation's output shape says."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape

from local_aws.protocol.model import location, wire_name

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "list": (list, tuple),
    "map": dict,
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "timestamp": (datetime, int, float),
    "blob": bytes,
}


class ResultError(Exception):
    """A handler returned what the operation's output shape does not allow.

    It is a mistake in the stand-in, never the client's.
    """


def serialize(result: dict[str, Any] | None, operation: OperationModel) -> bytes:
    """The JSON body for a handler's result.

    Members that are None are left out, and so are structures with nothing but None.
    Datetimes (with a time zone) become epoch seconds with milliseconds.

    Args:
        result: members by their names in the model; None for nothing.
        operation: tells the output shape. Without one the body is empty, as AWS's is.

    Raises:
        ResultError: a name that the shape does not have, a required member that is
            missing, a value of another type.
    """
    if operation.output_shape is None:
        if result:
            raise ResultError(f"{operation.name} has no output, got {sorted(result)}")
        return b""
    shaped = write(result or {}, operation.output_shape, operation.name)
    return json.dumps(shaped, separators=(",", ":")).encode()


def write(value: Any, shape: Shape, path: str) -> Any:
    """A value as JSON has it. Raises ResultError, which says `path`."""
    kind = shape.type_name
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    if (
        not isinstance(value, _TYPES[kind])
        or isinstance(value, bool) != (kind == "boolean")
        or is_naive
    ):
        raise ResultError(f"{path}: {value!r} is not a {kind} (shape {shape.name})")
    match kind:
        case "structure":
            return _structure(value, shape, path)
        case "list":
            pairs = enumerate(value)
            return [write(item, shape.member, f"{path}[{n}]") for n, item in pairs]
        case "map":
            return {
                write(name, shape.key, path): write(
                    item, shape.value, f"{path}[{name}]"
                )
                for name, item in value.items()
                if item is not None
            }
        case "float" | "double" if not math.isfinite(value):
            # JSON has no such numbers; AWS's JSON protocols send these words instead.
            return _NOT_FINITE[str(value)]
        case "timestamp":
            return _time(value, shape)
        case "blob":
            return base64.b64encode(value).decode()
    return value


def _structure(value: dict[str, Any], shape: Shape, path: str) -> dict[str, Any]:
    written = {}
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise ResultError(f"{path}: {shape.name} has no member {name!r}")
        if item is not None and not _holds_nothing(item, member):
            written[name] = write(item, member, f"{path}.{name}")
    missing = [
        name
        for name in shape.required_members
        if name not in written and not location(shape.members[name])
    ]
    if missing:
        raise ResultError(f"{path}: required {', '.join(missing)} not in the result")
    return {wire_name(name, shape.members[name]): written[name] for name in written}


def _holds_nothing(value: Any, shape: Shape) -> bool:
    """Whether a structure has members and all are None; {} itself was meant."""
    if shape.type_name != "structure" or not isinstance(value, dict) or not value:
        return False
    return all(item is None for item in value.values())


def _time(value: datetime | float, shape: Shape) -> float | str:
    if not isinstance(value, datetime):
        return round(float(value), 3)
    if shape.serialization.get("timestampFormat") == "iso8601":
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return round(value.timestamp(), 3)
