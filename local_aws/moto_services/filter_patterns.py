"""Filter patterns of CloudWatch Logs.

Source: Amazon CloudWatch Logs User Guide, "Filter and pattern syntax". What that does
not make clear is refused by name, so that no answer is a guess.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import regex

from local_aws.errors import AwsError

Test = Callable[[Any], bool]  # of a message, a field or a value

# A pattern that backtracks must not hold up all other requests to the service.
REGEX_TIMEOUT_S = 0.25
# Without groups and what begins with one (User Guide, "Supported regular expressions").
_REGEX = re.compile(
    r"%((?:[A-Za-z0-9:_#=@/;,\- ^$?\[\]{}|\\*+.<>\"'&!~`])+)%", re.ASCII
)
_TERM = re.compile(r'([?-]?)("(?:[^"\\]|\\.)*"|%[^%]+%|\w+)(?:\s+|$)')
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(
    r"\s*(?:(?P<operator>&&|\|\||!=|<=|>=|[=<>(),])"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<regex>%[^%]+%)"
    r"|(?P<ellipsis>\.\.\.)"
    r"|(?P<selector>\$(?:\.[\w-]+|\[\d+\]|\[\"[^\"]+\"\]|\['[^']+'\])+)"
    r"|(?P<word>[\w.*/:+-]+))"
)
_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\[[\"']([^\"']+)[\"']\]")
_MISSING = object()


@lru_cache(maxsize=64)
def matcher(pattern: str) -> Test:
    """Whether a message fits. Raises AwsError: InvalidParameterException."""
    text = pattern.strip()
    readers = {"{": _json_test, "[": _fields_test}
    try:
        return readers.get(text[:1], _terms_test)(text)
    except RecursionError:  # hundreds of parentheses
        raise _invalid() from None


def _invalid(text: str = "Invalid filter pattern") -> AwsError:
    return AwsError("InvalidParameterException", text)


def _not_built(what: str) -> AwsError:
    return _invalid(
        f"The local stand-in for AWS does not know {what} in filter patterns. Run this "
        "step in AWS mode, or search the messages in Python."
    )


# Terms: a b, ?a ?b, a -b, "a b", %a.b%


def _terms_test(text: str) -> Test:
    terms: dict[str, list[Test]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise _invalid()
        terms[match[1]].append(_term(match[2]))
        position = match.end()
    required, optional, excluded = terms.values()
    if optional and (required or excluded):
        raise _not_built("optional terms (?) beside other ones")

    def fits(message: str) -> bool:
        return (
            all(test(message) for test in required)
            and not any(test(message) for test in excluded)
            and (not optional or any(test(message) for test in optional))
        )

    return fits


def _term(text: str) -> Test:
    if text.startswith("%"):
        return _regex_test(text)
    part = _unquoted(text)
    return lambda message: part in message


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _regex_test(text: str) -> Test:
    match = _REGEX.fullmatch(text)
    if match is None:
        raise _invalid()
    try:
        compiled = regex.compile(match[1], regex.ASCII)
    except regex.error:
        raise _invalid() from None

    def found(message: Any) -> bool:
        try:
            where = compiled.search(str(message), timeout=REGEX_TIMEOUT_S)
        except TimeoutError:
            raise _not_built("a regular expression that takes so long") from None
        return where is not None

    return found


# Expressions, which fields and JSON have in common: a = 1 && (b != x* || c > 2)


class _Tokens:
    """What an expression consists of, read from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = list(self._split(text))
        self._next = 0

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _invalid()
            yield match.lastgroup, match[match.lastgroup]
            position = match.end()

    def peek(self) -> tuple[str, str]:
        """Kind and text of what comes next; ("", "") at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "")

    def take(self, *kinds: str) -> str:
        """The next token's text; raises AwsError if it is of none of the kinds."""
        kind, text = self.peek()
        if kind not in kinds:
            raise _invalid()
        self._next += 1
        return text

    def skip(self, text: str) -> bool:
        """Whether this operator came next; it has been taken then."""
        if self.peek() != ("operator", text):
            return False
        self._next += 1
        return True


def _any_of(tokens: _Tokens, condition: Callable[[_Tokens], Test]) -> Test:
    tests = [_all_of(tokens, condition)]
    while tokens.skip("||"):
        tests.append(_all_of(tokens, condition))
    return lambda found: any(test(found) for test in tests)


def _all_of(tokens: _Tokens, condition: Callable[[_Tokens], Test]) -> Test:
    tests = [_operand(tokens, condition)]
    while tokens.skip("&&"):
        tests.append(_operand(tokens, condition))
    return lambda found: all(test(found) for test in tests)


def _operand(tokens: _Tokens, condition: Callable[[_Tokens], Test]) -> Test:
    """A condition, or an expression in parentheses."""
    if not tokens.skip("("):
        return condition(tokens)
    test = _any_of(tokens, condition)
    if not tokens.skip(")"):
        raise _invalid()
    return test


def _comparison(tokens: _Tokens) -> Test:
    """The operator and the value: of a text (a field) or of a value in JSON."""
    operator = tokens.take("operator")
    if operator in ("<", "<=", ">", ">="):
        word = tokens.take("word")
        if not re.fullmatch(_NUMBER, word):
            raise _invalid()
        return _order(operator, float(word))
    if operator not in ("=", "!="):
        raise _invalid()
    kind, _ = tokens.peek()
    equal = _equality(kind, tokens.take("word", "string", "regex"))
    if operator == "=":
        return equal
    return lambda value: not equal(value)


def _order(operator: str, limit: float) -> Test:
    compare = {
        "<": lambda number: number < limit,
        "<=": lambda number: number <= limit,
        ">": lambda number: number > limit,
        ">=": lambda number: number >= limit,
    }[operator]

    def fits(value: Any) -> bool:
        number = _number(value)
        return number is not None and compare(number)

    return fits


def _number(value: Any) -> float | None:
    text = value if isinstance(value, str) else json.dumps(value)
    return float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else None


def _equality(kind: str, text: str) -> Test:
    if kind == "regex":
        return _regex_test(text)
    if kind == "word" and re.fullmatch(_NUMBER, text):
        number = float(text)
        return lambda value: _number(value) == number
    word = _unquoted(text)
    # An asterisk in the midst of a term is itself (User Guide).
    begin, end = word.startswith("*"), word.endswith("*") and len(word) > 1
    part = re.escape(word[begin : len(word) - end])
    like = re.compile(".*" * begin + part + ".*" * end, re.DOTALL)
    return lambda value: like.fullmatch(str(value)) is not None


# Fields: [a, b = 1, ..., c]


def _fields_test(text: str) -> Test:
    if not text.endswith("]"):
        raise _invalid("If a filter pattern starts with '[' it must end with ']'")
    tokens = _Tokens(text[1:-1])
    if tokens.peek() == ("", ""):
        raise _invalid()
    fields: list[Test | None] = []  # None: any number of them
    while True:
        if tokens.peek()[0] == "ellipsis":
            tokens.take("ellipsis")
            fields.append(None)
        else:
            fields.append(_field(tokens))
        if tokens.peek() == ("", ""):
            break
        if not tokens.skip(","):
            raise _invalid()
    if fields.count(None) > 1:
        raise _invalid()

    def fits(message: str) -> bool:
        values = [next(filter(None, found), "") for found in _FIELD.findall(message)]
        tests = fields
        if None in fields:
            place, surplus = fields.index(None), len(values) - len(fields) + 1
            if surplus < 0:
                return False
            del values[place : place + surplus]
            tests = fields[:place] + fields[place + 1 :]
        return len(values) == len(tests) and all(
            test(value) for test, value in zip(tests, values, strict=True)
        )

    return fits


def _field(tokens: _Tokens) -> Test:
    """A field's name, with or without conditions that name it again."""
    kind, name = tokens.peek()
    if name in ("", ","):  # the guide's own example ends in a comma
        return lambda value: True
    if kind != "word":
        raise _invalid()

    def condition(tokens: _Tokens) -> Test:
        if tokens.take("word") != name:
            raise _invalid()
        if tokens.peek()[1] in ("", ",", "&&", "||"):
            return lambda value: True
        return _comparison(tokens)

    return _any_of(tokens, condition)


# JSON: { $.a = 1 && $.b[0].c IS TRUE }


def _json_test(text: str) -> Test:
    if not text.endswith("}"):
        raise _invalid("If a filter pattern starts with '{' it must end with '}'")
    tokens = _Tokens(text[1:-1])
    test = _any_of(tokens, _json_condition)
    if tokens.peek() != ("", ""):
        raise _invalid()

    def fits(message: str) -> bool:
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and test(document)

    return fits


def _json_condition(tokens: _Tokens) -> Test:
    selector = tokens.take("selector")
    if tokens.peek()[0] == "word":
        words = tokens.take("word"), tokens.take("word")
        if words not in _STATES:
            raise _invalid()
        holds = _STATES[words]
        return lambda document: holds(_select(document, selector))
    compare = _comparison(tokens)

    def fits(document: dict) -> bool:
        value = _select(document, selector)
        # Conditions are of texts and numbers only (User Guide).
        is_scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        return is_scalar and compare(value)

    return fits


_STATES: dict[tuple[str, str], Test] = {
    ("IS", "NULL"): lambda value: value is None,
    ("IS", "TRUE"): lambda value: value is True,
    ("IS", "FALSE"): lambda value: value is False,
    ("NOT", "EXISTS"): lambda value: value is _MISSING,
}


def _select(document: Any, selector: str) -> Any:
    """What a selector points to; _MISSING if there is nothing."""
    value = document
    for name, index, quoted in _STEP.findall(selector):
        if index:
            if not isinstance(value, list) or int(index) >= len(value):
                return _MISSING
            value = value[int(index)]
        else:
            if not isinstance(value, dict) or (name or quoted) not in value:
                return _MISSING
            value = value[name or quoted]
    return value
