"""The process that imports the user's script and serves its model.

The script has the main thread to itself: import, model_fn and each call, one after
another, as in a worker of gunicorn's. The server's event loop runs in another thread,
so that a call that takes long keeps nobody from the ping.
"""

import asyncio
import importlib
import logging
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_aws.containers import asgi, contract
from local_aws.containers.asgi import Receive, Response, Send
from local_aws.containers.script_mode.script import Request, Toolkit
from local_aws.containers.script_mode.settings import Settings, read_settings
from local_aws.containers.script_mode.traces import trace

log = logging.getLogger("sagemaker-containers")

# How often it is looked whether a call takes too long.
LOOK_SECONDS = 0.25

# What nginx, which is before AWS's servers, says for a server that does not respond, or
# that has ended.
_PAGE = """<html>
<head><title>{0}</title></head>
<body>
<center><h1>{0}</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""
_TIMED_OUT = 504, _PAGE.format("504 Gateway Time-out")
_ENDED = 502, _PAGE.format("502 Bad Gateway")


class Calls:
    """Takes calls from the event loop's thread to the main thread, one at a time.

    exit_code: once the process is to end with the response that is on its way; whoever
    runs the container starts it again.
    """

    def __init__(self, toolkit: Toolkit, stop_listening: Callable[[], None]) -> None:
        self._toolkit = toolkit
        self._stop_listening = stop_listening
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._current: tuple[float, asyncio.Future] | None = None
        self.exit_code: int | None = None

    async def respond(self, request: Request) -> Response:
        """The script's response, once it is this call's turn."""
        loop = asyncio.get_running_loop()
        response: asyncio.Future[Response] = loop.create_future()
        self._waiting.put((request, loop, response))
        return await response

    def work(self) -> None:
        """Work off calls, until `end`, or until the script calls sys.exit."""
        while (call := self._waiting.get()) is not None:
            request, loop, response = call
            self._current = time.monotonic(), response
            try:
                result = self._toolkit.respond(request)
            except SystemExit as error:
                _say("ERROR", f"Exception in worker process\n{trace(error)}")
                code = error.code if isinstance(error.code, int) else 1
                loop.call_soon_threadsafe(self._give_up, response, *_ENDED, code)
                return
            self._current = None
            loop.call_soon_threadsafe(_set, response, result)

    def end(self) -> None:
        """Have `work` return after the call under way."""
        self._waiting.put(None)

    async def watch(self, seconds: float) -> None:
        """Give up when a call takes longer than that: nobody can interrupt it."""
        while self.exit_code is None:
            await asyncio.sleep(LOOK_SECONDS)
            current = self._current
            if current is not None and time.monotonic() - current[0] > seconds:
                _say("CRITICAL", f"WORKER TIMEOUT (pid:{os.getpid()})")
                self._give_up(current[1], *_TIMED_OUT, 1)

    def _give_up(
        self, response: asyncio.Future, status: int, page: str, code: int
    ) -> None:
        self._current = None
        self._stop_listening()
        self.exit_code = code
        _set(response, Response(status, page, "text/html", {"Connection": "close"}))


def _set(response: asyncio.Future, result: Response) -> None:
    if not response.done():  # the client may have gone
        response.set_result(result)


class ScriptApplication(asgi.Application):
    """The three routes, over a script."""

    def __init__(self, toolkit: Toolkit, calls: Calls, settings: Settings) -> None:
        super().__init__(lambda *request: asgi.INTERNAL_ERROR, toolkit.longest_body)
        self._toolkit = toolkit
        self._calls = calls
        self._settings = settings

    async def __call__(
        self, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Respond to one request, with which the process may end."""
        await super().__call__(scope, receive, send)
        if self._calls.exit_code is not None:
            os._exit(self._calls.exit_code)

    async def respond(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """The response to POST /invocations."""
        request = Request(body, headers, self._settings.default_accept)
        return await self._calls.respond(request)

    async def execution_parameters(
        self, scope: dict[str, Any], receive: Receive
    ) -> Response:
        """The response to GET /execution-parameters."""
        return self._toolkit.execution_parameters()


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; returns the exit code.

    arguments: the name of the module with the image's `toolkit`, and the folder with
    the code.
    """
    module, code = arguments
    settings = read_settings(os.environ)
    sys.path.insert(0, code)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s - %(name)s - %(message)s",
        level=settings.log_level,
    )
    for chatty in ("asyncio", "botocore", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    _keep_libraries_apart(contract.base_folder() / "lib")
    try:
        toolkit = importlib.import_module(module).toolkit(settings)
        toolkit.load(str(contract.base_folder() / "model"))
    except BaseException as error:  # noqa: BLE001  a script may call sys.exit
        _say("ERROR", f"Error handling request /ping\n{trace(error)}")
        return 1
    return _serve(toolkit, settings)


def _keep_libraries_apart(folder: Path) -> None:
    """Let what is copied to /lib go to a folder of the container.

    The SDK's own script for an `inference_spec` copies a model's shared libraries
    there, and gives /lib the mode of their folder, even if that is empty. In an image
    /lib is the container's own; here it would be this machine's.
    """
    copy = shutil.copytree

    def copytree(src: Any, dst: Any, *arguments: Any, **named: Any) -> Any:
        if os.path.realpath(dst) == os.path.realpath("/lib"):
            dst = folder
        return copy(src, dst, *arguments, **named)

    shutil.copytree = copytree


def _serve(toolkit: Toolkit, settings: Settings) -> int:
    listener = asgi.listening_socket(os.environ)
    calls = Calls(toolkit, listener.close)
    server = asgi.server(ScriptApplication(toolkit, calls, settings))

    def stop(*_: object) -> None:
        server.should_exit = True
        calls.end()

    signal.signal(signal.SIGTERM, stop)

    async def run_server() -> None:
        watching = asyncio.create_task(calls.watch(settings.timeout_seconds))
        await server.serve(sockets=[listener])
        watching.cancel()

    def serve() -> None:
        asyncio.run(run_server())
        # The script may still be in a call, or have threads that never end.
        sys.stdout.flush()
        os._exit(0)

    serving = threading.Thread(target=serve, name="server")
    serving.start()
    calls.work()
    serving.join()
    return 0


def _say(level: str, text: str) -> None:
    """A line as gunicorn, which runs the servers in AWS's images, writes it."""
    now = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime())
    print(f"[{now}] [{os.getpid()}] [{level}] {text.rstrip()}", file=sys.stderr)
