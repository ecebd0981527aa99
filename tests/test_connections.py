"""What a client may send before it has shown a key."""

import asyncio
import socket
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from local_aws.server.connection import LARGEST_HEAD, PATIENCE_S, Connection

HOST = b"Host: 127.0.0.1\r\n"
MOST_SENT = 32 * 2**20  # what sockets hold on loopback, generously
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n"


def converse(stand_in, begin: bytes, piece: bytes, times: int) -> tuple[int, bytes]:
    """Send `piece` again and again; returns how much was taken, and the response."""
    where = urlsplit(stand_in.endpoint)
    with socket.create_connection((where.hostname, where.port), timeout=30) as client:
        sent, received = 0, b""
        try:
            client.sendall(begin)
            for _ in range(times):
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        try:
            while data := client.recv(65536):
                received += data
        except OSError:  # reset, since there was more than it wanted
            pass
        return sent, received


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST, b"X-A: " + b"a" * 65_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\n" + HOST, b"a:b\r\n" * 13_000),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: ", b"a" * 65_000),
        (b"GET /", b"a" * 65_000),
        (CHUNKED + b"1;a=", b"a" * 65_000),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"X-Trailer: a\r\n" * 5_000),
    ],
)
def test_what_has_no_end_is_not_read(stand_in, begin, piece) -> None:
    """100 MB of it: one header, many, a URL, a chunk's extension, trailers."""
    sent, _ = converse(stand_in, begin, piece, 100 * 2**20 // len(piece))
    assert sent < MOST_SENT
    assert stand_in.client("s3").list_buckets()


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (b"", b"<Code>RequestHeaderSectionTooLarge</Code>"),
        (b"X-Amz-Target: SageMaker.ListModels\r\n", b'{"__type": "RequestHeader'),
    ],
)
def test_a_head_too_large_is_refused_in_awss_form(stand_in, header, form) -> None:
    begin = b"GET / HTTP/1.1\r\n" + HOST + header
    many = b"X-A: " + b"a" * LARGEST_HEAD + b"\r\nConnection: close\r\n\r\n"
    _, received = converse(stand_in, begin, many, 1)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert form in received


def test_what_is_no_http_is_refused_in_awss_form(stand_in) -> None:
    _, received = converse(stand_in, b"nonsense\r\n\r\n", b"", 0)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>BadRequest</Code>" in received


def test_a_head_just_within_the_limit(stand_in) -> None:
    padding = b"X-A: " + b"a" * (LARGEST_HEAD - 200) + b"\r\nConnection: close\r\n\r\n"
    _, received = converse(stand_in, b"GET / HTTP/1.1\r\n" + HOST, padding, 1)
    assert b"HeaderSectionTooLarge" not in received
    assert received.startswith(b"HTTP/1.1 403 ")


async def unread(scope, receive, send) -> None:
    """An application that waits for the body."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def after(begin: bytes, seconds: float) -> tuple[bool, bytes]:
    """Whether the server ends a connection that has sent this, and what it says."""
    config = uvicorn.Config(unread, http=Connection, log_config=None, lifespan="off")
    made: list[Connection] = []

    def make() -> Connection:
        made.append(Connection(config, ServerState(), {}))
        return made[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*where)
    writer.write(begin)
    # It is read when as much has been counted, or a response has come.
    complete = begin.endswith(b"\r\n\r\n") and b"chunked" not in begin
    received = b""
    if complete:
        received = await reader.readuntil(b"done")
    while not made or (begin and made[0].headers is None):
        await asyncio.sleep(0)
    made[0].end_if_overdue(loop.time() + seconds)
    ended = made[0].transport.is_closing()
    if ended:
        received += await reader.read()
    writer.close()
    server.close()
    return ended, received


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET / HTTP/1.1\r\nX-A: a", CHUNKED, CHUNKED + b"1\r\na\r\n5\r\nabc"],
)
def test_a_client_that_stops_sending_is_not_waited_for(begin) -> None:
    """Before and within headers, before and within a body."""
    assert asyncio.run(after(begin, PATIENCE_S / 2)) == (False, b"")
    ended, received = asyncio.run(after(begin, PATIENCE_S + 1))
    assert ended
    if begin and not begin.startswith(CHUNKED):
        assert b"<Code>RequestTimeout</Code>" in received


def test_a_client_that_does_not_read_its_refusal_is_told_once() -> None:
    """Until then the connection is closing; more would be kept for the client."""
    ends = []

    async def look() -> None:
        config = uvicorn.Config(unread, http=Connection, log_config=None)
        connection = Connection(config, ServerState(), {})
        connection.flow = SimpleNamespace(read_paused=False)
        connection.transport = SimpleNamespace(
            is_closing=lambda: True, abort=lambda: ends.append("aborted")
        )
        connection.on_message_begin()
        now = asyncio.get_running_loop().time()
        connection.end_if_overdue(now + PATIENCE_S / 2)
        assert ends == []
        connection.end_if_overdue(now + PATIENCE_S + 1)

    asyncio.run(look())
    assert ends == ["aborted"]


def test_a_client_that_owes_nothing_is_left_alone() -> None:
    """uvicorn ends connections that nobody uses itself."""
    request = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    ended, received = asyncio.run(after(request, 10 * PATIENCE_S))
    assert not ended
    assert received.endswith(b"done")
