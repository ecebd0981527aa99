"""Requests made from botocore's service model: whole ones, and ones with one fault.

Used by test_protocol_validation.py and test_function_requests.py. It reads the model
through botocore's own classes, not through the code that it tests.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))

# The course's operations.
OPERATIONS = (
    "AddTags",
    "CreateEndpoint",
    "CreateEndpointConfig",
    "CreateHyperParameterTuningJob",
    "CreateModel",
    "CreateNotebookInstance",
    "CreateTrainingJob",
    "CreateTransformJob",
    "ListTags",
    "ListTrainingJobs",
)

# Strings of which one fits almost any pattern of the model.
_SAMPLES = (
    "a",
    "a1",
    "1",
    "s3://bucket/key",
    "/opt/ml/data",
    "arn:aws:iam::123456789012:role/service-role/SageMakerCourse",
    "arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/name",
    "arn:aws:sagemaker:us-east-1:123456789012:algorithm/name",
    "arn:aws:sagemaker:us-east-1:123456789012:hub-content/hub/Model/name/1.0.0",
    "arn:aws:sagemaker:us-east-1:123456789012:inference-component/name",
    "arn:aws:sagemaker:us-east-1:123456789012:training-plan/name",
    "arn:aws:sagemaker:us-east-1:123456789012:code-repository/name",
    "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/name",
    "arn:aws:sns:us-east-1:123456789012:topic",
    "arn:aws:lambda:us-east-1:123456789012:function:name",
    "arn:aws:lambda:us-east-1:123456789012:layer:name:1",
    "arn:aws:lambda:us-east-1:123456789012:capacity-provider:name",
    "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-12345678901234567",
    "arn:aws:lambda:us-east-1::runtime:12345678901234567",
    "lambda:InvokeFunction",
    "123456789012",
    "o-1234567890",
    "arn:aws:fsx:us-east-1:123456789012:file-system/fs-12345678901234567",
    "arn:aws:ec2:us-east-1:123456789012:capacity-reservation/cr-12345678901234567",
    "https://github.com/name/repository.git",
    "https://bucket.s3.amazonaws.com/key",
    "fs-12345678901234567",
    "sg-12345678",
    "ml-12345678901234567",
    "cr-12345678901234567",
    "us-east-1a",
    "us-east-1",
    "text/csv",
    "1.0.0",
    "4K",
    "notebook-al2-v3",
)

# Strings of which one breaks almost any pattern.
_MISFITS = ("!", "a b", "-", "\n", "é", " ", "a\nb", "_", "?")


def sample(shape: Shape, depth: int = 0) -> Any:
    """A valid value with every member that can be made; None if none can be."""
    return _SAMPLERS[shape.type_name](shape, depth)


def _sample_structure(shape: Shape, depth: int) -> dict[str, Any] | None:
    if depth > 8:
        return None
    made = {}
    for name, member in shape.members.items():
        value = sample(member, depth + 1)
        if value is not None:
            made[name] = value
            if getattr(shape, "is_tagged_union", False):
                break
    missing = [name for name in shape.required_members if name not in made]
    return None if missing else made


def _sample_list(shape: Shape, depth: int) -> list[Any] | None:
    value = sample(shape.member, depth + 1)
    if value is None:
        return None
    return [value] * max(1, shape.metadata.get("min", 0))


def _sample_map(shape: Shape, depth: int) -> dict[str, Any] | None:
    key, value = sample(shape.key, depth + 1), sample(shape.value, depth + 1)
    return None if key is None or value is None else {key: value}


def _sample_string(shape: Shape, depth: int) -> str | None:
    if shape.metadata.get("enum"):
        return shape.metadata["enum"][0]
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
    for text in _SAMPLES:
        long_enough = text + text[-1] * max(0, least - len(text))
        if len(long_enough) <= most and _fits(long_enough, shape):
            return long_enough
    return None


def _sample_number(shape: Shape, depth: int) -> float:
    return max(1, shape.metadata.get("min", 1))


_SAMPLERS = {
    "structure": _sample_structure,
    "list": _sample_list,
    "map": _sample_map,
    "string": _sample_string,
    "integer": _sample_number,
    "long": _sample_number,
    "float": lambda shape, depth: shape.metadata.get("min", 1),
    "double": lambda shape, depth: shape.metadata.get("min", 1),
    "boolean": lambda shape, depth: True,
    "timestamp": lambda shape, depth: 1_700_000_000.0,
    "blob": lambda shape, depth: None,
}


def _fits(text: str, shape: Shape) -> bool:
    pattern = shape.metadata.get("pattern")
    return pattern is None or regex.fullmatch(pattern, text) is not None


@dataclass(frozen=True)
class Faulty:
    """A request with one fault, and the error that AWS would answer."""

    fault: str
    request: dict[str, Any]
    code: str
    path: str  # in the message of a ValidationException
    text: str  # the constraint, or the whole message of a SerializationException


def wrongly_told(faulty: Faulty, code: str, message: str) -> str | None:
    """What is wrong with the answer to a faulty request; None if it is right."""
    if code != faulty.code:
        return f"{faulty.fault}: {code} {message[:200]}"
    if code == "SerializationException":
        is_right = message == faulty.text
    else:
        where = f" at '{faulty.path}' failed to satisfy constraint: "
        is_right = where in message and faulty.text in message
    return None if is_right else f"{faulty.fault}: {message[:300]}"


def faulty_requests(request: dict[str, Any], shape: Shape) -> Iterator[Faulty]:
    """Every request that differs from a valid one in one member that is wrong."""
    for keys, path, member, holder in _members(request, shape, (), ""):
        value = _at(request, keys)
        for fault, wrong, text in _wrong_types(member):
            yield Faulty(
                f"{fault} at {path}",
                _changed(request, keys, wrong),
                "SerializationException",
                path,
                text,
            )
        for fault, wrong, at, text in _broken_rules(value, member, path, holder):
            yield Faulty(
                f"{fault} at {path}",
                _changed(request, keys, wrong),
                "ValidationException",
                at,
                text,
            )
        if holder.type_name == "structure" and keys[-1] in holder.required_members:
            for fault, change in (("missing", _MISSING), ("null", None)):
                yield Faulty(
                    f"{fault} at {path}",
                    _changed(request, keys, change),
                    "ValidationException",
                    path,
                    "Member must not be null",
                )


_MISSING = object()


def _members(
    value: Any, shape: Shape, keys: tuple, path: str
) -> Iterator[tuple[tuple, str, Shape, Shape]]:
    """For each member: keys to reach it, AWS's path, its shape, its holder's shape."""
    if shape.type_name == "structure":
        for name, item in value.items():
            lower = name[0].lower() + name[1:]
            here = f"{path}.{lower}" if path else lower
            yield (*keys, name), here, shape.members[name], shape
            yield from _members(item, shape.members[name], (*keys, name), here)
    elif shape.type_name == "list":
        here = f"{path}.1.member"
        yield (*keys, 0), here, shape.member, shape
        yield from _members(value[0], shape.member, (*keys, 0), here)
    elif shape.type_name == "map":
        for name, item in value.items():
            here = f"{path}.{name}.member"
            yield (*keys, name), here, shape.value, shape
            yield from _members(item, shape.value, (*keys, name), here)


_NO_LIST = "Start of list found where not expected"
_NO_MAP = "Start of structure or map found where not expected."


def _wrong_types(shape: Shape) -> Iterator[tuple[str, Any, str]]:
    """(name of the fault, a value of another type, AWS's message)."""
    kind = shape.type_name
    if kind in ("structure", "list", "map"):
        expected = {
            "structure": "Expected null",
            "list": "Expected list or null",
            "map": "Expected map or null",
        }[kind]
        yield "text", "text", expected
        yield "number", 5, expected
        if kind == "list":
            yield "structure", {"a": "b"}, _NO_MAP
        else:
            yield "list", ["a"], _NO_LIST
        return
    yield "list", ["a"], _NO_LIST
    yield "structure", {"a": "b"}, _NO_MAP
    into = {
        "string": "a String",
        "integer": "an Integer",
        "long": "a Long",
        "float": "a Float",
        "double": "a Double",
        "boolean": "a Boolean",
    }.get(kind)
    converted = (
        f"converted to {into}" if into else ("converted to milliseconds since epoch")
    )
    if kind == "boolean":
        yield "text", "text", "STRING_VALUE can not be converted to an Boolean"
    else:
        yield "boolean", False, f"FALSE_VALUE can not be {converted}"
    if kind in ("string", "boolean"):
        yield "number", 5, f"NUMBER_VALUE can not be {converted}"
    elif kind != "boolean":
        yield "text", "text", f"STRING_VALUE can not be {converted}"


def _broken_rules(
    value: Any, shape: Shape, path: str, holder: Shape
) -> Iterator[tuple[str, Any, str, str]]:
    """(name of the fault, a wrong value, the path in the message, the constraint)."""
    faults = _FAULTS.get(shape.type_name)
    if faults is None:
        return
    scalar = shape.type_name not in ("structure", "list", "map")
    for fault, wrong, text in faults(value, shape):
        if scalar and holder.type_name in ("list", "map"):
            # AWS names the whole list or map, and the rule within brackets.
            yield fault, wrong, path.rsplit(".", 2)[0], text
        else:
            yield fault, wrong, path, text


def _string_faults(value: str, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    rules = shape.metadata
    if rules.get("enum"):
        yield (
            "not in the enumeration",
            "not-a-value",
            f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]",
        )
        return
    if "max" in rules:
        longer = value + (value[-1:] or "a") * (rules["max"] + 1 - len(value))
        yield (
            "too long",
            longer,
            f"Member must have length less than or equal to {rules['max']}",
        )
    if rules.get("min", 0) > 0:
        yield (
            "too short",
            value[: rules["min"] - 1],
            f"Member must have length greater than or equal to {rules['min']}",
        )
    if "pattern" in rules:
        for text in _MISFITS:
            longer = text + text[-1] * (rules.get("min", 0) - len(text))
            if not _fits(longer, shape):
                yield (
                    "pattern broken",
                    longer,
                    "Member must satisfy regular expression pattern: "
                    + rules["pattern"],
                )
                return


def _number_faults(value: float, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None:
        text = f"Member must have value greater than or equal to {least}"
        yield "too small", least - 1, text
    if most is not None and most < 2**31 - 1:
        text = f"Member must have value less than or equal to {most}"
        yield "too great", most + 1, text


def _list_faults(value: list, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if least > 0:
        text = f"Member must have length greater than or equal to {least}"
        yield "too few", value[: least - 1], text
    if most is not None and most <= 1000:
        text = f"Member must have length less than or equal to {most}"
        yield "too many", value[:1] * (most + 1), text


def _map_faults(value: dict, shape: Shape) -> Iterator[tuple[str, Any, str]]:
    [(key, item)] = value.items()
    most = shape.metadata.get("max")
    if most is not None:
        text = f"Member must have length less than or equal to {most}"
        yield "too many", {f"{key}{n}": item for n in range(most + 1)}, text
    for fault, wrong, text in _string_faults(key, shape.key):
        yield f"key {fault}", {wrong: item}, text


_FAULTS = {
    "string": _string_faults,
    "integer": _number_faults,
    "long": _number_faults,
    "float": _number_faults,
    "double": _number_faults,
    "list": _list_faults,
    "map": _map_faults,
}


def _at(request: Any, keys: tuple) -> Any:
    for key in keys:
        request = request[key]
    return request


def _changed(request: dict[str, Any], keys: tuple, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(request)
    holder = _at(changed, keys[:-1])
    if value is _MISSING:
        del holder[keys[-1]]
    else:
        holder[keys[-1]] = value
    return changed
