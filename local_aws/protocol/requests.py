"""A request's JSON body, read into the types of the operation's input shape.

What is refused here is refused as a SerializationException. The texts were recorded
from AWS services of the same protocol (X-Amz-Json-1.1) and framework. So were the
habits: members that the model does not know are ignored, null for a member means
absent, 1.5 for an integer is cut to 1, "true" and "no" pass for booleans, and a body
that is not JSON gets the bare code without a message. A null inside a list or a map is
read as None, for `constraints` to refuse.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from botocore.model import Shape

from local_aws.errors import AwsError, serialization_exception
from local_aws.protocol.model import location, wire_name

_LIST_NOT_EXPECTED = "Start of list found where not expected"
_MAP_NOT_EXPECTED = "Start of structure or map found where not expected."

_TRUE_WORDS = frozenset({"true", "yes", "y", "t", "1"})
_FALSE_WORDS = frozenset({"false", "no", "n", "f", "0"})

# Widest values of Java's types.
_INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}

_CONVERTED_TO = {
    "string": "converted to a String",
    "integer": "converted to an Integer",
    "long": "converted to a Long",
    "float": "converted to a Float",
    "double": "converted to a Double",
    "boolean": "converted to a Boolean",
    "timestamp": "converted to milliseconds since epoch",
    "blob": "converted to Blob",
}


def parse_body(body: bytes, shape: Shape | None) -> dict[str, Any]:
    """Read a body; `shape` is the operation's input (None: it takes nothing).

    Returns:
        The members that were given, by their names in the model. Timestamps are aware
        datetimes in UTC, whole numbers int, floats and doubles float.

    Raises:
        AwsError: SerializationException.
    """
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # Not UTF-8, not JSON, a number of thousands of digits, or nested without end.
        raise serialization_exception() from None
    if isinstance(value, list):
        raise serialization_exception(_LIST_NOT_EXPECTED)
    if not isinstance(value, dict):
        raise serialization_exception()
    if shape is None:
        return {}
    try:
        return _structure(value, shape)
    except RecursionError:
        raise serialization_exception() from None


def _refuse_constant(name: str) -> NoReturn:
    # Python's reader takes NaN and Infinity, which are not JSON.
    raise ValueError(name)


def _read(value: Any, shape: Shape) -> Any:
    return _READERS[shape.type_name](value, shape)


def _read_or_null(value: Any, shape: Shape) -> Any:
    return None if value is None else _read(value, shape)


def _structure(value: Any, shape: Shape) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _not_a_container(value, "Expected null")
    given = {
        name: _read(item, member)
        for name, member in shape.members.items()
        if not location(member)
        and (item := value.get(wire_name(name, member))) is not None
    }
    if shape.is_tagged_union and len(given) != 1:
        raise serialization_exception(
            f"Exactly one member of the union {shape.name} must be set, "
            f"found {len(given)}"
        )
    return given


def _list(value: Any, shape: Shape) -> list[Any]:
    if not isinstance(value, list):
        raise _not_a_container(value, "Expected list or null")
    return [_read_or_null(item, shape.member) for item in value]


def _map(value: Any, shape: Shape) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _not_a_container(value, "Expected map or null")
    return {
        _string(name, shape.key): _read_or_null(item, shape.value)
        for name, item in value.items()
    }


def _not_a_container(value: Any, otherwise: str) -> AwsError:
    if isinstance(value, list):
        return serialization_exception(_LIST_NOT_EXPECTED)
    if isinstance(value, dict):
        return serialization_exception(_MAP_NOT_EXPECTED)
    return serialization_exception(otherwise)


def _string(value: Any, shape: Shape) -> str:
    if not isinstance(value, str):
        raise _wrong_scalar(value, shape)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # Half of a character; nothing downstream could store it.
            raise serialization_exception() from None
    return value


def _integer(value: Any, shape: Shape) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_scalar(value, shape)
    limit = _INTEGER_LIMITS[shape.type_name]
    if not -limit <= value < limit:
        raise _wrong_scalar(value, shape)
    return int(value)


def _float(value: Any, shape: Shape) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_scalar(value, shape)
    try:
        number = float(value)
    except OverflowError:
        raise _wrong_scalar(value, shape) from None
    if not math.isfinite(number):
        raise _wrong_scalar(value, shape)
    return number


def _boolean(value: Any, shape: Shape) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word in _TRUE_WORDS:
            return True
        if word in _FALSE_WORDS:
            return False
        # The article is AWS's.
        raise serialization_exception("STRING_VALUE can not be converted to an Boolean")
    raise _wrong_scalar(value, shape)


def _timestamp(value: Any, shape: Shape) -> datetime:
    if shape.serialization.get("timestampFormat") == "iso8601" and isinstance(
        value, str
    ):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise _wrong_scalar(value, shape) from None
    seconds = _float(value, shape)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        # A year that datetime does not have.
        raise _wrong_scalar(value, shape) from None


def _blob(value: Any, shape: Shape) -> bytes:
    if not isinstance(value, str):
        raise _wrong_scalar(value, shape)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise serialization_exception() from None


def _wrong_scalar(value: Any, shape: Shape) -> AwsError:
    if isinstance(value, list):
        return serialization_exception(_LIST_NOT_EXPECTED)
    if isinstance(value, dict):
        return serialization_exception(_MAP_NOT_EXPECTED)
    if isinstance(value, bool):
        kind = "TRUE_VALUE" if value else "FALSE_VALUE"
    elif isinstance(value, str):
        kind = "STRING_VALUE"
    else:
        kind = "NUMBER_VALUE"
    return serialization_exception(
        f"{kind} can not be {_CONVERTED_TO[shape.type_name]}"
    )


_READERS: dict[str, Callable[[Any, Shape], Any]] = {
    "structure": _structure,
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
