"""The server: one loopback address at which all services of the stand-in answer.

A plain ASGI application on uvicorn. For each request: is it meant for us, is it signed,
does the body match the signature, which service is it for. S3, IAM, STS, Logs and
CloudWatch go to moto's applications, SageMaker to local_aws.sagemaker. Work is done
in threads, so that a slow operation does not hold up the others.
"""

import asyncio
import hashlib
import logging
import os
import re
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from botocore.credentials import Credentials

from local_aws import errors, signature
from local_aws.clients import Clients
from local_aws.errors import Answer, AwsError
from local_aws.hosting.invocation import ModelError
from local_aws.installation import (
    HOST,
    Installation,
    InstallationError,
    client_environment,
    open_installation,
    private_folder,
    write_client_files,
)
from local_aws.lifetime import (
    OWN_ANSWER,
    OWN_SERVICE,
    UsersWatch,
    hold_users_lock,
    try_server_lock,
)
from local_aws.maintenance import finish_reset
from local_aws.moto_services import (
    SERVICES,
    MotoServices,
    configure_moto,
    internal_error,
    unsupported_service,
)
from local_aws.persistence.blobs import Reading
from local_aws.signature import Claim, Head

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawAnswer = tuple[int, list[tuple[str, str]], list[bytes | Reading]]

MEGABYTE = 2**20
# S3 takes 5 GB in one part (S3 User Guide, "Multipart upload limits"). The biggest
# request elsewhere is an invocation of an endpoint: 25 MB (SageMaker hosting FAQs).
LARGEST_S3_BODY = 5 * 2**30
LARGEST_BODY = 26 * MEGABYTE
IN_MEMORY = 4 * MEGABYTE
LARGEST_DRAINED = 64 * MEGABYTE
CHUNK = MEGABYTE
WORKERS = 32
KEEP_ALIVE_S = 75
SHUTDOWN_S = 2
EXIT_S = 3.0
WATCH_S = 0.5

_INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations")
_RUNTIME_PATH = re.compile(r"/endpoints/[^/]+/(async-)?invocations.*")
_QUERY_VERSIONS = {
    "2010-05-08": "iam",
    "2011-06-15": "sts",
    "2010-08-01": "monitoring",
}


class TooLarge(Exception):
    """A body beyond what its service takes."""


class Disconnected(Exception):
    """The client went away in the middle of its request."""


class Body:
    """A request's body: in memory while small, then in a file; hashed as it comes."""

    def __init__(self, folder: os.PathLike) -> None:
        self.file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)  # noqa: SIM115
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._complete = False

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def fill(self, receive: Receive, limit: int) -> None:
        """Read the body to its end, once. Raises TooLarge and Disconnected."""
        while not self._complete:
            chunk = await self._next(receive)
            self.size += len(chunk)
            if self.size > limit:
                raise TooLarge
            self._sha256.update(chunk)
            self.file.write(chunk)

    async def drained(self, head: Head, receive: Receive) -> bool:
        """Throw away what is left of the body; False if there is too much of it.

        A client that waits for "100 Continue" does not send its body at all.
        """
        if not self._complete and head.header("expect"):
            return False
        thrown = 0
        while not self._complete and thrown <= LARGEST_DRAINED:
            thrown += len(await self._next(receive))
        return self._complete

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read()

    async def _next(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._complete = not message.get("more_body", False)
        return message.get("body", b"")


class StandIn:
    """The ASGI application."""

    def __init__(self, installation: Installation, port: int, contexts: Any) -> None:
        """`contexts` is what local_aws.sagemaker.open_context returns."""
        self._installation = installation
        self._contexts = contexts
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._credentials = Credentials(
            installation.access_key_id, installation.secret_access_key
        )
        self._moto = MotoServices(installation)
        # SageMaker's handlers call S3 and Logs at this same server; with one pool they
        # could fill it and then wait for themselves.
        self._moto_threads = ThreadPoolExecutor(WORKERS, "moto")
        self._sagemaker_threads = ThreadPoolExecutor(WORKERS, "sagemaker")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is no part of any AWS API here")
        await self._http(scope, receive, send)

    def warm_up(self) -> None:
        """Let the first call find moto imported; returns at once."""
        self._moto_threads.submit(self._moto.warm_up)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        head = _head(scope)
        body = Body(self._installation.temporary_folder)
        try:
            await _send(send, head, await self._answer(head, receive, body))
        except Disconnected:
            return
        finally:
            body.file.close()

    async def _answer(self, head: Head, receive: Receive, body: Body) -> RawAnswer:
        """Status, headers and parts of the body. Raises Disconnected only."""
        service = signature.claimed_service(head)
        if head.method == "OPTIONS":
            service = "s3"
        if service is None:
            service = await _unsigned_service(head, receive, body)
        protocol = _protocol(service, head)
        try:
            if head.method == "OPTIONS":
                # A browser asking on behalf of a page of another origin.
                text = "CORSResponse: CORS is not enabled for this bucket."
                raise AwsError("AccessForbidden", text, 403)
            claim = await self._checked(head, receive, body, protocol)
            return await self._dispatch(head, claim, body)
        except AwsError as error:
            answer = errors.render(error, protocol, str(uuid.uuid4()), service)
        except TooLarge:
            error = AwsError(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                400 if service == "s3" else 413,
            )
            answer = errors.render(error, protocol, str(uuid.uuid4()), service)
        status, headers, parts = _raw(answer)
        if not await body.drained(head, receive):
            # What is left of the body would be read as the next request.
            headers.append(("connection", "close"))
        return status, headers, parts

    async def _checked(
        self, head: Head, receive: Receive, body: Body, protocol: errors.Protocol
    ) -> Claim:
        """Read the body and return the claim, if all is as it should be.

        The signature is checked before the body is read where that is possible (S3
        declares the body's hash in a header). Raises AwsError, TooLarge, Disconnected.
        """
        if head.header("host") not in self._hosts:
            text = f"This stand-in answers at {' and '.join(sorted(self._hosts))} only."
            raise AwsError("AccessDenied", text, 403)
        keys = self._credentials
        claim = signature.read_claim(head, protocol)
        signature.check_claim(head, claim, protocol, keys, datetime.now(UTC))
        declared = signature.declared_hash(head, claim)
        if declared is not None:
            signature.check_signature(head, claim, protocol, keys, declared)
        limit = LARGEST_S3_BODY if claim.service == "s3" else LARGEST_BODY
        if int(head.header("content-length") or 0) > limit:
            raise TooLarge
        try:
            await body.fill(receive, limit)
        except OSError as error:  # the disk is full
            raise internal_error(claim.service, error.strerror) from error
        if declared is None:
            signature.check_signature(head, claim, protocol, keys, body.sha256)
        signature.check_body(head, claim, protocol, body.sha256)
        return claim

    async def _dispatch(self, head: Head, claim: Claim, body: Body) -> RawAnswer:
        loop = asyncio.get_running_loop()
        if claim.service == OWN_SERVICE:
            return 200, [("content-type", "text/plain")], [OWN_ANSWER]
        if claim.service == "sagemaker":
            invocation = _INVOCATION.fullmatch(head.raw_path)
            if invocation and head.method == "POST":
                return await self._invoke(claim, invocation[1], head, body)
        if claim.service == "monitoring" and not _is_put_metric_data(head):
            invoker = self._contexts.invoker
            await loop.run_in_executor(self._sagemaker_threads, invoker.flush_metrics)
        if claim.service in SERVICES:
            return await loop.run_in_executor(
                self._moto_threads,
                self._moto.answer,
                head,
                claim,
                body.file,
                body.size,
            )
        if claim.service == "sagemaker":
            answer = await loop.run_in_executor(
                self._sagemaker_threads, self._sagemaker, head, claim, body.read()
            )
            return _raw(answer)
        raise unsupported_service(claim.service, head, body.read())

    async def _invoke(
        self, claim: Claim, endpoint: str, head: Head, body: Body
    ) -> RawAnswer:
        """Answer a request to an endpoint. Raises AwsError."""
        request_id = str(uuid.uuid4())
        try:
            status, headers, content = await self._contexts.invoker.invoke(
                claim.region, endpoint, dict(head.headers), body.read()
            )
        except ModelError as error:
            return _raw(error.answer(request_id))
        return _raw((status, {"x-amzn-RequestId": request_id, **headers}, content))

    def _sagemaker(self, head: Head, claim: Claim, body: bytes) -> Answer:
        """Answer a request to SageMaker's control plane. Raises AwsError."""
        from local_aws import protocol
        from local_aws.sagemaker import HANDLERS

        prefix, _, operation = (head.header("x-amz-target") or "").partition(".")
        if prefix != "SageMaker":
            if _RUNTIME_PATH.fullmatch(head.raw_path):
                raise errors.operation_not_built(
                    "InvokeEndpointAsync or InvokeEndpointWithResponseStream"
                )
            raise errors.unknown_operation()
        context = self._contexts.for_region(claim.region)
        return protocol.answer(operation, body, HANDLERS.get(operation), context)


def _head(scope: Message) -> Head:
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    return Head(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
    )


async def _unsigned_service(head: Head, receive: Receive, body: Body) -> str:
    """The service that an unsigned request seems to be meant for, else S3."""
    prefix = (head.header("x-amz-target") or "").partition(".")[0]
    if prefix in signature.TARGET_SERVICES:
        return signature.TARGET_SERVICES[prefix]
    if prefix:
        return "unknown"
    if head.method == "POST" and _RUNTIME_PATH.fullmatch(head.raw_path):
        return "sagemaker"
    text = head.query
    if _is_form(head) and int(head.header("content-length") or 0) <= MEGABYTE:
        await body.fill(receive, MEGABYTE)
        text = body.read().decode("utf-8", "replace") or text
    form = parse_qs(text)
    if "Action" in form:
        return _QUERY_VERSIONS.get(form.get("Version", [""])[0], "iam")
    return "s3"


def _is_put_metric_data(head: Head) -> bool:
    return (head.header("x-amz-target") or "").endswith(".PutMetricData")


def _is_form(head: Head) -> bool:
    kind = head.header("content-type") or ""
    return kind.startswith("application/x-www-form-urlencoded")


def _protocol(service: str, head: Head) -> errors.Protocol:
    """In what form the client expects an error."""
    protocol = errors.protocol_of(service, dict(head.headers))
    if protocol == "rest-json" and _is_form(head):
        return "query"  # EC2 and the like, which are not here
    return protocol


def _raw(answer: Answer) -> RawAnswer:
    status, headers, body = answer
    return status, list(headers.items()), [body]


async def _send(send: Send, head: Head, answer: RawAnswer) -> None:
    """Send an answer; big bodies in pieces, waiting for the client between them."""
    status, headers, parts = answer
    kept = [(k.lower(), v) for k, v in headers if not _is_dropped(k.lower())]
    if status in (204, 304):
        kept = [(k, v) for k, v in kept if not k.startswith("content-")]
        parts = []
    elif head.method == "HEAD":
        parts = []
    else:
        kept = [(k, v) for k, v in kept if k != "content-length"]
        kept.append(("content-length", str(sum(len(part) for part in parts))))
    raw = [(k.encode("latin-1"), _header_bytes(v)) for k, v in kept]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    last = b""
    for piece in _pieces(parts):
        if last:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    await send({"type": "http.response.body", "body": last, "more_body": False})


def _pieces(parts: list[bytes]) -> Iterator[memoryview]:
    for part in parts:
        if isinstance(part, Reading):
            yield from part.pieces()
            continue
        view = memoryview(part)
        for start in range(0, len(view), CHUNK):
            yield view[start : start + CHUNK]


def _is_dropped(header: str) -> bool:
    """No page of another origin may read anything; uvicorn adds its own Date."""
    return header.startswith("access-control-") or header in (
        "date",
        "status",
        "server",
    )


def _header_bytes(value: object) -> bytes:
    text = str(value)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def bind(installation: Installation) -> socket.socket:
    """A socket on loopback: at the port used last if it is free, else at any.

    With the same port again, clients of an open notebook keep working.
    """
    for port in (installation.port, 0):
        if port is None:
            continue
        # With the protocol named, asyncio switches Nagle's algorithm off on what is
        # accepted; without, an answer of two packets takes 44 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # A port whose old connections are still fading (TIME_WAIT) counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            # At once: with SO_REUSEADDR, a port that is bound but not yet listened at
            # can be given to somebody else too.
            listener.listen()
        except OSError:
            listener.close()
            if port == 0:
                raise
        else:
            return listener
    raise AssertionError("port 0 was tried last")


def serve(until_unused: bool) -> int:
    """Serve until a signal, or until the last user has gone. Returns the exit code.

    Raises InstallationError when another server uses this state folder.
    """
    logging.basicConfig(
        level=logging.INFO if until_unused else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each /ping
    installation = open_installation()
    if not until_unused:
        hold_users_lock(installation)
    server_lock = try_server_lock(installation)
    if server_lock is None:
        raise InstallationError(
            f"a stand-in already serves {installation.home} at "
            f"{installation.endpoint}. `python -m local_aws exec -- COMMAND` uses it; "
            "set LOCAL_AWS_HOME to another folder to run a second one."
        )
    finish_reset(installation)
    _seal_process(installation)
    listener = bind(installation)
    port = listener.getsockname()[1]
    write_client_files(installation, port)
    from local_aws.sagemaker import open_context  # after sealing: it imports boto3

    contexts = open_context(
        installation, Clients(installation, f"http://{HOST}:{port}")
    )
    app = StandIn(installation, port, contexts)
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    # uvicorn has its own handlers while it runs, and raises the signal once more when
    # it has ended; these are for the moments before and after.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _stop(server))
    watch = UsersWatch(installation) if until_unused else None
    app.warm_up()
    try:
        asyncio.run(_serve(server, listener, installation, watch))
    finally:
        contexts.close()
    # A thread that is still busy (a long upload, say) holds up the interpreter's end;
    # all that had to be closed has been.
    watchdog = threading.Timer(EXIT_S, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()
    return 0


def _seal_process(installation: Installation) -> None:
    """Make this process safe from its environment, and its files from others."""
    os.umask(0o077)
    sealed = client_environment(installation, os.environ)
    os.environ.clear()
    os.environ.update(sealed)
    configure_moto()
    folder = private_folder(installation.temporary_folder)
    for left_over in folder.iterdir():
        if left_over.is_file():
            left_over.unlink()


async def _serve(
    server: uvicorn.Server,
    listener: socket.socket,
    installation: Installation,
    watch: UsersWatch | None,
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started and watch is None:
        print(
            f"local_aws serves {installation.home} at {installation.endpoint} until "
            "Ctrl-C. Use it with: python -m local_aws exec -- COMMAND",
            flush=True,
        )
    while watch is not None and not serving.done():
        if watch.nobody_left():
            log.info("The last user has gone.")
            _stop(server)
            break
        await asyncio.wait([serving], timeout=WATCH_S)
    await serving


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True
