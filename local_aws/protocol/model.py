"""botocore's service models, with what a server needs besides.

botocore's own classes describe operations and shapes. Added are the way from a request
to its operation, and Java's patterns.
"""

import functools
import re
from collections.abc import Iterable
from urllib.parse import unquote

import botocore.model
import regex
from botocore.model import OperationModel, OperationNotFoundError, Shape

_URI_LABEL = re.compile(r"\{([^}+]+)\+?\}")

# Java, which wrote these patterns, spells characters beyond the 16-bit plane as two
# halves; the regex package wants the character itself.
_SURROGATE_PAIR = regex.compile(r"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")


class ServiceModel(botocore.model.ServiceModel):
    """The operations of one service."""

    def operation(self, name: str) -> OperationModel | None:
        """The operation of that name, built here or not; None if there is none such."""
        try:
            return self.operation_model(name)
        except OperationNotFoundError:
            return None

    def find_operation(
        self, method: str, raw_path: str
    ) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation with this URI, and the values in it (REST)."""
        path = raw_path.rstrip("/")  # which clients have had and left out
        for pattern, operation in self._uris.get(method, ()):
            if match := pattern.fullmatch(path):
                labels = _URI_LABEL.findall(_uri(operation))
                values = zip(labels, match.groups(), strict=True)
                return operation, {label: unquote(value) for label, value in values}
        return None

    def error_members(self, code: str) -> Iterable[str]:
        """The members of an error's shape; none if the model does not have it."""
        shape = self.shape_for_error_code(code)
        return shape.members if shape else ()

    @functools.cached_property
    def _uris(self) -> dict[str, list[tuple[re.Pattern[str], OperationModel]]]:
        """Pattern and operation by method, the most specific pattern first."""
        patterns: dict[str, list[tuple[re.Pattern[str], OperationModel]]] = {}
        operations = map(self.operation_model, self.operation_names)
        for operation in sorted(operations, key=_order):
            text = "".join(
                ("(.+)" if part.endswith("+}") else "([^/]+)")
                if part.startswith("{")
                else re.escape(part)
                for part in re.split(r"(\{[^}]+\})", _uri(operation))
            )
            entry = (re.compile(text), operation)
            patterns.setdefault(operation.http["method"], []).append(entry)
        return patterns


def _uri(operation: OperationModel) -> str:
    return operation.http["requestUri"].partition("?")[0].rstrip("/")


def _order(operation: OperationModel) -> tuple[int, bool]:
    """What is smaller is tried earlier.

    A label is a placeholder, so the URI with fewer of them is more specific. Where two
    operations have one path, and one of them a query, the other is the usual one.
    """
    return _uri(operation).count("{"), "?" in operation.http["requestUri"]


def location(member: Shape) -> str:
    """Where a member of a structure travels: "" is the body.

    Else botocore's "uri", "querystring", "header", "headers" (all that begin with the
    name) or "statusCode".
    """
    return member.serialization.get("location", "")


def wire_name(name: str, member: Shape) -> str:
    """What the member of this name is called on its way."""
    return member.serialization.get("name", name)


@functools.cache
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """A pattern of the service model, to be matched against a whole string.

    Java's \\w, \\d and \\s know ASCII only. The regex package's ASCII flag would do the
    same to \\p{L}, so it is left out where such a class occurs; no pattern of the model
    has both (a test looks).

    Raises:
        regex.error: the pattern can't be read.
    """
    translated = _SURROGATE_PAIR.sub(_one_character, pattern)
    return regex.compile(translated, 0 if r"\p" in pattern else regex.ASCII)


def _one_character(pair: "regex.Match[str]") -> str:
    high, low = int(pair.group(1), 16), int(pair.group(2), 16)
    code_point = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    return f"\\U{code_point:08X}"
