"""The ASGI application: one loopback address at which all services respond.

For each request: is it meant for us, is it signed, does the body match the signature,
which service is it for. Who responds for a service is in the table in services.py. Work
is done on threads, so that a slow operation does not hold up the others.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.credentials import Credentials

from local_aws import errors, services, signature
from local_aws.access.authorization import Authorization
from local_aws.access.credentials import RoleSession
from local_aws.errors import AwsError
from local_aws.installation import HOST, Installation
from local_aws.lifetime import OWN_SERVICE, own_response
from local_aws.messages import (
    Disconnected,
    Head,
    Message,
    Receive,
    Request,
    Response,
    Send,
)
from local_aws.persistence.blobs import Reading
from local_aws.server.body import Body, TooLarge
from local_aws.server.connection import LARGEST_HEAD, head_too_large
from local_aws.server.responders import Responders
from local_aws.services import MEGABYTE, Service, WireProtocol
from local_aws.signature import Claim

log = logging.getLogger(__name__)

CHUNK = MEGABYTE
LARGEST_FORM = MEGABYTE  # of those that are not signed
# No page of another origin may read anything; uvicorn adds its own Date.
DROPPED = ("access-control-", "date", "status", "server")


class StandIn:
    """The ASGI application."""

    def __init__(
        self, installation: Installation, port: int, responders: Responders
    ) -> None:
        self._installation = installation
        self._responders = responders
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._authorization = Authorization(
            responders.sagemaker.clients.find_role,
            lambda name: responders.of(services.named("iam")).role_arn(name),
        )
        self._credentials = Credentials(
            installation.access_key_id, installation.secret_access_key
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is no part of any AWS API here")
        head = _head(scope)
        body = Body(receive, self._installation.temporary_folder)
        try:
            await _send(send, head, await self._response(head, body))
        except Disconnected:
            return
        finally:
            body.file.close()

    async def _response(self, head: Head, body: Body) -> Response:
        """Respond, with an AWS error if need be. Raises Disconnected only."""
        service = await _service(head, body)
        protocol = services.protocol_of(service, head)
        try:
            return await self._respond(head, body, service, protocol)
        except Disconnected:
            raise
        except TooLarge:
            text = "Your proposed upload exceeds the maximum allowed size"
            status = 400 if protocol == "rest-xml" else 413
            error = AwsError("EntityTooLarge", text, status)
        except AwsError as raised:
            error = raised
        except Exception:
            # A client must get an AWS error and no trace, which is for the log.
            log.exception("%s %s failed", head.method, head.raw_path)
            error = errors.internal_failure()
        response = errors.render(error, protocol, service)
        # A client that waits for "100 Continue" does not send its body at all.
        waits = head.header("expect") and not body.is_complete
        if not waits and await body.drained():
            return response
        # What is left of the body would be read as the next request.
        headers = [*response.headers, ("connection", "close")]
        return Response(response.status, headers, response.parts)

    async def _respond(
        self, head: Head, body: Body, service: Service | None, protocol: WireProtocol
    ) -> Response:
        """Raises AwsError, TooLarge, Disconnected."""
        fields = [
            head.raw_path,
            head.query,
            *(text for h in head.headers for text in h),
        ]
        if sum(map(len, fields)) > LARGEST_HEAD:
            raise head_too_large()
        if head.method == "OPTIONS":
            # A browser asking on behalf of a page of another origin.
            text = "CORSResponse: CORS is not enabled for this bucket."
            raise AwsError("AccessForbidden", text, 403)
        claim, caller = await self._checked(head, body, service, protocol)
        if claim.service == OWN_SERVICE and caller is None:
            own = own_response(self._installation)
            return Response(200, [("content-type", "text/plain")], [own])
        if service is None:
            path = f"{head.method} {head.raw_path}"
            action = head.form(body.read()).get("Action")
            raise errors.not_built(claim.service, head.target[1] or action or path)
        request = Request(
            head, claim, service, protocol, body, body.disconnected, caller
        )
        if caller is not None:
            await asyncio.to_thread(self._authorization.check, request)
        return await self._responders.of(service).respond(request)

    async def _checked(
        self, head: Head, body: Body, service: Service | None, protocol: WireProtocol
    ) -> tuple[Claim, RoleSession | None]:
        """Read the body; return claim and caller, if all is as it should be.

        The signature is checked before the body is read where that is possible (S3
        declares the body's hash in a header). Raises AwsError, TooLarge, Disconnected.
        """
        if head.header("host") not in self._hosts:
            hosts = " and ".join(sorted(self._hosts))
            text = f"This stand-in responds at {hosts} only."
            raise AwsError("AccessDenied", text, 403)
        claim = signature.read_claim(head, service, protocol)
        keys, caller = self._keys(claim.access_key_id)
        expires_at = caller.expires_at if caller else None
        signature.check_claim(head, claim, keys, expires_at, datetime.now(UTC))
        declared = signature.declared_hash(head, claim)
        if declared is not None:
            signature.check_signature(head, claim, keys, declared)
        limit = service.largest_body if service else services.LARGEST_BODY
        if int(head.header("content-length") or 0) > limit:
            raise TooLarge
        try:
            await body.fill(limit)
        except OSError as error:  # the disk is full
            log.error("%s %s: %s", head.method, head.raw_path, error)
            if service is None:
                raise errors.internal_failure() from error
            raise errors.state_unusable(service, error.strerror) from error
        if declared is None:
            signature.check_signature(head, claim, keys, body.sha256)
        signature.check_body(head, claim, body.sha256)
        return claim, caller

    def _keys(self, key_id: str) -> tuple[Credentials | None, RoleSession | None]:
        """The keys with this id and, unless they are the installation's, whose."""
        if key_id == self._credentials.access_key:
            return self._credentials, None
        session = self._responders.sagemaker.clients.credentials.find(key_id)
        return (session.keys if session else None), session


def _head(scope: Message) -> Head:
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    return Head(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
    )


async def _service(head: Head, body: Body) -> Service | None:
    """The service that a request is for, or seems to be if it is not signed."""
    name = signature.claimed_name(head)
    if name is not None:
        return services.of_signature(name, head)
    form = b""
    if head.is_form and int(head.header("content-length") or 0) <= LARGEST_FORM:
        try:
            await body.fill(LARGEST_FORM)
            form = body.read()
        except TooLarge:  # one that came without its length
            pass
    return services.of_unsigned(head, form)


async def _send(send: Send, head: Head, response: Response) -> None:
    """Send a response; big bodies in pieces, waiting for the client between them."""
    headers = [(k.lower(), v) for k, v in response.headers]
    headers = [(k, v) for k, v in headers if not k.startswith(DROPPED)]
    parts = response.parts
    if response.status in (204, 304):
        headers = [(k, v) for k, v in headers if not k.startswith("content-")]
        parts = []
    elif head.method == "HEAD":
        parts = []
    else:
        headers = [(k, v) for k, v in headers if k != "content-length"]
        headers.append(("content-length", str(sum(len(part) for part in parts))))
    raw = [(k.encode("latin-1"), _header_bytes(v)) for k, v in headers]
    start = {"type": "http.response.start", "status": response.status, "headers": raw}
    await send(start)
    last: bytes | memoryview = b""
    for piece in _pieces(parts):
        if last:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    await send({"type": "http.response.body", "body": last, "more_body": False})


def _pieces(parts: Sequence[bytes | Reading]) -> Iterator[bytes | memoryview]:
    for part in parts:
        if isinstance(part, Reading):
            yield from part.pieces()
            continue
        view = memoryview(part)
        for start in range(0, len(view), CHUNK):
            yield view[start : start + CHUNK]


def _header_bytes(value: Any) -> bytes:
    text = str(value)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
