"""Would these IAM policies allow that action? One evaluator for calls and simulations.

moto has its own, which takes an Allow whose condition is not met for a denial and
overlooks NotResource and most conditions; other libraries for Python read policies and
decide nothing. Rules: IAM User Guide, "Policy evaluation logic", "IAM JSON policy
elements: Condition operators", "... Variables and tags".

Conditions on binary values count as not met.
"""

import ipaddress
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

log = logging.getLogger(__name__)

Decision = Literal["allowed", "explicitDeny", "implicitDeny"]
ConditionKeys = Mapping[str, Sequence[str]]  # condition key in lower case -> its values
# Whether it is known if a request has a condition key (in lower case).
IsKnown = Callable[[str], bool]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# The version of the policy language that has variables.
_WITH_VARIABLES = "2012-10-17"


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
    policies: Sequence[Policy],
    action: str,
    resource: str,
    context: ConditionKeys,
    is_known: IsKnown = lambda key: True,
) -> Result:
    """Evaluate identity policies: an explicit Deny wins, then an Allow, else no.

    Args:
        policies: all that count for the caller.
        action: for example "s3:GetObject".
        resource: an ARN, or "*".
        context: the values of the condition keys that the request has.
        is_known: a key that is neither in `context` nor known is one of which nobody
            here can say whether the request has it: a condition on it is not met,
            whatever it says. The log names the key if the decision could be another.
    """
    by_effect: dict[str, list[Policy]] = {"Allow": [], "Deny": []}
    unknown: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for policy in policies:
        has_variables = policy.document.get("Version") == _WITH_VARIABLES
        for statement in as_list(policy.document.get("Statement", [])):
            effect = statement["Effect"]
            request = _Request(
                action, resource, context, is_known, unknown[effect], has_variables
            )
            if request.is_covered_by(statement):
                by_effect[effect].append(policy)
    if by_effect["Deny"]:
        return Result("explicitDeny", by_effect["Deny"])
    is_allowed = bool(by_effect["Allow"])
    for key in sorted(unknown["Deny" if is_allowed else "Allow"]):
        _tell_of(key)
    return Result("allowed" if is_allowed else "implicitDeny", by_effect["Allow"])


@dataclass(frozen=True)
class _Request:
    """What is held against the statements of a policy."""

    action: str
    resource: str
    context: ConditionKeys
    is_known: IsKnown
    unknown: set[str]  # keys of which it is not known, as they are met
    has_variables: bool

    def is_covered_by(self, statement: Mapping[str, Any]) -> bool:
        """Whether it speaks of this action, on this resource, in this context."""
        return (
            self._is_among(statement, "Action", self.action, ignore_case=True)
            and self._is_among(statement, "Resource", self.resource)
            and all(
                self._meets(operator, key.lower(), as_list(expected))
                for operator, keys in statement.get("Condition", {}).items()
                for key, expected in keys.items()
            )
        )

    def _is_among(
        self,
        statement: Mapping[str, Any],
        element: str,
        value: str,
        ignore_case: bool = False,
    ) -> bool:
        """Whether the value is among the Action, or not among the NotAction."""
        negated = f"Not{element}" in statement
        patterns = as_list(statement.get(f"Not{element}" if negated else element, []))
        return self._any_match(patterns, value, ignore_case) != negated

    def _meets(self, operator: str, key: str, expected: list[Any]) -> bool:
        quantifier, _, name = operator.rpartition(":")
        if_exists = name.endswith("IfExists")
        name = name.removesuffix("IfExists")
        expected = [_text(value) for value in expected]
        values = self.context.get(key)
        if values is None and not self.is_known(key):
            self.unknown.add(key)
            return False
        if name == "Null":
            return (str(values is None).lower()) in [v.lower() for v in expected]
        negated = "Not" in name
        name = name.replace("Not", "")
        if values is None:
            if quantifier:
                return if_exists or quantifier == "ForAllValues"
            return if_exists or negated
        verdicts = [self._fits(name, value, expected) != negated for value in values]
        return any(verdicts) if quantifier == "ForAnyValue" else all(verdicts)

    def _fits(self, name: str, value: str, expected: list[str]) -> bool:
        if name == "StringLike":
            return self._any_match(expected, value)
        if name in ("ArnLike", "ArnEquals"):
            return any(self._arn_matches(pattern, value) for pattern in expected)
        compare = COMPARISONS.get(name)
        if compare is None:
            return False
        filled = [self._filled(text) for text in expected]
        try:
            return any(compare(value, text) for text in filled if text is not None)
        except ValueError:  # no number, no date, no address
            return False

    def _arn_matches(self, pattern: str, value: str) -> bool:
        """Whether each of the six parts of an ARN matches its part of the pattern."""
        parts, patterns = value.split(":", 5), pattern.split(":", 5)
        return len(parts) == len(patterns) and all(
            self._any_match([one], part)
            for one, part in zip(patterns, parts, strict=True)
        )

    def _any_match(
        self, patterns: Sequence[Any], value: str, ignore_case: bool = False
    ) -> bool:
        """Whether a pattern (`*` any text, `?` one character, variables) is `value`."""
        return any(
            found is not None and found.fullmatch(value) is not None
            for found in (self._expression(p, ignore_case) for p in patterns)
        )

    def _expression(self, pattern: str, ignore_case: bool) -> re.Pattern[str] | None:
        """None: it has a variable of which the request has no value."""
        if not self.has_variables or "${" not in pattern:
            return _compiled(pattern, ignore_case)
        texts = _VARIABLE.split(pattern)
        values = [self._value(name) for name in texts[1::2]]
        if None in values:
            return None
        texts[0::2] = [_expression(text) for text in texts[0::2]]
        texts[1::2] = [re.escape(value) for value in values]
        flags = re.IGNORECASE if ignore_case else 0
        return re.compile("".join(texts), re.DOTALL | flags)

    def _filled(self, text: str) -> str | None:
        """A text without wildcards, its variables replaced; None if that can't be."""
        if not self.has_variables or "${" not in text:
            return text
        values = {name: self._value(name) for name in _VARIABLE.findall(text)}
        if None in values.values():
            return None
        return _VARIABLE.sub(lambda found: values[found.group(1)], text)

    def _value(self, name: str) -> str | None:
        """What a variable stands for: "aws:userid", "aws:userid, 'nobody'", "*"."""
        if name in ("*", "?", "$"):
            return name
        key, _, default = name.partition(",")
        values = self.context.get(key.strip().lower())
        if values is not None and len(values) == 1:
            return values[0]
        default = default.strip()
        return default[1:-1] if values is None and len(default) > 1 else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time(text: str) -> datetime:
    """An ISO 8601 date, or seconds since 1970."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and len(text) != 4:
        return datetime.fromtimestamp(float(text), UTC)
    time = datetime.fromisoformat(f"{text}-01-01" if len(text) == 4 else text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _is_in_network(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


# Operators less their Not, by what makes a value fit what a policy expects.
COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, text: value == text,
    "StringEqualsIgnoreCase": lambda value, text: value.lower() == text.lower(),
    "Bool": lambda value, text: value.lower() == text.lower(),
    "NumericEquals": lambda value, text: float(value) == float(text),
    "NumericLessThan": lambda value, text: float(value) < float(text),
    "NumericLessThanEquals": lambda value, text: float(value) <= float(text),
    "NumericGreaterThan": lambda value, text: float(value) > float(text),
    "NumericGreaterThanEquals": lambda value, text: float(value) >= float(text),
    "DateEquals": lambda value, text: _time(value) == _time(text),
    "DateLessThan": lambda value, text: _time(value) < _time(text),
    "DateLessThanEquals": lambda value, text: _time(value) <= _time(text),
    "DateGreaterThan": lambda value, text: _time(value) > _time(text),
    "DateGreaterThanEquals": lambda value, text: _time(value) >= _time(text),
    "IpAddress": _is_in_network,
}


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(
        _expression(pattern), re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    )


@lru_cache(maxsize=256)  # once for each key
def _tell_of(key: str) -> None:
    log.warning(
        "A policy has a condition on %s, which this stand-in does not know: the "
        "condition counts as not met.",
        key,
    )


def as_list(value: Any) -> list[Any]:
    """What a policy may give as a list or, if it is one only, without."""
    return value if isinstance(value, list) else [value]
