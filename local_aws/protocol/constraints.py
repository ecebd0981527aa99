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

import math
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from botocore.model import Shape

from local_aws.errors import AwsError, serialization_exception, validation_exception
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
        AwsError: ValidationException with every violation that was found;
            SerializationException for a request that is nested too deep.
    """
    violations: list[str] = []
    try:
        _check_structure(params, shape, "", violations)
    except RecursionError:
        # Nested so deep that it could only just be read; refused as when it could not.
        raise serialization_exception() from None
    if not violations:
        return
    del violations[MOST_REPORTED:]
    raise validation_error(violations)


def validation_error(violations: list[str]) -> AwsError:
    """The ValidationException that reports these violations."""
    plural = "s" if len(violations) > 1 else ""
    return validation_exception(
        f"{len(violations)} validation error{plural} detected: {'; '.join(violations)}"
    )


def violation(value: Any, shape: Shape | None, path: str, constraint: str) -> str:
    """One violation; value None stands for a member that is missing."""
    shown = "null" if value is None else f"'{_shown(value, shape)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def lower_camel(name: str) -> str:
    """A member's name as AWS's messages spell it: 'RoleArn' becomes 'roleArn'."""
    return name[:1].lower() + name[1:]


def _check_structure(
    value: dict[str, Any], shape: Shape, path: str, violations: list[str]
) -> None:
    for name, member in shape.members.items():
        if len(violations) >= MOST_REPORTED:
            return
        item = value.get(name)
        if item is None:
            if name in shape.required_members:
                violations.append(
                    violation(None, None, path + lower_camel(name), _NOT_NULL)
                )
        else:
            _check_value(item, member, path + lower_camel(name), violations)


def _check_value(value: Any, shape: Shape, path: str, violations: list[str]) -> None:
    if value is None:
        violations.append(violation(None, None, path, _NOT_NULL))
    elif shape.type_name == "structure":
        _check_structure(value, shape, path + ".", violations)
    elif shape.type_name == "list":
        _check_list(value, shape, path, violations)
    elif shape.type_name == "map":
        _check_map(value, shape, path, violations)
    elif _is_constrained(shape):
        violations.extend(
            violation(value, shape, path, constraint)
            for constraint in _broken(value, shape)
        )


def _check_list(
    value: list[Any], shape: Shape, path: str, violations: list[str]
) -> None:
    violations.extend(
        violation(value, shape, path, constraint)
        for constraint in _broken_bounds(len(value), shape)
    )
    element = shape.member
    if _is_container(element):
        for number, item in enumerate(value, start=1):
            if len(violations) >= MOST_REPORTED:
                return
            _check_value(item, element, f"{path}.{number}.member", violations)
    elif _any_broken(value, element):
        rules = _all_rules(element, None in value)
        constraint = f"Member must satisfy constraint: {rules}"
        violations.append(violation(value, shape, path, constraint))


def _check_map(
    value: dict[str, Any], shape: Shape, path: str, violations: list[str]
) -> None:
    violations.extend(
        violation(value, shape, path, constraint)
        for constraint in _broken_bounds(len(value), shape)
    )
    if _any_broken(value, shape.key):
        constraint = f"Map keys must satisfy constraint: {_all_rules(shape.key)}"
        violations.append(violation(value, shape, path, constraint))
    if _is_container(shape.value):
        for name, item in value.items():
            if len(violations) >= MOST_REPORTED:
                return
            _check_value(item, shape.value, f"{path}.{name}.member", violations)
    elif _any_broken(value.values(), shape.value):
        rules = _all_rules(shape.value, None in value.values())
        constraint = f"Map value must satisfy constraint: {rules}"
        violations.append(violation(value, shape, path, constraint))


def _is_constrained(shape: Shape) -> bool:
    """Whether a value of this scalar type can break a rule.

    The sizes of blobs are for whom they are sent on to.
    """
    rules = {"min", "max", "pattern", "enum"}
    return shape.type_name != "blob" and not rules.isdisjoint(shape.metadata)


def _is_container(shape: Shape) -> bool:
    return shape.type_name in ("structure", "list", "map")


def _any_broken(values: Collection[Any], shape: Shape) -> bool:
    if None in values:
        return True
    if not _is_constrained(shape):
        return False
    return any(next(_broken(value, shape), None) is not None for value in values)


def _broken(value: Any, shape: Shape) -> Iterable[str]:
    """The rules that a scalar breaks, in the order in which AWS reports them."""
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield _enum_rule(shape)
        if "pattern" in shape.metadata and not _matches(
            value, shape.metadata["pattern"]
        ):
            yield _pattern_rule(shape)
        yield from _broken_bounds(_java_length(value), shape)
    elif shape.type_name != "boolean":
        yield from _broken_bounds(value, shape)


def _broken_bounds(number: float, shape: Shape) -> Iterable[str]:
    """`number` is the value, or the length of a string, a list or a map."""
    if number > shape.metadata.get("max", math.inf):
        yield _maximum_rule(shape)
    if number < shape.metadata.get("min", -math.inf):
        yield _minimum_rule(shape)


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
    rules = []
    if "max" in shape.metadata:
        rules.append(_maximum_rule(shape))
    if "min" in shape.metadata:
        rules.append(_minimum_rule(shape))
    if "pattern" in shape.metadata:
        rules.append(_pattern_rule(shape))
    if "enum" in shape.metadata:
        rules.append(_enum_rule(shape))
    if holds_null:
        rules.append(_NOT_NULL)
    return f"[{', '.join(rules)}]"


def _measure(shape: Shape) -> str:
    return "length" if shape.type_name in ("string", "list", "map") else "value"


def _maximum_rule(shape: Shape) -> str:
    maximum = shape.metadata["max"]
    return f"Member must have {_measure(shape)} less than or equal to {maximum}"


def _minimum_rule(shape: Shape) -> str:
    minimum = shape.metadata["min"]
    return f"Member must have {_measure(shape)} greater than or equal to {minimum}"


def _pattern_rule(shape: Shape) -> str:
    pattern = shape.metadata["pattern"]
    return f"Member must satisfy regular expression pattern: {pattern}"


def _enum_rule(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.metadata['enum'])}]"


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
