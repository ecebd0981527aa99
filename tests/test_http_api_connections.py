"""The public port of an HTTP API: what anybody may send there, and for how long."""

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_aws.http_apis import configuration, listeners
from local_aws.http_apis.gateway import Gateway
from local_aws.http_apis.listeners import Listeners
from local_aws.server.connection import PATIENCE_S, listen

REPLY = {"statusCode": 200, "body": "ok"}
CHUNKED = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"


class Functions:
    """All functions: they say ok, or what they have been called with."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.threads = ThreadPoolExecutor(1)

    def submit(self, function, event, caller, region):
        self.events.append(event)
        result = type("Result", (), {})()
        result.function_error = None
        result.payload = json.dumps(REPLY).encode()
        return self.threads.submit(lambda: result)


class Place:
    """Listeners without a stand-in."""

    def __init__(self, folder: Path) -> None:
        self.listeners = Listeners()
        self.functions = Functions()
        self.folder = folder

    def api(self) -> dict:
        """An API that is served; the second of its routes leads nowhere."""
        record = configuration.new_api("us-east-1", {"Name": "a"})
        integration = configuration.new_integration(
            record,
            {
                "IntegrationUri": "arn:aws:lambda:us-east-1:123456789012:function:a",
                "PayloadFormatVersion": "2.0",
            },
        )
        id_ = integration["IntegrationId"]
        record["_integrations"][id_] = integration
        target = {"Target": f"integrations/{id_}"}
        for route in ({"RouteKey": "ANY /a", **target}, {"RouteKey": "ANY /nowhere"}):
            made = configuration.new_route(record, route)
            record["_routes"][made["RouteId"]] = made
        stage = {"StageName": "$default", "AutoDeploy": True}
        record["_stages"]["$default"] = configuration.new_stage(record, stage)
        listener = listen()
        record["_port"] = listener.getsockname()[1]
        gateway = Gateway(record, self.functions, self.functions.threads, self.folder)
        self.listeners.start(record["ApiId"], gateway, listener)
        return record


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("api"))
    yield place
    place.listeners.close()
    place.functions.threads.shutdown()


@pytest.fixture(scope="module")
def api(place):
    return place.api()


def connect(api: dict) -> socket.socket:
    where = urlsplit(configuration.endpoint_of(api))
    return socket.create_connection((where.hostname, where.port), timeout=30)


def converse(api: dict, begin: bytes, piece: bytes = b"", times: int = 0) -> bytes:
    """Send `begin`, then `piece` again and again; all that is answered."""
    host = f"Host: 127.0.0.1:{api['_port']}\r\n".encode()
    with connect(api) as client:
        received = b""
        try:
            client.sendall(begin.replace(b"HOST\r\n", host))
            for _ in range(times):
                client.sendall(piece)
            while data := client.recv(65_536):
                received += data
        except (BrokenPipeError, ConnectionResetError):
            pass
        return received


CLOSE = b"Connection: close\r\n\r\n"
UPGRADE = b"Connection: upgrade, close\r\n\r\n"


def test_it_answers(api, place) -> None:
    received = converse(api, b"GET /a HTTP/1.1\r\nHOST\r\n" + CLOSE)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nok")
    assert "connection" not in place.functions.events[-1]["headers"]


def test_the_public_does_not_fill_the_log(api, caplog) -> None:
    for _ in range(3):
        received = converse(api, b"GET /nowhere HTTP/1.1\r\nHOST\r\n" + CLOSE)
        assert received.startswith(b"HTTP/1.1 500 ")
        converse(api, b"nonsense\r\n\r\n")
        converse(api, b"GET /a HTTP/1.1\r\nHOST\r\nUpgrade: h2c\r\n" + UPGRADE)
    [line] = [record.getMessage() for record in caplog.records]
    assert line == f"API {api['ApiId']}, route ANY /nowhere: has no integration"


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHOST\r\nBad Name: x\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHOST\r\nX: a\0b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHOST\r\nX: a\r\n folded: b\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nHOST\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nHOST\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (CHUNKED + b"HOST\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED + b"HOST\r\n\r\nzz\r\n", 400),
        (b"GET /a HTTP/1.1\r\n" + CLOSE, 403),
        (b"GET /a HTTP/1.0\r\n\r\n", 403),
        (b"GET /a HTTP/1.1\r\nHost: evil.example\r\nHOST\r\n" + CLOSE, 403),
        (b"GET http://evil.example/a HTTP/1.1\r\nHost: evil.example\r\n" + CLOSE, 403),
        (b"GET http://evil.example/b HTTP/1.1\r\nHOST\r\n" + CLOSE, 404),
        (b"OPTIONS * HTTP/1.1\r\nHOST\r\n" + CLOSE, 404),
        (b"GET /a/../../etc/passwd HTTP/1.1\r\nHOST\r\n" + CLOSE, 404),
        (b"GET \\a HTTP/1.1\r\nHOST\r\n" + CLOSE, 400),
        (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHOST\r\n" + CLOSE, None),
        (b"GET /a HTTP/1.1\r\nHOST\r\nUpgrade: websocket\r\n" + CLOSE, 200),
        (b"TRACE /a HTTP/1.1\r\nHOST\r\n" + CLOSE, 200),
    ],
)
def test_what_is_sent_is_answered_in_api_gateways_form(api, begin, status) -> None:
    received = converse(api, begin)
    if status is None:
        assert b" 200 " not in received
        return
    assert received.startswith(f"HTTP/1.1 {status} ".encode()), received
    assert b"<" not in received
    if status >= 400:
        assert received.rpartition(b"\r\n\r\n")[2].startswith(b'{"message":"')


def test_a_head_without_end_is_not_read(api) -> None:
    for begin, piece in (
        (b"GET / HTTP/1.1\r\nHOST\r\nX: ", b"a" * 65_000),
        (b"GET /", b"a" * 65_000),
        (CHUNKED + b"HOST\r\n\r\n1;a=", b"a" * 65_000),
    ):
        received = converse(api, begin, piece, 100 * 2**20 // len(piece))
        # A reset may have taken the response away from the client.
        assert not received or received.startswith(b"HTTP/1.1 431 ")


def test_a_body_without_end_is_not_read(api, place) -> None:
    before = len(place.functions.events)
    piece = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    received = converse(api, CHUNKED + b"HOST\r\n\r\n", piece, 3_000)
    assert not received or received.startswith(b"HTTP/1.1 413 ")
    assert len(place.functions.events) == before


def test_who_waits_for_a_go_ahead_does_not_send_too_much(api) -> None:
    begin = b"POST /a HTTP/1.1\r\nHOST\r\nExpect: 100-continue\r\n"
    received = converse(api, begin + b"Content-Length: 99999999\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received


def test_two_requests_at_once_are_two(api) -> None:
    first = b"POST /a HTTP/1.1\r\nHOST\r\nContent-Length: 2\r\n\r\nab"
    received = converse(api, first + b"GET /b HTTP/1.1\r\nHOST\r\n" + CLOSE)
    assert received.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 404 Not Found" in received


def test_a_slow_client_is_left(api, place) -> None:
    """As in a quarter of an hour, without waiting for it."""
    served = place.listeners._served[api["ApiId"]]
    host = f"127.0.0.1:{api['_port']}".encode()
    for begin, said in (
        (b"", b""),
        (b"GET /a HT", b"HTTP/1.1 408 "),
        (b"GET /a HTTP/1.1\r\nHost: " + host + b"\r\nX: ", b"HTTP/1.1 408 "),
        (CHUNKED + b"Host: " + host + b"\r\n\r\n1\r\n", b"HTTP/1.1 408 "),
    ):
        with connect(api) as client:
            client.sendall(begin)

            async def overdue(size: int = len(begin)) -> None:
                while not served.state.connections:
                    await asyncio.sleep(0.01)
                [connection] = served.state.connections
                while size and connection._gap == 0 and connection.scope is None:
                    await asyncio.sleep(0.01)
                connection.end_if_overdue(connection.loop.time() + PATIENCE_S + 1)

            wait_until_nobody_is_there(place, but=1)
            loop = place.listeners._loop
            asyncio.run_coroutine_threadsafe(overdue(), loop).result(30)
            received = b""
            while data := client.recv(65_536):
                received += data
            assert received.startswith(said)
            assert bool(received) == bool(said)


def wait_until_nobody_is_there(place, but: int = 0) -> None:
    """But for so many clients."""

    async def gone() -> None:
        while place.listeners.connections > but:
            await asyncio.sleep(0.01)

    asyncio.run_coroutine_threadsafe(gone(), place.listeners._loop).result(30)


def test_a_client_that_does_not_read_is_left(api, place, monkeypatch) -> None:
    """As in two minutes, without waiting for them."""
    monkeypatch.setitem(REPLY, "body", "a" * 20 * 2**20)
    wait_until_nobody_is_there(place)
    served = place.listeners._served[api["ApiId"]]
    with connect(api) as client:
        host = f"Host: 127.0.0.1:{api['_port']}\r\n\r\n".encode()
        client.sendall(b"GET /a HTTP/1.1\r\n" + host)

        async def overdue() -> None:
            while not any(c.flow.write_paused for c in served.state.connections):
                await asyncio.sleep(0.01)
            while served.state.connections:
                for connection in list(served.state.connections):
                    connection.end_if_overdue(connection.loop.time() + PATIENCE_S + 1)
                await asyncio.sleep(0.01)

        loop = place.listeners._loop
        asyncio.run_coroutine_threadsafe(overdue(), loop).result(30)


def is_ended(client: socket.socket, seconds: float) -> bool:
    """Whether the server ends a connection within this time."""
    client.settimeout(seconds)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_there_are_only_so_many_connections(api, place, monkeypatch) -> None:
    wait_until_nobody_is_there(place)
    monkeypatch.setattr(listeners, "MOST_CONNECTIONS", 20)
    clients = [connect(api) for _ in range(40)]
    try:
        test_it_answers(api, place)  # those who keep us waiting make room
        # One after the other, the first of them, and for that answer one more.
        assert all(is_ended(client, 30) for client in clients[:20])
        assert sum(is_ended(client, 0.01) for client in clients[20:]) <= 1
    finally:
        for client in clients:
            client.close()
    wait_until_nobody_is_there(place)
    test_it_answers(api, place)


def test_a_byte_now_and_then_buys_no_time(api, place, monkeypatch) -> None:
    wait_until_nobody_is_there(place)
    monkeypatch.setattr(listeners, "MOST_CONNECTIONS", 2)
    host = f"Host: 127.0.0.1:{api['_port']}\r\n\r\n".encode()
    with connect(api) as first, connect(api) as second:
        first.sendall(CHUNKED + host)
        second.sendall(CHUNKED + host)
        first.sendall(b"1\r\na\r\n")
        test_it_answers(api, place)
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""
        second.sendall(b"0\r\n\r\n")
        assert second.recv(100).startswith(b"HTTP/1.1 200 ")


def test_an_api_that_is_stopped_can_not_be_reached(place) -> None:
    record = place.api()
    with connect(record) as kept:
        converse(record, b"GET /a HTTP/1.1\r\nHOST\r\n" + CLOSE)
        place.listeners.stop(record["ApiId"])
        with suppress(ConnectionResetError):
            assert kept.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(record)
