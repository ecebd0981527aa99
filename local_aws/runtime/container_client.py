"""The way to a container: HTTP over its Unix socket, connections kept between calls.

A general HTTP client takes three times as long for a request as this, which is all that
an invocation needs; what comes back is read by httptools, the parser that the servers
here use too.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httptools

Answered = tuple[int, dict[str, str], bytes]


class NotReached(Exception):
    """Nobody listens: the request was not sent."""


class ConnectionLost(Exception):
    """The container went away before it had answered."""


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self._transport: asyncio.Transport | None = None
        self._start()

    def _start(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._answer: asyncio.Future[Answered] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail(f"{exc or 'connection closed'}")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            self._fail(f"no HTTP answer: {error}")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._headers.get("connection") == "close":
            self.close()
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            self._answer.set_result((status, self._headers, b"".join(self._body)))

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionLost(reason))

    async def request(self, head: bytes, body: bytes) -> Answered:
        self._start()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        return await self._answer

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()


class ContainerClient:
    """Calls one container, on one event loop."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)
        self._idle: list[_Connection] = []

    async def post(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answered:
        """(status, headers with names in lower case, content) of the answer.

        Raises NotReached and ConnectionLost.
        """
        lines = [f"POST {path} HTTP/1.1", "host: container"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", "", ""]
        connection = await self._connect()
        try:
            answer = await connection.request(
                "\r\n".join(lines).encode("latin-1"), body
            )
        except BaseException:
            connection.close()  # half an answer may still be on its way
            raise
        if connection.is_open:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(_Connection, self._socket)
        except OSError as error:
            raise NotReached(str(error)) from error
        return connection

    def close(self) -> None:
        """Close the connections that are not in use."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
