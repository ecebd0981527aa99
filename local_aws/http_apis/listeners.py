"""The ports at which the APIs are served, on a thread of their own.

Each API has a listener on the loopback address. They live on one event loop apart from
that of the services, and end with it.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from local_aws.errors import AwsError
from local_aws.http_apis import events
from local_aws.http_apis.gateway import HEAD_TOO_LARGE, Gateway
from local_aws.messages import Response
from local_aws.server.connection import Connection

log = logging.getLogger(__name__)
# Instead of uvicorn's, which has a warning for each malformed request: the public must
# not fill the disk.
_log_of_connections = logging.getLogger(f"{__name__}.connections")
_log_of_connections.setLevel(logging.ERROR)

# Of all APIs together, so that there are descriptors left for the services. One more
# takes the place of the client that has kept us waiting for longest.
MOST_CONNECTIONS = 500
# Less than a connection's PATIENCE_S: one without a request ends without a word.
KEEP_ALIVE_S = 60
SWEEP_S = 5.0
SHUTDOWN_S = 1.0

WORDS = {400: "Bad Request", 408: "Request Timeout"}


class PublicConnection(Connection):
    """A connection to an API, refused in API Gateway's form.

    A client has PATIENCE_S for a whole request, and as long to take the response.
    """

    def __init__(self, listeners: "Listeners", *arguments: Any) -> None:
        super().__init__(*arguments)
        self.logger = _log_of_connections
        self._listeners = listeners

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if self._listeners.connections > MOST_CONNECTIONS:
            self._listeners.make_room()

    @property
    def waiting_since(self) -> float | None:
        """Since when we wait for the client; None: it waits for us."""
        return self._waiting_since

    def end(self) -> None:
        """End the connection at once."""
        self._waiting_since = None
        self.transport.abort()

    def on_response_complete(self) -> None:
        is_asked_more = bool(self.pipeline)
        super().on_response_complete()
        # Be it for the next request, or until the client has read this response.
        self._waiting_since = None if is_asked_more else self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._waiting_since = self.loop.time()

    def _progress(self) -> None:
        self._gap = 0  # and no more time

    def refusal(self, error: AwsError) -> Response:
        if error.code == "RequestHeaderSectionTooLarge":
            reply = HEAD_TOO_LARGE
        else:
            status = 408 if error.code == "RequestTimeout" else 400
            reply = events.message(status, WORDS[status])
        length = ("content-length", str(len(reply.body)))
        return Response(reply.status, [*reply.headers, length], [reply.body])


class _Served:
    """One API's listener."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.state = ServerState()
        self.server: asyncio.Server | None = None

    async def start(self, listeners: "Listeners", listener: socket.socket) -> None:
        config = uvicorn.Config(
            self.gateway,
            http=Connection,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        config.load()
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: PublicConnection(listeners, config, self.state, {}), sock=listener
        )

    async def stop(self) -> None:
        """Take nothing more; let responses end that are about to."""
        if self.server is not None:
            self.server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        tasks = set(self.state.tasks)
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=SHUTDOWN_S)
            for task in pending:
                task.cancel()
        for connection in list(self.state.connections):
            connection.transport.abort()


class Listeners:
    """The listeners of all APIs, by the API's id. Thread-safe, but for `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._served: dict[str, _Served] = {}
        # A daemon: it must not keep the process.
        self._thread = threading.Thread(target=self._run, daemon=True, name="HTTP APIs")
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections there are. On the event loop only."""
        return sum(len(served.state.connections) for served in self._served.values())

    def make_room(self) -> None:
        """End the connection that has kept us waiting for longest. On the event loop
        only.
        """
        waiting = [
            connection
            for served in self._served.values()
            for connection in served.state.connections
            if connection.waiting_since is not None
        ]
        min(waiting, key=lambda connection: connection.waiting_since).end()

    @property
    def number(self) -> int:
        """How many APIs are served."""
        return len(self._served)

    def start(self, api_id: str, gateway: Gateway, listener: socket.socket) -> None:
        """Serve an API at a socket that listens already, and is closed if it can't be.

        Raises RuntimeError after `close`.
        """
        try:
            self._call(self._start(api_id, gateway, listener))
        except BaseException:
            listener.close()
            raise

    def gateway(self, api_id: str) -> Gateway | None:
        """What serves an API; None if nothing does."""
        served = self._served.get(api_id)
        return served and served.gateway

    def stop(self, api_id: str) -> None:
        """Serve an API no more; nothing is to be had at its port when this returns."""
        if api_id in self._served:
            self._call(self._stop(api_id))

    def close(self) -> None:
        """Serve nothing more, and end; while nothing is being started or stopped."""
        for api_id in list(self._served):
            self.stop(api_id)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        sweeping = self._loop.create_task(self._sweep())
        self._loop.run_forever()
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(sweeping)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            running = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop has been closed
            work.close()
            raise
        running.result()

    async def _start(
        self, api_id: str, gateway: Gateway, listener: socket.socket
    ) -> None:
        served = _Served(gateway)
        await served.start(self, listener)
        self._served[api_id] = served

    async def _stop(self, api_id: str) -> None:
        served = self._served.pop(api_id, None)
        if served is not None:
            await served.stop()

    async def _sweep(self) -> None:
        """End connections whose clients do not send what they owe."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            for served in list(self._served.values()):
                for connection in list(served.state.connections):
                    connection.end_if_overdue(now)
