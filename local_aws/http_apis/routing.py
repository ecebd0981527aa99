"""Route keys, and the route that a request takes.

Source: API Gateway Developer Guide, "Create routes for HTTP APIs".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_SEGMENT = re.compile(r"\{(?P<name>[\w.-]+)(?P<greedy>\+?)\}|[^\s{}/?#]+", re.ASCII)


@dataclass(frozen=True)
class Segment:
    """A part of a route's path between two slashes.

    `rank` orders them: a text before a variable before a greedy variable.
    """

    text: str
    rank: int  # 0: a text; 1: a variable; 2: a greedy one


@dataclass(frozen=True)
class RouteKey:
    """A route key that has been read."""

    text: str
    method: str = ""
    segments: tuple[Segment, ...] = ()

    @property
    def is_default(self) -> bool:
        return self.text == "$default"

    @property
    def path(self) -> str:
        """The route's path as it is written; "" for $default."""
        return self.text.partition(" ")[2]

    @cached_property
    def shape(self) -> tuple:
        """The same for two keys that differ in names of variables only."""
        named = tuple((s.rank, "" if s.rank else s.text) for s in self.segments)
        return self.is_default, self.method, named

    @cached_property
    def order(self) -> tuple:
        """What is smaller is more specific, and so is tried earlier."""
        ranks = tuple(segment.rank for segment in self.segments)
        return self.is_default, ranks, self.method == "ANY"

    def values(self, method: str, path: str) -> dict[str, str] | None:
        """The values of the path's variables if a request takes this route.

        `path` is as it came over the wire; a slash that is encoded divides nothing.
        """
        if self.is_default:
            return {}
        if self.method not in ("ANY", method):
            return None
        parts = _parts(path)
        found = {}
        for number, segment in enumerate(self.segments):
            if segment.rank == 2:
                rest = "/".join(parts[number:])
                return found | {segment.text: rest} if rest else None
            if number >= len(parts) or (segment.rank == 1 and not parts[number]):
                return None
            if segment.rank == 1:
                found[segment.text] = parts[number]
            elif segment.text != parts[number]:
                return None
        return found if len(parts) == len(self.segments) else None


def _parts(path: str) -> list[str]:
    """The decoded segments of a path; none for "/"."""
    if path == "/":
        return []
    return [unquote(part, errors="replace") for part in path[1:].split("/")]


def parse(text: str) -> RouteKey | None:
    """Read a route key; None if it is none."""
    if text == "$default":
        return RouteKey(text)
    method, _, path = text.partition(" ")
    if method not in METHODS or not path.startswith("/"):
        return None
    segments = []
    for part in path[1:].split("/") if path != "/" else ():
        match = _SEGMENT.fullmatch(part)
        if match is None or (segments and segments[-1].rank == 2):
            return None
        rank = 0 if match["name"] is None else 2 if match["greedy"] else 1
        segments.append(Segment(match["name"] or part, rank))
    names = [segment.text for segment in segments if segment.rank]
    if len(set(names)) < len(names):
        return None
    return RouteKey(text, method, tuple(segments))


def find(
    keys: Iterable[RouteKey], method: str, path: str
) -> tuple[RouteKey, dict[str, str]] | None:
    """The route of a request among `keys`, the most specific first, with its values."""
    for key in keys:
        values = key.values(method, path)
        if values is not None:
            return key, values
    return None
