"""Requests as the protocol package gets them, without a server."""

import io
from dataclasses import dataclass
from typing import Any

from local_aws import protocol, services
from local_aws.messages import Head, Request, Response


@dataclass
class Body:
    """A body that has been read."""

    content: bytes

    @property
    def file(self) -> io.BytesIO:
        return io.BytesIO(self.content)

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        return self.content


def request_of(service: str, head: Head, body: bytes = b"") -> Request:
    """A request to a service, in the protocol that its head says."""
    row = services.named(service)
    spoken = services.protocol_of(row, head)
    return Request(head, None, row, spoken, Body(body), None)


def respond(operation: str, body: bytes, handler: Any, context: Any) -> Response:
    """What SageMaker responds when this handler is the operation's (None: no one)."""
    headers = [("x-amz-target", f"SageMaker.{operation}")]
    head = Head("POST", "/", "", headers)
    handlers = {} if handler is None else {operation: handler}
    request = request_of("sagemaker", head, body)
    return protocol.handle(request, handlers, context).response


def unpacked(response: Response) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and the whole body."""
    return response.status, dict(response.headers), b"".join(response.parts)
