"""Which of S3's operations a request is, and on what: its URLs alone say it.

What could be taken for two operations is refused: moto might take it for the other.
Paths, queries and headers are botocore's S3 model's.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.handlers import VALID_BUCKET
from botocore.model import OperationModel

from local_aws.errors import AwsError
from local_aws.messages import Head
from local_aws.protocol.model import location, wire_name
from local_aws.services import S3

# A thousand keys of a kilobyte each, and what is around them.
LARGEST_LIST = 2**21


@dataclass(frozen=True)
class _Form:
    """By what an operation is told from others with its method and kind of path."""

    name: str
    query: Mapping[str, str | None]  # None: with whatever value
    headers: frozenset[str]

    @property
    def marks(self) -> set[str]:
        return {*self.query, *self.headers}

    def fits(self, query: Mapping[str, str], headers: set[str]) -> bool:
        return headers >= self.headers and all(
            name in query and value in (None, query[name])
            for name, value in self.query.items()
        )


def read(head: Head) -> tuple[str, dict[str, Any]]:
    """The operation's name and those of its parameters that the head has.

    Raises AwsError: InvalidRequest.
    """
    pairs = parse_qsl(head.query, keep_blank_values=True)
    query = dict(pairs)
    path = head.raw_path.removeprefix("/")
    bucket, _, key = path.partition("/")
    if len(pairs) != len(query) or (path and not VALID_BUCKET.fullmatch(bucket)):
        raise _unclear()
    kind = bool(bucket) + bool(key)
    given = {name for name, _ in head.headers}
    forms = _forms().get((head.method, kind), ())
    fitting = [form for form in forms if form.fits(query, given)]
    if not fitting:
        raise _unclear()
    best = max(fitting, key=lambda form: len(form.marks))
    if any(not form.marks <= best.marks for form in fitting):
        raise _unclear()
    params: dict[str, Any] = {"Bucket": bucket, "Key": unquote(key)}
    shape = S3.model.operation_model(best.name).input_shape
    for member, its in shape.members.items() if shape else ():
        where, name = location(its), wire_name(member, its)
        value = head.header(name.lower()) if where == "header" else None
        if where == "querystring":
            value = query.get(name)
        if value is not None:
            params[member] = value
    # Clients encode them; moto would take what follows for no part of the key.
    if set(params.get("CopySource", "")) & set("#;"):
        raise _unclear()
    return best.name, params


def _unclear() -> AwsError:
    text = "Which operation this is, is not clear; the session of a role may not do it."
    return AwsError("InvalidRequest", text)


def keys_to_delete(body: bytes) -> list[str]:
    """The keys that DeleteObjects names. Raises AwsError: MalformedXML."""
    malformed = "The XML you provided was not well-formed or did not validate against "
    try:
        text = body.decode()
        if len(body) > LARGEST_LIST or "<!" in text:  # and so no entities
            raise ValueError
        root = ET.fromstring(text)  # noqa: S314 - has no entities
        objects = [e for e in root.iter() if _name(e) == "Object"]
        found = [[e.text or "" for e in o if _name(e) == "Key"] for o in objects]
        return [key for (key,) in found]
    except (ET.ParseError, ValueError):
        raise AwsError("MalformedXML", f"{malformed}our published schema") from None


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


@cache
def _forms() -> dict[tuple[str, int], list[_Form]]:
    """The operations by method and kind of path: 0 the service, 1 bucket, 2 object."""
    forms: dict[tuple[str, int], list[_Form]] = {}
    for name in S3.model.operation_names:
        operation = S3.model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        place = operation.http["method"], path.count("{")
        literal = {
            key: value or None
            for key, value in parse_qsl(query, keep_blank_values=True)
        }
        needed = _required(operation)
        form = _Form(
            name,
            {**dict.fromkeys(needed["querystring"]), **literal},
            frozenset(header.lower() for header in needed["header"]),
        )
        forms.setdefault(place, []).append(form)
    return forms


def _required(operation: OperationModel) -> dict[str, list[str]]:
    """The names in the query and the headers that an operation can't be without."""
    needed: dict[str, list[str]] = {"querystring": [], "header": []}
    shape = operation.input_shape
    for member in shape.required_members if shape else ():
        where = location(shape.members[member])
        if where in needed:
            needed[where].append(wire_name(member, shape.members[member]))
    return needed
