"""The way to a container: HTTP/1.1 over its Unix socket, connections kept open.

Responses are read with httptools, the parser that the servers here use too. aiohttp
would take three times as long for a call (line 9 of `make bench`: InvokeEndpoint).
"""

import asyncio
import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httptools

READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class Response:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


class NotReached(Exception):
    """Nobody listens: the request was not sent."""


class ConnectionLost(Exception):
    """The connection ended, or made no sense, before the response was complete."""


class _NotRead(ConnectionLost):
    """The connection was reset and nothing had come: the request was not read."""


class _Reader:
    """Makes one response of the bytes that a connection brings."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._has_begun = False
        self._ends_with_connection = False
        self._response: Response | None = None
        self.connection_is_reusable = False

    def feed(self, data: bytes) -> Response | None:
        """Take what came; the response once it is complete. Raises ConnectionLost."""
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ConnectionLost(f"not an HTTP response: {error}") from error
        return self._response

    def end(self, error: Exception | None = None) -> Response:
        """The connection has ended; the response if that was its end.

        Raises ConnectionLost.
        """
        if error is None and self._ends_with_connection and self._response is None:
            self.on_message_complete()
        if self._response is not None:
            return self._response
        if self._has_begun or not isinstance(error, ConnectionError):
            raise ConnectionLost(f"{error or 'connection closed'}") from error
        raise _NotRead(f"{error}") from error

    # What httptools calls:

    def on_message_begin(self) -> None:
        # Also after an interim response, and for bytes that nobody has asked for.
        self.connection_is_reusable = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        encoding = self._headers.get("transfer-encoding", "").lower()
        self._ends_with_connection = (
            "content-length" not in self._headers
            and not encoding.strip().endswith("chunked")
        )

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._response is None:
            self._response = Response(status, self._headers, b"".join(self._body))
            self.connection_is_reusable = self._parser.should_keep_alive()


def _head(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: container"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1")


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = _Reader()
        self._response: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._response is None or self._response.done():
            self.close()  # nobody has asked for this
            return
        try:
            response = self._reader.feed(data)
        except ConnectionLost as error:
            self._response.set_exception(error)
        else:
            if response is not None:
                self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._response is not None and not self._response.done():
            try:
                self._response.set_result(self._reader.end(exc))
            except ConnectionLost as error:
                self._response.set_exception(error)

    async def request(self, head: bytes, body: bytes) -> Response:
        self._reader = _Reader()
        self._response = asyncio.get_running_loop().create_future()
        if len(body) < READ_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return await self._response

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow the last response."""
        return (
            self._reader.connection_is_reusable
            and self.is_open
            and self._transport.get_write_buffer_size() == 0
        )

    def close(self) -> None:
        self._transport.close()


class ContainerClient:
    """Calls one container, on one event loop.

    Its idle connections need no closing: they end with the container.
    """

    def __init__(self, path: Path) -> None:
        """`path` is the socket that the container listens at."""
        self._path = str(path)
        self._idle: list[_Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """The response; raises NotReached and ConnectionLost."""
        head = _head(method, path, headers or {}, body)
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                try:
                    return await self._exchange(connection, head, body)
                except _NotRead:
                    continue  # the container had closed it meanwhile
        return await self._exchange(await self._connect(), head, body)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(_Connection, self._path)
        except OSError as error:
            raise NotReached(f"{error}") from error
        return connection

    async def _exchange(
        self, connection: _Connection, head: bytes, body: bytes
    ) -> Response:
        try:
            response = await connection.request(head, body)
        except BaseException:
            connection.close()  # a part of the response may still be on its way
            raise
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return response


class BlockingContainerClient:
    """Calls one container; safe to use from several threads at once."""

    def __init__(self, path: Path) -> None:
        """`path` is the socket that the container listens at."""
        self._client = ContainerClient(path)

    def request(
        self,
        method: str,
        path: str,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """The response; raises NotReached, ConnectionLost, TimeoutError.

        `timeout` is in seconds, for all of it.
        """

        async def call() -> Response:
            async with asyncio.timeout(timeout):
                return await self._client.request(method, path, headers, body)

        return asyncio.run_coroutine_threadsafe(call(), _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop on which the calls of all threads are made."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="calls").start()
    return loop
