"""The policy evaluator against one that is written by the rules and knows no tricks."""

import random
from collections import Counter

import pytest

from local_aws.access.policy_evaluation import Policy, simulate

ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "sagemaker:InvokeEndpoint")
RESOURCES = (
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/in/a.csv",
    "arn:aws:s3:::b/out/me/x",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e-1",
)
KEYS = {
    "aws:userid": ("AROA1:me", "AROA2:you"),
    "s3:prefix": ("in/", "out/me"),
    "aws:securetransport": ("true", "false"),
    "aws:epochtime": ("100", "200"),
    "aws:sourceip": ("127.0.0.1", "10.1.2.3"),
}


def wildcard(pattern: str, text: str) -> bool:
    """Whether `*` and `?` can be filled so that the pattern is the text."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(wildcard(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return (
        bool(text) and pattern[0] in ("?", text[0]) and wildcard(pattern[1:], text[1:])
    )


def oracle(statements: list[dict], action: str, resource: str, context: dict) -> str:
    """The decision by the rules: deny, else allow, else no."""
    effects = [s["Effect"] for s in statements if speaks(s, action, resource, context)]
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if "Allow" in effects else "implicitDeny"


def speaks(statement: dict, action: str, resource: str, context: dict) -> bool:
    given = {"Action": action.lower(), "Resource": resource}
    for element, value in given.items():
        positive = statement.get(element)
        patterns = positive or statement[f"Not{element}"]
        if element == "Action":
            patterns = [pattern.lower() for pattern in patterns]
        found = any(wildcard(filled(p, context), value) for p in patterns)
        if found != (positive is not None):
            return False
    return all(
        holds(operator, context.get(key.lower()), values, context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def filled(pattern: str, context: dict) -> str:
    """With ${s3:prefix} replaced; with a sign that is in no text if it can't be."""
    return pattern.replace("${s3:prefix}", context.get("s3:prefix", "\0"))


def holds(operator: str, value: str | None, expected: list[str], context: dict) -> bool:
    if operator == "Null":
        return (value is None) == (expected == ["true"])
    if value is None:
        return "Not" in operator or operator.endswith("IfExists")
    expected = [filled(text, context) for text in expected]
    match operator:
        case "StringEquals" | "StringEqualsIfExists":
            return value in expected
        case "StringNotEquals":
            return value not in expected
        case "StringLike":
            return any(wildcard(text, value) for text in expected)
        case "StringNotLike":
            return not any(wildcard(text, value) for text in expected)
        case "Bool":
            return value in expected
        case "NumericLessThan":
            return any(int(value) < int(text) for text in expected)
        case "IpAddress":  # one byte at least
            return any(value.startswith(text.split(".")[0]) for text in expected)
    raise AssertionError(operator)


def made_up(rng: random.Random) -> list[dict]:
    """Statements that have something to do with one another."""
    return [statement(rng) for _ in range(rng.randint(1, 4))]


def statement(rng: random.Random) -> dict:
    made = {"Effect": "Deny" if rng.random() < 0.25 else "Allow"}
    for element, values in (("Action", ACTIONS), ("Resource", RESOURCES)):
        name = f"Not{element}" if rng.random() < 0.2 else element
        made[name] = [worn(rng, rng.choice(values)) for _ in range(rng.randint(1, 2))]
    if "Resource" in made and rng.random() < 0.2:
        made["Resource"].append("arn:aws:s3:::b/${s3:prefix}/*")
    if rng.random() < 0.6:
        made["Condition"] = dict(condition(rng) for _ in range(rng.randint(1, 2)))
    return made


def condition(rng: random.Random) -> tuple[str, dict]:
    kinds = ["Bool", "NumericLessThan", "IpAddress", "Null", *STRINGS * 2]
    operator = rng.choice(kinds)
    match operator:
        case "Bool":
            return operator, {"aws:SecureTransport": [rng.choice(("true", "false"))]}
        case "NumericLessThan":
            return operator, {"aws:EpochTime": [rng.choice(("150", "50"))]}
        case "IpAddress":
            return operator, {
                "aws:SourceIp": [rng.choice(("127.0.0.0/8", "10.0.0.0/8"))]
            }
        case "Null":
            return operator, {rng.choice(list(KEYS)): [rng.choice(("true", "false"))]}
    key = rng.choice(("aws:userid", "s3:prefix"))
    values = [rng.choice(KEYS[key]) for _ in range(rng.randint(1, 2))]
    if "Like" in operator:
        values = [worn(rng, value) for value in values]
    return operator, {key: values}


STRINGS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"]
STRINGS += ["StringEqualsIfExists"]


def worn(rng: random.Random, text: str) -> str:
    """Some of it replaced by wildcards; now and then, all."""
    if rng.random() < 0.15:
        return "*"
    start = rng.randrange(len(text))
    end = rng.randrange(start, len(text) + 1)
    return (
        text[:start]
        + rng.choice(("*", "?" * (end - start), text[start:end]))
        + (text[end:])
    )


def test_a_thousand_policies_are_decided_by_the_rules() -> None:
    rng = random.Random(11)
    decisions: Counter[str] = Counter()
    for number in range(1000):
        statements = made_up(rng)
        for _ in range(4):
            action, resource = rng.choice(ACTIONS), rng.choice(RESOURCES)
            context = {k: rng.choice(v) for k, v in KEYS.items() if rng.random() < 0.7}
            policy = Policy("p", {"Version": "2012-10-17", "Statement": statements})
            lists = {key: [value] for key, value in context.items()}
            found = simulate([policy], action, resource, lists).decision
            expected = oracle(statements, action, resource, context)
            assert found == expected, (number, statements, action, resource, context)
            decisions[found] += 1
    assert min(decisions.values()) > 200, decisions
    assert len(decisions) == 3


@pytest.mark.parametrize("part", ["Condition", "Deny", "NotAction", "NotResource", "$"])
def test_each_part_of_a_policy_decides_something(part) -> None:
    """The comparison would notice an evaluator that overlooks one of them."""
    rng = random.Random(11)
    differing = 0
    for _ in range(1000):
        statements = made_up(rng)
        action, resource = rng.choice(ACTIONS), rng.choice(RESOURCES)
        context = {k: rng.choice(v) for k, v in KEYS.items() if rng.random() < 0.7}
        kept = [s for s in statements if not has(s, part)]
        if part == "Condition":
            kept = [{k: v for k, v in s.items() if k != part} for s in statements]
        lists = {key: [value] for key, value in context.items()}
        policy = Policy("p", {"Version": "2012-10-17", "Statement": kept})
        found = simulate([policy], action, resource, lists).decision
        differing += found != oracle(statements, action, resource, context)
    assert differing > 2


def has(statement: dict, part: str) -> bool:
    if part == "Deny":
        return statement["Effect"] == "Deny"
    return part in statement or (part == "$" and part in str(statement))


def test_an_unknown_key_is_named_where_it_could_decide(caplog) -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for effect, is_named in (("Allow", False), ("Deny", True)):
        key = f"x:beside-{effect.lower()}"
        other = allow | {"Effect": effect, "Condition": {"Null": {key: "true"}}}
        policy = Policy("p", {"Statement": [allow, other]})
        result = simulate([policy], "a:b", "*", {}, set().__contains__)
        assert result.decision == "allowed"
        assert (key in caplog.text) == is_named


def decision(condition: dict, context: dict, known: set, effect: str = "Allow") -> str:
    statement = {"Action": "*", "Resource": "*", "Effect": effect}
    policy = Policy("p", {"Statement": {**statement, "Condition": condition}})
    return simulate(
        [policy], "a:b", "*", {k: [v] for k, v in context.items()}, known.__contains__
    ).decision


@pytest.mark.parametrize(
    "operator", ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "Null"]
)
def test_a_condition_on_an_unknown_key_is_not_met(operator, caplog) -> None:
    condition = {operator: {f"x:{operator}": "true"}}
    key = f"x:{operator}".lower()
    assert decision(condition, {}, set()) == "implicitDeny"
    assert f"condition on {key}," in caplog.text
    assert decision(condition, {}, set(), "Deny") == "implicitDeny"
    known = decision(condition, {}, {key})
    assert known == ("implicitDeny" if operator == "StringEquals" else "allowed")


@pytest.mark.parametrize(
    ("condition", "value", "is_met"),
    [
        ({"DateLessThan": {"k": "2026-01-02"}}, "2026-01-01T23:59:59Z", True),
        ({"DateLessThan": {"k": "2026-01-01T00:00:00Z"}}, "2026-01-01", False),
        ({"DateGreaterThan": {"k": "1000"}}, "2026-01-01", True),
        ({"NumericEquals": {"k": 10}}, "10.0", True),
        ({"NumericNotEquals": {"k": "10"}}, "10", False),
        ({"NumericGreaterThanEquals": {"k": "x"}}, "10", False),
        ({"NotIpAddress": {"k": "127.0.0.0/8"}}, "127.0.0.1", False),
        ({"ArnLike": {"k": "arn:aws:iam::*:role/x"}}, "arn:aws:iam::1:role/x", True),
        ({"ArnLike": {"k": "arn:*:role/x"}}, "arn:aws:iam::1:role/x", False),
        ({"ArnNotEquals": {"k": "arn:aws:iam::1:*"}}, "arn:aws:iam::1:role/x", False),
        ({"Bool": {"k": True}}, "true", True),
        ({"BinaryEquals": {"k": "dHJ1ZQ=="}}, "true", False),
    ],
)
def test_what_a_condition_compares(condition, value, is_met) -> None:
    expected = "allowed" if is_met else "implicitDeny"
    assert decision(condition, {"k": value}, set()) == expected


@pytest.mark.parametrize(
    ("resource", "is_met"),
    [
        ("home/${aws:userid}/*", True),
        ("home/${aws:userid, 'me'}/*", True),
        ("home/${aws:username, 'a*b'}/x", True),
        ("home/${aws:username, 'other'}/x", False),
        ("home/${aws:username}/x", False),
        ("home/a${*}b/x", True),
        ("home/a${?}b/x", False),
    ],
)
def test_what_a_variable_stands_for(resource, is_met) -> None:
    """A value's own wildcards are none."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": resource}
    context = {"aws:userid": ["a*b"]}
    for version, met in (("2012-10-17", is_met), ("2008-10-17", False)):
        policy = Policy("p", {"Version": version, "Statement": statement})
        found = simulate([policy], "a:b", "home/a*b/x", context).decision
        assert found == ("allowed" if met else "implicitDeny")
    if "userid" in resource:
        policy = Policy("p", {"Version": "2012-10-17", "Statement": statement})
        found = simulate([policy], "a:b", "home/axb/x", context).decision
        assert found == "implicitDeny"
