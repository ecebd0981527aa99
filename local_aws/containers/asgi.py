"""What every container's server is made of: three routes, a body limit, a socket.

A plain ASGI application, since one prediction takes less than any framework's routing.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_CONTENT_LENGTH = 6 * 1024**2

# Larger bodies are worked on beside the event loop, so that /ping has its response
# within two seconds.
_LARGE_BODY = 64 * 1024

# What Flask, which AWS's images serve with, says of a body above its limit.
_TOO_LARGE = """<!doctype html>
<html lang=en>
<title>413 Request Entity Too Large</title>
<h1>Request Entity Too Large</h1>
<p>The data value transmitted exceeds the capacity limit.</p>
"""

# And of a fault of the server's own.
_INTERNAL_ERROR = """<!doctype html>
<html lang=en>
<title>500 Internal Server Error</title>
<h1>Internal Server Error</h1>
<p>The server encountered an internal error and was unable to complete your request. \
Either the server is overloaded or there is an error in the application.</p>
"""


@dataclass(frozen=True)
class Response:
    """An HTTP response; text/html is what the images' errors are sent as.

    headers: besides Content-Type and Content-Length.
    """

    status: int
    body: str | bytes = ""
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


INTERNAL_ERROR = Response(500, _INTERNAL_ERROR)

Invoke = Callable[[bytes, str | None, str | None], Response]


class Application:
    """The ASGI application of a model server.

    invoke: the response to POST /invocations, of the body and the headers Content-Type
    and Accept (None without); called in another thread for a large body.
    max_content_length: bytes above which a body gets 413.
    """

    def __init__(
        self,
        invoke: Invoke,
        max_content_length: int = MAX_CONTENT_LENGTH,
    ) -> None:
        self._invoke = invoke
        self._max_content_length = max_content_length
        # As many as can work at once: more would only hold more tables in memory.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1)
        self._routes = {
            "/ping": ("GET", self._respond_to_ping),
            "/execution-parameters": ("GET", self.execution_parameters),
            "/invocations": ("POST", self._invocations),
        }

    async def __call__(
        self, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Respond to one HTTP request."""
        method, handler = self._routes.get(scope["path"], (None, None))
        if handler is None:
            response = Response(404, "Not Found")
        elif scope["method"] != method and (scope["method"], method) != ("HEAD", "GET"):
            response = Response(405, "Method Not Allowed")
        else:
            response = await handler(scope, receive)
        body = response.body
        content = body if isinstance(body, bytes) else body.encode()
        headers = []
        if response.status != 204:
            headers = [
                (b"content-type", response.content_type.encode("latin-1")),
                (b"content-length", str(len(content)).encode()),
                *(
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in response.headers.items()
                ),
            ]
        start = {"status": response.status, "headers": headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": content})

    async def _respond_to_ping(
        self, scope: dict[str, Any], receive: Receive
    ) -> Response:
        return Response(200)

    async def execution_parameters(
        self, scope: dict[str, Any], receive: Receive
    ) -> Response:
        """The response to GET /execution-parameters."""
        parameters = {
            "MaxConcurrentTransforms": os.cpu_count() or 1,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": self._max_content_length // 1024**2,
        }
        return Response(200, json.dumps(parameters), "application/json")

    async def _invocations(self, scope: dict[str, Any], receive: Receive) -> Response:
        body = await _read_body(receive, self._max_content_length)
        if body is None:
            return Response(413, _TOO_LARGE)
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        return await self.respond(body, headers)

    async def respond(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """The response to POST /invocations; headers' names are in small letters."""
        request = (body, headers.get("content-type"), headers.get("accept"))
        if len(body) < _LARGE_BODY:
            return self._invoke(*request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._invoke, *request)


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The body, or None when it is longer than `limit` bytes.

    A body that is too long is read to its end all the same and thrown away: a client
    that is still sending would see a broken connection and not the response.
    """
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        length += len(chunk)
        if length <= limit:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if length <= limit else None


def serve(application: Application, environment: Mapping[str, str]) -> None:
    """Serve until SIGTERM.

    Listens on the Unix socket SAGEMAKER_BIND_TO_UNIX_SOCKET (readable by this user
    only) if that is set, else on 127.0.0.1:SAGEMAKER_BIND_TO_PORT (8080).
    """
    # uvicorn ends its work at SIGTERM and then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listening_socket(environment) as listener:
        server(application).run(sockets=[listener])


def server(application: Application) -> "uvicorn.Server":
    """A server of the application, which its `run` starts."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            application,
            http="httptools",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=10,
        )
    )


def listening_socket(environment: Mapping[str, str]) -> socket.socket:
    """The socket that the environment names, as `serve` says."""
    path = environment.get("SAGEMAKER_BIND_TO_UNIX_SOCKET")
    if not path:
        # With the protocol named, asyncio switches Nagle's algorithm off on what is
        # accepted; without, a response of two packets takes 44 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080"))
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
        return listener
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(1024)
    return listener
