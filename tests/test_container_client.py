"""The way to a container: every legal response of a server on a raw socket is read."""

import asyncio
import contextlib
import itertools
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_aws.runtime.container_client import (
    BlockingContainerClient,
    ConnectionLost,
    ContainerClient,
    NotReached,
)

OK = b"HTTP/1.1 200 OK\r\n"
PATIENCE_S = 60.0
CLOSE = object()  # the server closes the connection
RESET = object()  # it closes the connection with a request unread


class Server:
    """Plays its script: for each connection a list of responses, one per request."""

    def __init__(self, path, *connections):
        self.path = path
        self.requests = []
        self._connections = connections
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        for script in self._connections:
            connection, _ = self._listener.accept()
            with connection:
                self._connection = connection
                with contextlib.suppress(ConnectionError):  # the client has left
                    self._play(connection, script)

    def _play(self, connection, script):
        for response in script:
            if response is CLOSE:
                return
            if response is RESET:
                connection.recv(1, socket.MSG_PEEK)
                return
            self.requests.append(self._read(connection))
            for part in [response] if isinstance(response, bytes) else response:
                connection.sendall(part)
                time.sleep(0.001)
        # What comes after the script is read and not responded to.
        while connection.recv(65536):
            pass

    @staticmethod
    def _read(connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = b""
        while len(body) < length:
            body += connection.recv(length - len(body))
        return head, body

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        while self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RD)
            # A connection that a failed test has not made.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
                one.connect(str(self.path))
            self._thread.join(0.05)
        self._listener.close()


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder) / "socket"


class InThreads:
    """The client for threads."""

    def __init__(self, path):
        self.client = BlockingContainerClient(path)

    def post(self, body=b"1,2\n", timeout=PATIENCE_S, **headers):
        return self.client.request("POST", "/invocations", timeout, headers, body)

    def close(self):
        """Its connections end with the server."""


class OnLoop:
    """The client for an event loop."""

    def __init__(self, path):
        self.runner = asyncio.Runner()
        self.client = ContainerClient(path)

    def post(self, body=b"1,2\n", timeout=PATIENCE_S, **headers):
        async def call():
            async with asyncio.timeout(timeout):
                return await self.client.request("POST", "/invocations", headers, body)

        return self.runner.run(call())

    def close(self):
        self.runner.close()


@pytest.fixture(params=[InThreads, OnLoop], ids=["threads", "loop"])
def connect(request):
    made = []

    def connect(path):
        made.append(request.param(path))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.mark.parametrize(
    ("response", "status", "content"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok", 200, b"ok"),
        (OK + b"content-length:2\r\n\r\nok", 200, b"ok"),
        (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
            200,
            b"ok",
        ),
        (
            OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
            200,
            b"ok",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
            200,
            b"ok",
        ),
        (
            b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
            b"Link: </a>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
            200,
            b"ok",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b""),
        (b"HTTP/1.1 500\r\nContent-Length: 3\r\n\r\nbad", 500, b"bad"),
        (b"HTTP/1.1 503 Slow\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n", 503, b""),
        (OK + b"Keep-Alive: 5\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_response_of_known_length_keeps_the_connection(
    path, connect, response, status, content, piece
):
    pieces = [response[at : at + piece] for at in range(0, len(response), piece)]
    if piece == 1:
        pieces = [*pieces[:30], response[30:]]
    with Server(path, [pieces, pieces]) as server:
        client = connect(path)
        for _ in range(2):  # on one connection: the server accepts no other
            answered = client.post()
            assert (answered.status, answered.content) == (status, content)
        client.close()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("response", "content"),
    [
        (OK + b"\r\nuntil the end", b"until the end"),
        (OK + b"\r\n", b""),
        (OK + b"Connection: close\r\n\r\nuntil the end", b"until the end"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/csv\r\n\r\n1.5", b"1.5"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\nuntil", b"until"),
    ],
)
def test_the_end_of_the_connection_ends_a_response_without_a_length(
    path, connect, response, content
):
    with Server(path, [response, CLOSE], [response, CLOSE]):
        client = connect(path)
        for _ in range(2):
            answered = client.post()
            assert (answered.status, answered.content) == (200, content)


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Connection: close\r\n",
        OK + b"connection: Close\r\n",
        OK + b"Connection: foo, CLOSE\r\n",
        OK + b"Connection: foo\r\nConnection: close\r\n",
        b"HTTP/1.0 200 OK\r\n",
    ],
)
def test_a_server_that_says_it_closes_gets_no_second_request(path, connect, head):
    response = head + b"Content-Length: 2\r\n\r\nok"
    # The server does not close at once: a second request would be read in silence.
    with Server(path, [response], [response]):
        client = connect(path)
        assert [client.post().content for _ in range(2)] == [b"ok", b"ok"]


def test_http_1_0_may_keep_the_connection(path, connect):
    response = (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1"
    )
    with Server(path, [response, response]):
        client = connect(path)
        assert [client.post().content for _ in range(2)] == [b"1", b"1"]
        client.close()


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_connection_that_ends_between_two_requests_is_replaced(
    path, connect, pause, end
):
    response = OK + b"Content-Length: 2\r\n\r\nok"
    with Server(path, [response, end], [response]) as server:
        client = connect(path)
        client.post(b"first")
        time.sleep(pause)
        assert client.post(b"second").content == b"ok"
        client.close()
    assert [body for _, body in server.requests] == [b"first", b"second"]


def test_a_request_that_was_read_is_not_sent_twice(path, connect):
    response = OK + b"Content-Length: 2\r\n\r\nok"
    with Server(path, [response, b"", CLOSE]) as server:
        client = connect(path)
        client.post(b"first")
        with pytest.raises(ConnectionLost):
            client.post(b"second")
    assert [body for _, body in server.requests] == [b"first", b"second"]


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK + b"Content-Length: 10\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_half_a_response_or_none_is_a_lost_connection(path, connect, response):
    with Server(path, [response, CLOSE]), pytest.raises(ConnectionLost):
        connect(path).post()


def test_bytes_after_the_response_are_no_part_of_the_next(path, connect):
    response = OK + b"Content-Length: 2\r\nX: 1\r\n\r\nok"
    surplus = OK + b"Content-Length: 2\r\nX: 2\r\n\r\nNO"
    with Server(path, [response + surplus], [response]):
        client = connect(path)
        for _ in range(2):
            answered = client.post()
            assert (answered.content, answered.headers["x"]) == (b"ok", "1")


def test_nobody_listens(path, connect):
    with pytest.raises(NotReached):
        connect(path).post()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        with pytest.raises(NotReached):
            connect(path).post()


def test_a_response_that_does_not_come_in_time(path, connect):
    response = OK + b"Content-Length: 2\r\n\r\nok"
    with Server(path, [OK], [response]):
        client = connect(path)
        with pytest.raises(TimeoutError):
            client.post(timeout=0.2)
        assert client.post().content == b"ok"  # on another connection
        client.close()


def test_a_response_in_drops_does_not_extend_the_limit(path):
    ends = time.monotonic() + PATIENCE_S
    drops = iter(lambda: b"A: b\r\n" if time.monotonic() < ends else b"", b"")
    with Server(path, [itertools.chain([OK], drops)]):
        with pytest.raises(TimeoutError):
            BlockingContainerClient(path).request("GET", "/ping", 0.2)
        # Or the client has waited for the last drop.
        assert time.monotonic() < ends


def test_megabytes_in_both_directions(path, connect):
    body = bytes(range(256)) * 20_000
    response = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[::-1]
    with Server(path, [response, response]) as server:
        client = connect(path)
        for _ in range(2):
            assert client.post(body).content == body[::-1]
        client.close()
    assert all(sent == body for _, sent in server.requests)


def test_a_body_that_is_refused_unread(path, connect):
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

    def refuse():
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(refusal)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = threading.Thread(target=refuse)
        server.start()
        answered = connect(path).post(b"1" * 5_000_000)
        server.join()
    assert (answered.status, answered.content) == (413, b"big")


def test_what_the_server_sees(path, connect):
    with Server(path, [OK + b"Content-Length: 0\r\n\r\n"]) as server:
        client = connect(path)
        client.post(b"1,2\n", accept="text/csv")
        client.close()
    ((head, body),) = server.requests
    assert head.split(b"\r\n")[0] == b"POST /invocations HTTP/1.1"
    assert b"accept: text/csv\r\n" in head
    assert b"\r\nhost: " in head
    assert body == b"1,2\n"


def test_several_threads_share_a_client(path):
    response = OK + b"Content-Length: 2\r\n\r\nok"
    # One connection after the other: each request waits for the last one's end.
    with Server(path, [response, CLOSE], [response, CLOSE], [response, CLOSE]):
        client = BlockingContainerClient(path)
        with ThreadPoolExecutor(3) as pool:
            calls = [
                pool.submit(client.request, "GET", "/ping", PATIENCE_S)
                for _ in range(3)
            ]
            assert [call.result().content for call in calls] == [b"ok"] * 3
