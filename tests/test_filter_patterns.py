"""Filter patterns, by the examples of the guide and by what boto3 gets."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from local_aws.errors import AwsError
from local_aws.moto_services.filter_patterns import matcher

WORDS = ["ERROR WARN message", "ERROR message", "WARN message"]
ACCESS = [
    '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /a.gif HTTP/1.0" 200 1534',
    '127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /b.html HTTP/1.0" 500 5324',
    '127.0.0.1 - frank [10/Oct/2000:13:50:35 -0700] "GET /a.gif HTTP/1.0" 404 4355',
]
USERS = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6]],
        "nothing": None,
        "flag": True,
        "a-b_c": "x y",
        "latency": 55.5,
    }
)


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("", [0, 1, 2]),
        ("ERROR", [0, 1]),
        ("ERR", [0, 1]),
        ("error", []),
        ("ERROR WARN", [0]),
        ("?ERROR ?WARN", [0, 1, 2]),
        ("ERROR -WARN", [1]),
        ("-WARN", [1]),
        ('"ERROR m"', [1]),
        ('?"ERROR m" ?"WARN"', [0, 1, 2]),
        ('-"ERROR m"', [0, 2]),
        ("%^ERROR (?!W)%", None),
        ("%^ERROR%", [0, 1]),
        ("%R.*s{2}age$%", [0, 1, 2]),
        ("%^[EW]+R* m%", []),
        ("[w1=ERROR, w2]", [1]),
        ("[w1=ERROR || w1=WARN, w2]", [1, 2]),
        ("[w1!=ERROR && w1!=WARN, w2]", []),
        ("[w1=%E.+R%, ...]", [0, 1]),
        ("[..., last=mess*]", [0, 1, 2]),
        ("[a, b, c]", [0]),
        ("{ $.a = 1 }", []),
    ],
)
def test_words(pattern, numbers) -> None:
    if numbers is None:
        with pytest.raises(AwsError, match="Invalid filter pattern"):
            matcher(pattern)
        return
    fits = matcher(pattern)
    assert [n for n, message in enumerate(WORDS) if fits(message)] == numbers


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes > 2000]", [1, 2]),
        ("[ip, user, username, timestamp, request, status_code = 200, bytes]", [0]),
        ("[ip, user, username, timestamp, request = *html*, status_code, bytes]", [1]),
        ("[..., status_code = 4* || status_code = 5*, bytes]", [1, 2]),
        ("[..., status_code >= 400 && status_code != 404, bytes]", [1]),
        ("[ip, ..., request, status_code, bytes]", [0, 1, 2]),
        ("[..., request=*.html*, status_code=5*,]", [1]),
        ('[..., request = "GET /a.gif HTTP/1.0", s, b]', [0, 2]),
        ("[ip, user]", []),
    ],
)
def test_fields(pattern, numbers) -> None:
    fits = matcher(pattern)
    assert [n for n, message in enumerate(ACCESS) if fits(message)] == numbers


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        (
            '{ ($.user.id = 2 && $.users[0].email = "no") || $.actions[2] = "GET" }',
            False,
        ),
        (
            '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = no '
            "&& $.actions[2] = no }",
            True,
        ),
        (
            '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = no) '
            "&& $.actions[2] = no }",
            False,
        ),
        ("{ $.user.email = John* }", True),
        ("{ $.user.email = *Stiles }", False),
        ("{ $.user.email = *Stiles* }", True),
        ("{ $.user.email = *example.com }", True),
        ("{ $.user.email = %Sti.es% }", True),
        ("{ $.latency > 55 && $.latency <= 5.55e1 }", True),
        ("{ $.latency < 55 }", False),
        ("{ $.user.id != 2 }", True),
        ("{ $.users = 1 }", False),
        ("{ $.users != 1 }", False),
        ("{ $.nowhere = 1 }", False),
        ("{ $.nothing IS NULL }", True),
        ("{ $.nowhere IS NULL }", False),
        ("{ $.nowhere NOT EXISTS }", True),
        ("{ $.flag IS TRUE }", True),
        ("{ $.flag IS FALSE }", False),
        ('{ $.a-b_c = "x y" }', True),
        ('{ $["a-b_c"] = "x*" }', True),
        ("{ $.actions[9] = GET }", False),
        ("{$.actions[0]=GET}", True),
    ],
)
def test_json(pattern, expected) -> None:
    assert matcher(pattern)(USERS) == expected
    assert not matcher(pattern)("no JSON at all")


@pytest.mark.parametrize(
    "pattern",
    [
        "a.b",
        "a:b",
        "?",
        "- a",
        '"a',
        "%a",
        "%a(b)%",
        "%é%",
        "%[a%",
        "a ?b",
        "?a -b",
        "{ $.a = 1",
        "[a, b",
        "[]",
        "{}",
        "{ $.a }",
        "{ $.a == 1 }",
        "{ a = 1 }",
        "{ $.a < x }",
        "{ $.a IS NOTHING }",
        "{ $.a = 1 || }",
        "[..., a, ...]",
        "[a = 1 && b = 2]",
        "[a=!ERROR]",
        "{" + "(" * 1000 + "}",
        "*",
        "a & b",
    ],
)
def test_what_is_not_understood_is_refused(pattern) -> None:
    """Never answered with everything."""
    with pytest.raises(AwsError) as caught:
        matcher(pattern)
    assert caught.value.code == "InvalidParameterException"
    assert caught.value.status == 400


def test_a_regular_expression_can_not_hold_up_the_service() -> None:
    fits = matcher("%" + "a*" * 30 + "[bc]%")
    with pytest.raises(AwsError, match="takes so long"):
        fits("a" * 3000)


@pytest.fixture
def group(stand_in) -> str:
    logs = stand_in.client("logs")
    name = f"patterns-{time.monotonic_ns()}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": text} for text in [*WORDS, USERS]]
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    return name


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("?ERROR ?WARN", 3),
        ("-ERROR", 2),
        ("%^WARN%", 1),
        ("[a, b]", 2),
        ("{ $.user.id = 1 }", 1),
        ("", 4),
    ],
)
def test_log_events_are_filtered(stand_in, group, pattern, count) -> None:
    call = stand_in.client("logs").filter_log_events
    assert len(call(logGroupName=group, filterPattern=pattern)["events"]) == count


@pytest.mark.parametrize("pattern", ["a.b", "{ $.a", "?a b"])
def test_boto3_is_told_what_is_refused(stand_in, group, pattern) -> None:
    logs = stand_in.client("logs")
    with pytest.raises(ClientError) as caught:
        logs.filter_log_events(logGroupName=group, filterPattern=pattern)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
