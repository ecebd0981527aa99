"""Requests and responses as the rooms of the stand-in hand them on."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from local_aws.access.credentials import RoleSession
    from local_aws.persistence.blobs import Reading
    from local_aws.server.body import Body
    from local_aws.services import Service, WireProtocol
    from local_aws.signature import Claim

# Of ASGI.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Disconnected(Exception):
    """The client left before there was a response."""


@dataclass(frozen=True)
class Head:
    """A request without its body: the path and query as they came over the wire.

    `headers` are pairs of lower-case name and value, in order, repeated if sent twice.
    """

    method: str
    raw_path: str
    query: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> str | None:
        """The first value of a header (lower-case name), None if it is not there."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def target(self) -> tuple[str, str]:
        """Prefix and operation of X-Amz-Target, empty if there is no such header."""
        prefix, _, operation = (self.header("x-amz-target") or "").rpartition(".")
        return prefix, operation

    @property
    def is_form(self) -> bool:
        """Whether the body is a form, as the query protocol sends it."""
        kind = self.header("content-type") or ""
        return kind.startswith("application/x-www-form-urlencoded")

    @property
    def agent(self) -> list[str]:
        """The words of the User-Agent."""
        return (self.header("user-agent") or "").split()

    @property
    def is_from_waiter(self) -> bool:
        """Whether a waiter of botocore asks: its feature is B, as in `m/B,E,Z`."""
        return any(
            "B" in word.removeprefix("m/").split(",")
            for word in self.agent
            if word.startswith("m/")
        )

    def form(self, body: bytes) -> dict[str, str]:
        """The parameters in the query protocol, from the body or else the URL."""
        text = body.decode("utf-8", "replace") if self.is_form else ""
        parameters = parse_qs(text or self.query, keep_blank_values=True)
        return {key: values[0] for key, values in parameters.items()}


@dataclass(frozen=True)
class Request:
    """A request whose signature has been checked.

    `disconnected` returns once the client has left. `caller` is the session of a role
    that has signed it, None for the owner of this installation.
    """

    head: Head
    claim: "Claim"
    service: "Service"
    protocol: "WireProtocol"
    body: "Body"  # read to its end
    disconnected: Callable[[], Awaitable[None]]
    caller: "RoleSession | None" = None

    @property
    def region(self) -> str:
        return self.claim.region


@dataclass(frozen=True)
class Response:
    """A status, headers and the parts of a body."""

    status: int
    headers: Sequence[tuple[str, str]]
    parts: Sequence["bytes | Reading"] = ()


class Responder(Protocol):
    """What stands behind a service of the table."""

    async def respond(self, request: Request) -> Response:
        """Respond to one request. Raises AwsError."""
