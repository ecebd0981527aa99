"""Would these IAM policies allow that action? What iam:SimulatePrincipalPolicy asks.

moto has no such operation, and its own evaluator takes an Allow whose condition is
not met for a denial and overlooks NotResource, both of which occur in
AmazonSageMakerFullAccess. Rules: IAM User Guide, "Policy evaluation logic" and "IAM
JSON policy elements: Condition operators".

Conditions are evaluated for the operators on strings, ARNs, Bool and Null; a
condition on numbers, dates or addresses counts as not met.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Decision = Literal["allowed", "explicitDeny", "implicitDeny"]
ConditionKeys = Mapping[str, Sequence[str]]  # condition key in lower case -> its values


@dataclass(frozen=True)
class Policy:
    """A policy document and the name under which a result refers to it."""

    source_id: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """The decision on an action and a resource, and the policies that made it."""

    decision: Decision
    matched: Sequence[Policy]


def simulate(
    policies: Sequence[Policy], action: str, resource: str, context: ConditionKeys
) -> Result:
    """Evaluate identity policies: an explicit Deny wins, then an Allow, else no."""
    by_effect: dict[str, list[Policy]] = {"Allow": [], "Deny": []}
    for policy in policies:
        for statement in as_list(policy.document.get("Statement", [])):
            if _applies(statement, action, resource, context):
                by_effect[statement["Effect"]].append(policy)
    if by_effect["Deny"]:
        return Result("explicitDeny", by_effect["Deny"])
    return Result(
        "allowed" if by_effect["Allow"] else "implicitDeny", by_effect["Allow"]
    )


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, context: ConditionKeys
) -> bool:
    """Whether a statement speaks of this action, on this resource, in this context."""
    return (
        _covers(statement, "Action", action, ignore_case=True)
        and _covers(statement, "Resource", resource)
        and all(
            _condition_met(operator, key.lower(), as_list(expected), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _covers(
    statement: Mapping[str, Any], element: str, value: str, ignore_case: bool = False
) -> bool:
    """Whether the value is among a statement's Action, or not among its NotAction."""
    negated = f"Not{element}" in statement
    patterns = statement.get(f"Not{element}" if negated else element, [])
    return _any_match(patterns, value, ignore_case) != negated


def _condition_met(
    operator: str, key: str, expected: list[Any], context: ConditionKeys
) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    expected = [str(value) for value in expected]
    values = context.get(key)
    if name == "Null":
        return (str(values is None).lower()) in [v.lower() for v in expected]
    negated = "Not" in name
    name = name.replace("Not", "")
    if values is None:
        return if_exists or negated or quantifier == "ForAllValues"
    verdicts = [_value_meets(name, value, expected) != negated for value in values]
    return any(verdicts) if quantifier == "ForAnyValue" else all(verdicts)


def _value_meets(name: str, value: str, expected: list[str]) -> bool:
    if name == "StringEquals":
        return value in expected
    if name in ("StringEqualsIgnoreCase", "Bool"):
        return value.lower() in [v.lower() for v in expected]
    if name in ("StringLike", "ArnLike", "ArnEquals"):
        return _any_match(expected, value)
    return False


def _any_match(patterns: Any, value: str, ignore_case: bool = False) -> bool:
    """Whether one of the patterns (`*` any text, `?` one character) is `value`."""
    return any(
        _expression(pattern, ignore_case).fullmatch(value)
        for pattern in as_list(patterns)
    )


@lru_cache(maxsize=4096)
def _expression(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def as_list(value: Any) -> list[Any]:
    """What a policy may give as a list or, if it is one only, without."""
    return value if isinstance(value, list) else [value]
