"""The service model's constraints, checked over a whole request.

Wording and form are those of messages that SageMaker sent and users published:

    1 validation error detected: Value 'bad_name' at 'trainingJobName' failed to satisfy
    constraint: Member must satisfy regular expression pattern: ...

Members are named in lower camel case from the top, list members counted from 1
('inputDataConfig.1.member.inputMode'). A list or a map of scalars is named as a whole
and all rules of its elements are listed in brackets, whichever was broken. When a
string breaks both its pattern and its length, the pattern comes first (recorded 2023; a
message of 2019 has them the other way round). Members are checked in the model's order;
AWS's own order is not known. AWS lists the values of an enumeration in no order; here
it is the model's.
"""

import itertools
import math
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from botocore.model import Shape

from local_aws.errors import serialization_exception, validation_exception
from local_aws.protocol.model import compile_pattern

# AWS reports no more than this many; it also bounds what a hostile request costs.
MOST_REPORTED = 10

# Seconds. A pattern that has not matched by then counts as not matched: a request must
# not be able to hold the server with a pattern that backtracks.
PATTERN_TIMEOUT = 0.25

LONGEST_REMEMBERED = 256

_NOT_NULL = "Member must not be null"


def check(params: dict[str, Any], shape: Shape) -> None:
    """Check what `requests.parse_body` returned.

    Raises:
        AwsError: ValidationException with the violations that were found;
            SerializationException for a request that is nested too deep.
    """
    try:
        found = list(itertools.islice(_violations(params, shape, ""), MOST_REPORTED))
    except RecursionError:
        # Nested so deep that it could only just be read; refused as when it could not.
        raise serialization_exception() from None
    if found:
        plural = "s" if len(found) > 1 else ""
        raise validation_exception(
            f"{len(found)} validation error{plural} detected: {'; '.join(found)}"
        )


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """What is wrong with a value; None is one that is missing."""
    kind = shape.type_name
    if value is None:
        yield _violation(value, shape, path, _NOT_NULL)
    elif kind == "structure":
        prefix = f"{path}." if path else ""
        for name, member in shape.members.items():
            item = value.get(name)
            if item is not None or name in shape.required_members:
                yield from _violations(item, member, prefix + lower_camel(name))
    elif kind in ("list", "map"):
        yield from _violations_in_container(value, shape, path)
    elif _is_constrained(shape):
        for rule in _broken(value, shape):
            yield _violation(value, shape, path, rule)


def _violations_in_container(
    value: list[Any] | dict[str, Any], shape: Shape, path: str
) -> Iterator[str]:
    for rule in _broken_bounds(len(value), shape):
        yield _violation(value, shape, path, rule)
    if isinstance(value, dict):
        element, name, items = shape.value, "Map value", dict(value)
        if _any_broken(value, shape.key):
            rule = f"Map keys must satisfy constraint: {_all_rules(shape.key)}"
            yield _violation(value, shape, path, rule)
    else:
        element, name, items = shape.member, "Member", dict(enumerate(value, start=1))
    if element.type_name in ("structure", "list", "map"):
        for label, item in items.items():
            yield from _violations(item, element, f"{path}.{label}.member")
    elif _any_broken(items.values(), element):
        rules = _all_rules(element, None in items.values())
        rule = f"{name} must satisfy constraint: {rules}"
        yield _violation(value, shape, path, rule)


def _violation(value: Any, shape: Shape, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{_shown(value, shape)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


def lower_camel(name: str) -> str:
    """A member's name as AWS's messages spell it: 'RoleArn' becomes 'roleArn'."""
    return name[:1].lower() + name[1:]


def _is_constrained(shape: Shape) -> bool:
    """Whether a value of this scalar type can break a rule.

    The sizes of blobs are for whom they are sent on to.
    """
    rules = {"min", "max", "pattern", "enum"}
    return shape.type_name != "blob" and not rules.isdisjoint(shape.metadata)


def _any_broken(values: Collection[Any], shape: Shape) -> bool:
    if None in values:
        return True
    if not _is_constrained(shape):
        return False
    return any(next(_broken(value, shape), None) is not None for value in values)


def _broken(value: Any, shape: Shape) -> Iterator[str]:
    """The rules that a scalar breaks, in the order in which AWS reports them."""
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield _rule("enum", shape)
        pattern = shape.metadata.get("pattern")
        if pattern is not None and not _matches(value, pattern):
            yield _rule("pattern", shape)
        yield from _broken_bounds(_java_length(value), shape)
    elif shape.type_name != "boolean":
        yield from _broken_bounds(value, shape)


def _broken_bounds(number: float, shape: Shape) -> Iterator[str]:
    """`number` is the value, or the length of a string, a list or a map."""
    if number > shape.metadata.get("max", math.inf):
        yield _rule("max", shape)
    if number < shape.metadata.get("min", -math.inf):
        yield _rule("min", shape)


def _matches(value: str, pattern: str) -> bool:
    if len(value) <= LONGEST_REMEMBERED:
        return _matches_again(value, pattern)
    return _matches_now(value, pattern)


def _matches_now(value: str, pattern: str) -> bool:
    try:
        match = compile_pattern(pattern).fullmatch(value, timeout=PATTERN_TIMEOUT)
    except TimeoutError:
        return False
    return match is not None


# Names and ARNs come again and again, in every call of an endpoint for example, and
# a match takes as long as all the rest of such a check.
_matches_again = lru_cache(maxsize=1024)(_matches_now)


def _java_length(text: str) -> int:
    """Java counts characters outside the 16-bit plane as two."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def _all_rules(shape: Shape, holds_null: bool = False) -> str:
    """Every rule of a shape in brackets: 'Map value must satisfy constraint: [...]'

    AWS's newer messages end with the rule on nulls, SageMaker's that were seen do not;
    here it stands where a null is what is wrong.
    """
    names = ("max", "min", "pattern", "enum")
    rules = [_rule(name, shape) for name in names if name in shape.metadata]
    return f"[{', '.join(rules + [_NOT_NULL] * holds_null)}]"


def _rule(name: str, shape: Shape) -> str:
    """AWS's words for a constraint, by its name in the model."""
    limit = shape.metadata[name]
    if name == "pattern":
        return f"Member must satisfy regular expression pattern: {limit}"
    if name == "enum":
        return f"Member must satisfy enum value set: [{', '.join(limit)}]"
    is_sized = shape.type_name in ("string", "list", "map")
    measure = "length" if is_sized else "value"
    comparison = "less" if name == "max" else "greater"
    return f"Member must have {measure} {comparison} than or equal to {limit}"


def _shown(value: Any, shape: Shape) -> str:
    """A value as Java prints it: [a, b], {key=value}, 1, 0.5, true.

    AWS shows a structure as its class and a hash; its members are more use here.
    """
    if value is None:
        return "null"
    if shape.type_name == "structure":
        members = ", ".join(
            f"{lower_camel(name)}={_shown(item, shape.members[name])}"
            for name, item in value.items()
        )
        return f"{shape.name}({members})"
    if shape.type_name == "list":
        return f"[{', '.join(_shown(item, shape.member) for item in value)}]"
    if shape.type_name == "map":
        pairs = (f"{name}={_shown(item, shape.value)}" for name, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
