"""The public side of one API: an ASGI application.

No key is asked for, as on AWS. A request can reach the functions of this API's routes,
by right of their own policies, and nothing else of the stand-in.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError
from local_aws.functions.invocations import Caller, Functions, Result
from local_aws.http_apis import cors, deployments, events, routing, throttling
from local_aws.http_apis.configuration import DEFAULT, function_of
from local_aws.http_apis.events import Called, Reply, message
from local_aws.http_apis.routing import RouteKey
from local_aws.http_apis.throttling import Bucket
from local_aws.installation import ACCOUNT_ID, HOST
from local_aws.messages import Disconnected, Message, Receive, Send
from local_aws.server.body import Body, TooLarge
from local_aws.services import MEGABYTE

log = logging.getLogger(__name__)

PRINCIPAL = "apigateway.amazonaws.com"
# "Quotas for HTTP APIs".
LARGEST_BODY = 10 * MEGABYTE
LARGEST_HEAD = 10_240
# Of a line of the log that would be the same, and how many there are meanwhile.
QUIET_S = 60.0
MOST_SAID = 20

NOT_FOUND = message(404, "Not Found")
FORBIDDEN = message(403, "Forbidden")
THROTTLED = message(429, "Too Many Requests")
TOO_LARGE = message(413, "Request Entity Too Large")
HEAD_TOO_LARGE = message(431, "Request Header Fields Too Large")
# Recorded: what a client gets when the integration takes too long.
UNAVAILABLE = message(503, "Service Unavailable")
INTERNAL = message(500, "Internal Server Error")


@dataclass(frozen=True)
class Stage:
    """A stage as it is served."""

    record: Mapping[str, Any]
    routes: Mapping[RouteKey, Mapping[str, Any]]  # the most specific first
    integrations: Mapping[str, Mapping[str, Any]]
    cors: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        return self.record["StageName"]


@dataclass(frozen=True)
class Head:
    """A request before its body."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    client: str
    request_id: str

    @property
    def by_name(self) -> dict[str, str]:
        return dict(self.headers)


@dataclass(frozen=True)
class Taken:
    """The route that a request takes, and the values in its path."""

    stage: Stage
    key: RouteKey
    parameters: Mapping[str, str]

    @property
    def integration(self) -> Mapping[str, Any] | None:
        """What the route leads to; None for nothing."""
        _, _, id_ = self.stage.routes[self.key].get("Target", "").partition("/")
        return self.stage.integrations.get(id_)


class Gateway:
    """The ASGI application of one API. But for `update`, all is on one event loop."""

    def __init__(
        self,
        record: Mapping[str, Any],
        functions: Functions,
        threads: Executor,
        temporary_folder: Path,
    ) -> None:
        self._functions = functions
        self._threads = threads
        self._folder = temporary_folder
        self._buckets: dict[tuple, Bucket] = {}
        self._said: dict[tuple[str, str], float] = {}
        self.update(record)

    def update(self, record: Mapping[str, Any]) -> None:
        """Serve the API as it is in this record from now on."""
        stages = {}
        for stage in record["_stages"].values():
            found = deployments.deployed(record, stage)
            if found is not None:
                stages[stage["StageName"]] = Stage(
                    stage,
                    _routes(found["routes"]),
                    found["integrations"],
                    found["cors"],
                )
        port = record["_port"]
        self._record = record
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._stages = stages

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is no part of an HTTP API")
        head = _head(scope)
        body = Body(receive, self._folder)
        try:
            try:
                reply = await self._reply(head, body)
            except Disconnected:
                raise
            except Exception:  # the public is told nothing of it, the log all
                log.exception("API %s: %s failed", self._id, head.method)
                reply = INTERNAL
            waits = "expect" in head.by_name and not body.is_complete
            is_read = not waits and await body.drained()
            await _send(send, head, reply, is_read)
        except Disconnected:
            return
        finally:
            body.file.close()

    @property
    def _id(self) -> str:
        return self._record["ApiId"]

    async def _reply(self, head: Head, body: Body) -> Reply:
        """Raises Disconnected."""
        texts = [head.method, head.path, head.query]
        texts += [text for pair in head.headers for text in pair]
        if sum(map(len, texts)) > LARGEST_HEAD:
            return HEAD_TOO_LARGE
        # A page whose name has been made to lead here must not pass for this origin.
        hosts = {value for name, value in head.headers if name == "host"}
        if not hosts or not hosts <= self._hosts:
            return FORBIDDEN
        if self._record["DisableExecuteApiEndpoint"]:
            return NOT_FOUND
        stage, path = self._stage(head.path)
        if stage is None:
            return NOT_FOUND
        if stage.cors is None:
            return await self._routed(head, body, stage, path)
        origin = head.by_name.get("origin")
        if cors.is_preflight(head.method, head.by_name):
            return Reply(204, cors.preflight_headers(stage.cors, origin))
        reply = await self._routed(head, body, stage, path)
        if head.method == "OPTIONS" and reply is NOT_FOUND:
            return Reply(204, [])
        # The function's own are ignored.
        headers = [h for h in reply.headers if not h[0].startswith("access-control-")]
        headers += cors.response_headers(stage.cors, origin)
        return Reply(reply.status, headers, reply.body)

    def _stage(self, path: str) -> tuple[Stage | None, str]:
        """The stage that a path leads to, and the path in it."""
        first, _, rest = path[1:].partition("/")
        if first != DEFAULT and first in self._stages:
            return self._stages[first], f"/{rest}"
        return self._stages.get(DEFAULT), path

    async def _routed(self, head: Head, body: Body, stage: Stage, path: str) -> Reply:
        found = routing.find(stage.routes, head.method, path)
        if found is None:
            return NOT_FOUND
        taken = Taken(stage, *found)
        if not self._bucket(taken).take():
            return THROTTLED
        if int(head.by_name.get("content-length") or 0) > LARGEST_BODY:
            return TOO_LARGE
        try:
            await body.fill(LARGEST_BODY)
        except TooLarge:
            return TOO_LARGE
        if taken.integration is None:
            self._say(taken.key, "has no integration")
            return INTERNAL
        try:
            result = await self._invoke(self._called(head, body, taken), taken)
        except AwsError as error:
            return self._refusal(taken.key, error)
        return self._answer(result, taken)

    def _bucket(self, taken: Taken) -> Bucket:
        limits = throttling.limits(taken.stage.record, taken.key.text)
        name = taken.stage.name, taken.key.text
        kept = self._buckets.get(name)
        if kept is None or kept.limits != limits:
            kept = self._buckets[name] = Bucket(*limits)
        return kept

    def _called(self, head: Head, body: Body, taken: Taken) -> Called:
        port = self._record["_port"]
        return Called(
            api_id=self._id,
            stage=taken.stage.name,
            domain=f"{HOST}:{port}",
            method=head.method,
            path=head.path,
            query=head.query,
            headers=events.forwarded(head.headers, head.client, port, body.size),
            client=head.client,
            route_key=taken.key.text,
            resource=taken.key.path or DEFAULT,
            parameters=taken.parameters,
            variables=taken.stage.record["StageVariables"],
            request_id=head.request_id,
            body=body.read(),
        )

    async def _invoke(self, called: Called, taken: Taken) -> Result | None:
        """What the function comes to; None if that takes too long. Raises AwsError.

        As on AWS, the function is not ended then.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + taken.integration["TimeoutInMillis"] / 1000
        submitted = await loop.run_in_executor(
            self._threads, self._submit, called, taken
        )
        running = asyncio.wrap_future(submitted)
        done, _ = await asyncio.wait({running}, timeout=deadline - loop.time())
        return running.result() if done else None

    def _submit(self, called: Called, taken: Taken) -> "Future[Result]":
        key, integration = taken.key, taken.integration
        path = DEFAULT if key.is_default else f"{called.method}{key.path}"
        region = self._record["_region"]
        api = f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{self._id}"
        caller = Caller(PRINCIPAL, f"{api}/{called.stage}/{path}")
        event = events.event_of(called, integration["PayloadFormatVersion"])
        function = function_of(integration["IntegrationUri"])
        return self._functions.submit(function, event, caller, region)

    def _answer(self, result: Result | None, taken: Taken) -> Reply:
        integration = taken.integration
        if result is None:
            limit = integration["TimeoutInMillis"]
            self._say(taken.key, f"took longer than {limit} ms")
            return UNAVAILABLE
        if result.function_error is not None:
            return INTERNAL  # its log says why
        try:
            return events.reply_of(result.payload, integration["PayloadFormatVersion"])
        except events.Malformed as problem:
            self._say(taken.key, f"what its function returns is no response: {problem}")
            return INTERNAL

    def _refusal(self, key: RouteKey, error: AwsError) -> Reply:
        """What the public is told when Lambda refuses; the log says more."""
        self._say(key, str(error))
        if error.code == "RequestTooLargeException":
            return TOO_LARGE
        if error.code in ("TooManyRequestsException", "ServiceException"):
            return UNAVAILABLE
        return INTERNAL

    def _say(self, key: RouteKey, text: str) -> None:
        """Tell the log why a client is told so little, but not each time: the public
        must not fill the disk.
        """
        now = time.monotonic()
        said = {one: at for one, at in self._said.items() if now - at < QUIET_S}
        if (key.text, text) not in said and len(said) < MOST_SAID:
            said[key.text, text] = now
            log.warning("API %s, route %s: %s", self._id, key.text, text)
        self._said = said


def _routes(
    records: Mapping[str, Mapping[str, Any]],
) -> dict[RouteKey, Mapping[str, Any]]:
    routes = {}
    for route in records.values():
        key = routing.parse(route["RouteKey"])
        if key is not None:
            routes[key] = route
    return {key: routes[key] for key in sorted(routes, key=lambda key: key.order)}


def _head(scope: Message) -> Head:
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    return Head(
        scope["method"],
        scope["raw_path"].decode("latin-1") or "/",
        scope["query_string"].decode("latin-1"),
        headers,
        scope["client"][0] if scope["client"] else HOST,
        events.new_request_id(),
    )


async def _send(send: Send, head: Head, reply: Reply, keeps: bool) -> None:
    """Send a reply; `keeps`: the connection can be used again."""
    headers = [*reply.headers, ("apigw-requestid", head.request_id)]
    headers.append(("date", formatdate(usegmt=True)))
    body = reply.body
    if reply.status in (204, 304):
        headers = [pair for pair in headers if pair[0] != "content-type"]
        body = b""
    else:
        headers.append(("content-length", str(len(body))))
    if not keeps:
        # What is left of the body would be read as the next request.
        headers.append(("connection", "close"))
    raw = [(name.encode("latin-1"), _encoded(value)) for name, value in headers]
    start = {"type": "http.response.start", "status": reply.status, "headers": raw}
    await send(start)
    body = b"" if head.method == "HEAD" else body
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _encoded(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")
