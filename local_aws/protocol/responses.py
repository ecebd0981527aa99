"""A handler's result, written as the operation's output shape says."""

import base64
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape

from local_aws.protocol.model import location, wire_name

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


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
    shaped = write_structure(result or {}, operation.output_shape, operation.name)
    return json.dumps(shaped, separators=(",", ":")).encode()


def _write(value: Any, shape: Shape, path: str) -> Any:
    return _WRITERS[shape.type_name](value, shape, path)


def write_structure(value: Any, shape: Shape, path: str) -> dict[str, Any]:
    """A structure as JSON has it. Raises ResultError, which says `path`."""
    if not isinstance(value, dict):
        raise _wrong_type(value, shape, path)
    written = {}
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise ResultError(f"{path}: {shape.name} has no member {name!r}")
        if item is not None and not _holds_nothing(item, member):
            written[name] = _write(item, member, f"{path}.{name}")
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


def _list(value: Any, shape: Shape, path: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(value, shape, path)
    return [
        _write(item, shape.member, f"{path}[{index}]")
        for index, item in enumerate(value)
    ]


def _map(value: Any, shape: Shape, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(value, shape, path)
    return {
        _string(name, shape.key, path): _write(item, shape.value, f"{path}[{name}]")
        for name, item in value.items()
        if item is not None
    }


def _string(value: Any, shape: Shape, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, shape, path)
    return value


def _integer(value: Any, shape: Shape, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(value, shape, path)
    return value


def _float(value: Any, shape: Shape, path: str) -> float | str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(value, shape, path)
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers; AWS's JSON protocols send these words instead.
        return _NOT_FINITE[str(value)]
    return value


def _boolean(value: Any, shape: Shape, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, shape, path)
    return value


def _timestamp(value: Any, shape: Shape, path: str) -> float | str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        if shape.serialization.get("timestampFormat") == "iso8601":
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return round(value.timestamp(), 3)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return round(float(value), 3)
    raise _wrong_type(value, shape, path)


def _blob(value: Any, shape: Shape, path: str) -> str:
    if not isinstance(value, bytes):
        raise _wrong_type(value, shape, path)
    return base64.b64encode(value).decode()


def _wrong_type(value: Any, shape: Shape, path: str) -> ResultError:
    return ResultError(
        f"{path}: {value!r} is not a {shape.type_name} (shape {shape.name})"
    )


_WRITERS: dict[str, Callable[[Any, Shape, str], Any]] = {
    "structure": write_structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}
