"""A service model, as botocore ships it, in the form that this package reads.

Shapes are built as operations need them. They refer to one another, also in circles.
"""

import functools
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import regex

SCALARS = frozenset(
    {"string", "integer", "long", "float", "double", "boolean", "timestamp", "blob"}
)

_URI_LABEL = re.compile(r"\{([^}+]+)\+?\}")

# Java, which wrote these patterns, spells characters beyond the 16-bit plane as two
# halves; the regex package wants the character itself.
_SURROGATE_PAIR = regex.compile(r"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")


@dataclass(frozen=True)
class Binding:
    """Where a member of a structure travels, and under which name.

    `location` is botocore's: "" the body, else "uri", "querystring", "header",
    "headers" (all that begin with the name) or "statusCode".
    """

    location: str
    name: str


@dataclass(eq=False)
class Shape:
    """One type of the model: its kind, its constraints and what it is made of."""

    name: str
    type: str
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    is_union: bool = False
    members: dict[str, "Shape"] = field(default_factory=dict)
    bindings: dict[str, "Binding"] = field(default_factory=dict)  # of members
    timestamp_format: str | None = None
    payload: str | None = None  # the member that is the whole body (REST)
    element: "Shape | None" = None  # of a list
    key: "Shape | None" = None  # of a map
    value: "Shape | None" = None  # of a map

    @functools.cached_property
    def compiled_pattern(self) -> regex.Pattern[str]:
        """The pattern, ready to be matched against a whole string."""
        return compile_pattern(self.pattern or "")

    @functools.cached_property
    def is_constrained(self) -> bool:
        """Whether a value of this scalar type can break a rule.

        The sizes of blobs are for whom they are sent on to.
        """
        if self.type == "blob":
            return False
        bounds = (self.minimum, self.maximum, self.pattern)
        return bool(self.enum) or any(bound is not None for bound in bounds)

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Names of members by what they are called in a body."""
        return {
            binding.name: member
            for member, binding in self.bindings.items()
            if not binding.location
        }

    @functools.cached_property
    def allowed(self) -> frozenset[str]:
        """The values of an enumeration."""
        return frozenset(self.enum)


@dataclass(frozen=True)
class Operation:
    """One operation: the shapes of its input and its output (None: it has none)."""

    name: str
    input: Shape | None
    output: Shape | None
    status: int = 200  # of success


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """A pattern of the service model as a regular expression of the regex package.

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


class ServiceModel:
    """The operations of one service model.

    Args:
        model: a service model as botocore's loader returns it ("operations" and
            "shapes").
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self._operations = model["operations"]
        self._shapes = model["shapes"]
        self._built_shapes: dict[str, Shape] = {}
        self._built_operations: dict[str, Operation] = {}
        self._building = threading.Lock()

    @property
    def operation_names(self) -> list[str]:
        """All operations, built here or not."""
        return list(self._operations)

    def operation(self, name: str) -> Operation | None:
        """The operation of that name, or None if the service has none such."""
        built = self._built_operations.get(name)
        if built is not None:
            return built
        if name not in self._operations:
            return None
        description = self._operations[name]
        # Requests come on several threads; a shape must be whole before it is seen.
        with self._building:
            operation = Operation(
                name,
                self._referred(description.get("input")),
                self._referred(description.get("output")),
                description.get("http", {}).get("responseCode", 200),
            )
            self._built_operations[name] = operation
        return operation

    def find_operation(
        self, method: str, raw_path: str
    ) -> tuple[Operation, dict[str, str]] | None:
        """The operation with this URI, and the values in it (REST)."""
        path = raw_path.rstrip("/")  # which clients have had and left out
        for pattern, name in self._uris.get(method, ()):
            if match := pattern.fullmatch(path):
                labels = _URI_LABEL.findall(self._uri(name))
                values = zip(labels, match.groups(), strict=True)
                return self.operation(name), {k: unquote(v) for k, v in values}
        return None

    def error_members(self, code: str) -> Iterable[str]:
        """The members of an error's shape; none if the model does not have it."""
        return self._shapes.get(code, {}).get("members", {})

    @functools.cached_property
    def _uris(self) -> dict[str, list[tuple[re.Pattern[str], str]]]:
        """Pattern and operation by method, the most specific pattern first."""
        patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        # A label is a placeholder, so the URI with fewer of them is more specific.
        by_labels = sorted(
            self._operations, key=lambda name: self._uri(name).count("{")
        )
        for name in by_labels:
            text = "".join(
                ("(.+)" if part.endswith("+}") else "([^/]+)")
                if part.startswith("{")
                else re.escape(part)
                for part in re.split(r"(\{[^}]+\})", self._uri(name))
            )
            method = self._operations[name]["http"]["method"]
            patterns.setdefault(method, []).append((re.compile(text), name))
        return patterns

    def _uri(self, operation: str) -> str:
        uri = self._operations[operation]["http"]["requestUri"]
        return uri.partition("?")[0].rstrip("/")

    def _referred(self, reference: dict[str, Any] | None) -> Shape | None:
        return None if reference is None else self._shape(reference["shape"])

    def _shape(self, name: str) -> Shape:
        if name in self._built_shapes:
            return self._built_shapes[name]
        description = self._shapes[name]
        shape = Shape(
            name,
            description["type"],
            minimum=description.get("min"),
            maximum=description.get("max"),
            pattern=description.get("pattern"),
            enum=tuple(description.get("enum", ())),
            required=tuple(description.get("required", ())),
            is_union=description.get("union", False),
            timestamp_format=description.get("timestampFormat"),
            payload=description.get("payload"),
        )
        # Known by name before its members are built: some shapes contain themselves.
        self._built_shapes[name] = shape
        if shape.type == "structure":
            for member, reference in description["members"].items():
                shape.members[member] = self._shape(reference["shape"])
                shape.bindings[member] = Binding(
                    reference.get("location", ""),
                    reference.get("locationName", member),
                )
        elif shape.type == "list":
            shape.element = self._shape(description["member"]["shape"])
        elif shape.type == "map":
            shape.key = self._shape(description["key"]["shape"])
            shape.value = self._shape(description["value"]["shape"])
        elif shape.type not in SCALARS:
            raise NotImplementedError(f"shape {name} has type {shape.type}")
        return shape
