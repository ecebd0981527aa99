"""A request's JSON body, read into the types of the operation's input shape.

What is refused here is refused as a SerializationException. The texts were recorded
from AWS services of the same protocol (X-Amz-Json-1.1) and framework. So were the
habits: members that the model does not know are ignored, null for a member means
absent, 1.5 for an integer is cut to 1, "true" and "no" pass for booleans, and a body
that is not JSON gets the bare code without a message. A null inside a list or a map is
read as None, for `constraints` to refuse.
"""

import base64
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from botocore.model import Shape

from local_aws.errors import AwsError, serialization_exception
from local_aws.messages import Request
from local_aws.protocol.model import location, wire_name

_WORDS = dict.fromkeys(("true", "yes", "y", "t", "1"), True)
_WORDS |= dict.fromkeys(("false", "no", "n", "f", "0"), False)

# Widest values of Java's types.
_INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}


def unpacked_body(request: Request) -> bytes:
    """The body, unpacked if it is packed (a large PutMetricData). Raises AwsError."""
    body = request.body.read()
    if request.head.header("content-encoding") != "gzip":
        return body
    limit = request.service.largest_body
    try:
        with gzip.open(io.BytesIO(body)) as file:
            unpacked = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise serialization_exception() from error
    if len(unpacked) > limit:
        raise AwsError("EntityTooLarge", "The unpacked request is too large.", 413)
    return unpacked


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
        if shape is not None and isinstance(value, (dict, list)):
            return read(value, shape)
        if isinstance(value, dict):
            return {}
    except (ValueError, RecursionError):
        # Not UTF-8, not JSON, a number of thousands of digits, or nested without end.
        pass
    raise serialization_exception()


def _refuse_constant(name: str) -> NoReturn:
    # Python's reader takes NaN and Infinity, which are not JSON.
    raise ValueError(name)


def read(value: Any, shape: Shape) -> Any:
    """A value as JSON has it in the shape's type. Raises AwsError."""
    kind = shape.type_name
    types, reader, _ = _TYPES[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _refused(value, kind)
    try:
        return reader(value, shape)
    except (ValueError, OverflowError, OSError):
        raise _refused(value, kind) from None


def _read_or_null(value: Any, shape: Shape) -> Any:
    return None if value is None else read(value, shape)


def _structure(value: dict[str, Any], shape: Shape) -> dict[str, Any]:
    given = {
        name: read(item, member)
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


def _list(value: list[Any], shape: Shape) -> list[Any]:
    return [_read_or_null(item, shape.member) for item in value]


def _map(value: dict[str, Any], shape: Shape) -> dict[str, Any]:
    return {
        read(name, shape.key): _read_or_null(item, shape.value)
        for name, item in value.items()
    }


def _string(value: str, shape: Shape) -> str:
    value.encode()  # not with half of a character, which nothing could store
    return value


def _integer(value: float, shape: Shape) -> int:
    limit = _INTEGER_LIMITS[shape.type_name]
    if not -limit <= value < limit:
        raise ValueError(value)
    return int(value)


def _float(value: float, shape: Shape) -> float:
    if not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _boolean(value: bool | str, shape: Shape) -> bool:
    if isinstance(value, bool):
        return value
    if value.lower() not in _WORDS:
        # The article is AWS's.
        raise serialization_exception("STRING_VALUE can not be converted to an Boolean")
    return _WORDS[value.lower()]


def _timestamp(value: float | str, shape: Shape) -> datetime:
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    if isinstance(value, str) and form == "unixTimestamp":
        raise ValueError(value)
    return read_time(value, form if isinstance(value, str) else "unixTimestamp")


def read_time(value: float | str, form: str) -> datetime:
    """A time in one of the model's forms, in UTC.

    Raises ValueError, or OverflowError or OSError for a year that datetime has not.
    """
    if form == "unixTimestamp":
        return datetime.fromtimestamp(float(value), UTC)
    read_text = parsedate_to_datetime if form == "rfc822" else datetime.fromisoformat
    time = read_text(value)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _blob(value: str, shape: Shape) -> bytes:
    return base64.b64decode(value, validate=True)


def _refused(value: Any, kind: str) -> AwsError:
    """The exception for a value that is not of the type `kind`."""
    types, _, text = _TYPES[kind]
    if isinstance(value, list):
        return serialization_exception("Start of list found where not expected")
    if isinstance(value, dict):
        text = "Start of structure or map found where not expected."
        return serialization_exception(text)
    if kind in ("structure", "list", "map"):
        return serialization_exception(text)
    if isinstance(value, str) and types == (str,):
        return serialization_exception()  # of the right type, but what does it say?
    name = "STRING" if isinstance(value, str) else "NUMBER"
    if isinstance(value, bool):
        name = str(value).upper()
    return serialization_exception(f"{name}_VALUE can not be converted to {text}")


_NUMBER = (int, float)

# By type: what JSON may have for it, how that is read, and what AWS says when it has
# something else.
_TYPES: dict[str, tuple[tuple[type, ...], Callable[[Any, Shape], Any], str]] = {
    "structure": ((dict,), _structure, "Expected null"),
    "list": ((list,), _list, "Expected list or null"),
    "map": ((dict,), _map, "Expected map or null"),
    "string": ((str,), _string, "a String"),
    "integer": (_NUMBER, _integer, "an Integer"),
    "long": (_NUMBER, _integer, "a Long"),
    "float": (_NUMBER, _float, "a Float"),
    "double": (_NUMBER, _float, "a Double"),
    "boolean": ((bool, str), _boolean, "a Boolean"),
    "timestamp": ((*_NUMBER, str), _timestamp, "milliseconds since epoch"),
    "blob": ((str,), _blob, "Blob"),
}
