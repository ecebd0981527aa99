"""A client's connection: how much may come before a request can be looked at.

uvicorn reads headers, and what stands between the chunks of a body, without end. Nobody
has been asked for a key by then.
"""

import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from local_aws import errors, services
from local_aws.errors import AwsError
from local_aws.installation import HOST
from local_aws.messages import Head, Response

# Of request line and headers. S3 takes 8 KB of headers (Amazon S3 API Reference, PUT
# Object); a URL may hold a key of 1,024 bytes, each written as three, more than once.
LARGEST_HEAD = 32 * 1024
# Bytes in a row that are no body. One reading from the socket may bring 256 KB.
LARGEST_GAP = 64 * 1024
# For the headers of one request, and between two pieces of a body.
PATIENCE_S = 75


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 is any that is free. Raises OSError."""
    # With the protocol named, asyncio switches Nagle's algorithm off on what is
    # accepted; without, a response of two packets takes 44 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port whose old connections are still fading (TIME_WAIT) counts as free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # At once: with SO_REUSEADDR, a port that is bound but not yet listened at can
        # be given to somebody else too.
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def head_too_large() -> AwsError:
    """S3's words; those of the other services for this are not known."""
    return AwsError(
        "RequestHeaderSectionTooLarge",
        "Your request header and query parameters used to make the request exceed the "
        "maximum allowed size.",
    )


class Connection(HttpToolsProtocol):
    """uvicorn's, with limits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._gap = 0
        # Since when the client has owed us something; None: it owes nothing.
        self._waiting_since: float | None = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Read on, up to the limit."""
        self._gap += len(data)
        super().data_received(data)
        if self._gap > LARGEST_GAP and not self.transport.is_closing():
            self._refuse(head_too_large())

    def end_if_overdue(self, now: float) -> None:
        """End the connection if the client has not sent what it owes."""
        since = self._waiting_since
        if since is None or now - since < PATIENCE_S or self.flow.read_paused:
            return
        if self.transport.is_closing():  # it has not read yet what it was told
            self.transport.abort()
            return
        if self.headers is None:  # a client that has not asked for anything
            self.transport.close()
            return
        self._refuse(
            AwsError(
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to "
                "within the timeout period. Idle connections will be closed.",
            )
        )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._waiting_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress()
        self._waiting_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        text = "An error occurred when parsing the HTTP request."
        self._refuse(AwsError("BadRequest", text))

    def refusal(self, error: AwsError) -> Response:
        """How an error is written, by what is known of the request."""
        names = (
            (k.decode("latin-1"), v.decode("latin-1")) for k, v in self.headers or ()
        )
        head = Head("", "/", "", list(names))
        service = services.of_target(head) or services.S3
        protocol = services.protocol_of(service, head)
        return errors.render(error, protocol, service)

    def _progress(self) -> None:
        self._gap = 0
        self._waiting_since = self.loop.time()

    def _refuse(self, error: AwsError) -> None:
        """Send an error by what is known of the request, and end the connection."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            response = self.refusal(error)
            lines = [f"{name}: {value}\r\n" for name, value in response.headers]
            lines.append("connection: close\r\n\r\n")
            start = STATUS_LINE[response.status] + "".join(lines).encode()
            self.transport.write(start + b"".join(response.parts))
        self.transport.close()
