"""InvokeEndpoint: from a checked request to a container and back.

Sources: botocore sagemaker-runtime service model (InvokeEndpoint); AWS page "Use Your
Own Inference Code with Hosting Services"; recorded errors of the service.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local_aws.errors import AwsError
from local_aws.hosting.endpoint import LOG_GROUP
from local_aws.hosting.engine import HostingEngine
from local_aws.hosting.fleet import Fleet, Variant
from local_aws.runtime.container_client import ConnectionLost, NotReached, Response

# Hosting FAQs of SageMaker: 25 MB for a real-time endpoint, 60 seconds for a response.
# The environment of the stand-in can set other limits.
MAX_PAYLOAD_MB = 25
TIMEOUT_SECONDS = 60

# How long metrics wait until they are handed over, if nobody reads them before.
FLUSH_SECONDS = 10

# How often a request looks for a container while the only one is being started again.
LOOK_AGAIN_SECONDS = 0.01

NOT_BUILT = {
    "TargetModel": "several models behind one endpoint",
    "TargetContainerHostname": "several containers behind one endpoint",
    "EnableExplanations": "SageMaker Clarify's explanations",
    "InferenceComponentName": "inference components",
    "SessionId": "sessions",
    "PrefixAwareId": "prefix-aware routing",
}

# What a container is sent: these members, in the headers that they came in.
FORWARDED = (
    "ContentType",
    "Accept",
    "CustomAttributes",
    "TargetVariant",
    "InferenceId",
)

# What a client gets of the container's headers.
RETURNED = {
    "content-type": "ContentType",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
}


class ModelError(AwsError):
    """The container did not respond with success; HTTP 424."""

    def __init__(
        self, endpoint: str, region: str, account: str, status: int, text: str | None
    ) -> None:
        """`status`: the container's, 0 if none came; `text` None: too long to read."""
        kind = "server" if status == 0 or status >= 500 else "client"
        group = f"{LOG_GROUP}/{endpoint}"
        url = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group}"
        )
        said = (
            "and could not load the entire response body."
            if text is None
            else f'with message "{text}".'
        )
        super().__init__(
            "ModelError",
            f"Received {kind} error ({status}) from primary {said} See {url} in "
            f"account {account} for more information.",
            424,
            {
                "ErrorCode": "CLIENT_ERROR_FROM_MODEL"
                if kind == "client"
                else "INTERNAL_FAILURE_FROM_MODEL",
                "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
                "OriginalMessage": text or "",
                "OriginalStatusCode": status,
            },
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    `status` and `error` (None: too long to be read) are what a ModelError says;
    `responded` is false if they are not the container's.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    error: str | None = None
    responded: bool = True


class Invoker:
    """Sends requests to the containers of endpoints, on the server's event loop."""

    def __init__(self, engine: HostingEngine, account: str) -> None:
        self._engine = engine
        self._account = account
        megabytes = os.environ.get("LOCAL_AWS_MAX_PAYLOAD_MB", MAX_PAYLOAD_MB)
        self._max_payload = int(megabytes) * 1024**2
        seconds = os.environ.get("LOCAL_AWS_INVOCATION_SECONDS", TIMEOUT_SECONDS)
        self._timeout = float(seconds)
        self._flushing: asyncio.Task | None = None

    async def invoke(
        self, region: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Respond to one InvokeEndpoint.

        Args:
            region: the request's Region.
            params: its parameters.
            headers: what the container is sent.

        Returns:
            Members of the operation's output.

        Raises:
            AwsError: ValidationError, ModelError.
        """
        began = time.perf_counter()
        _refuse_what_is_not_built(params)
        endpoint, body = params["EndpointName"], params["Body"]
        call = _Call(
            endpoint,
            partial(self._fleet, region, endpoint),
            params.get("TargetVariant"),
            headers,
            body,
        )
        await self._wait_while_returning(region, endpoint)
        call.choose_variant()
        if len(body) > self._max_payload:
            outcome = Outcome(413)
        else:
            outcome = await call.run(self._timeout)
        name = call.variant.deployment.variant
        self._engine.metrics.record(
            region,
            endpoint,
            name,
            len(call.variant.instances),
            outcome.status if outcome.responded else None,
            call.model_seconds,
            time.perf_counter() - began - call.model_seconds,
        )
        self._flush_later()
        if not 200 <= outcome.status < 300:
            raise ModelError(
                endpoint, region, self._account, outcome.status, outcome.error
            )
        returned = {
            member: outcome.headers[header]
            for header, member in RETURNED.items()
            if header in outcome.headers
        }
        return {
            "Body": outcome.content,
            "InvokedProductionVariant": name,
            **returned,
        }

    def flush_metrics(self) -> None:
        """Let CloudWatch know of all invocations so far."""
        self._engine.metrics.flush()

    def _flush_later(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_in_turns())

    async def _flush_in_turns(self) -> None:
        while self._engine.metrics.are_pending:
            await asyncio.sleep(FLUSH_SECONDS)
            await asyncio.to_thread(self.flush_metrics)

    def _fleet(self, region: str, name: str) -> Fleet:
        endpoint = self._engine.find(region, name)
        if endpoint is None or (fleet := endpoint.fleet) is None:
            raise validation_error(
                f"Endpoint {name} of account {self._account} not found."
            )
        return fleet

    async def _wait_while_returning(self, region: str, name: str) -> None:
        """After a restart an endpoint is in service, but not up yet."""
        deadline = time.monotonic() + self._timeout
        while (
            (endpoint := self._engine.find(region, name)) is not None
            and endpoint.is_returning
            and time.monotonic() < deadline
        ):
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


class _Call:
    """One invocation on its way to a container."""

    def __init__(
        self,
        endpoint: str,
        find_fleet: Callable[[], Fleet],
        target: str | None,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """`find_fleet` raises ValidationError when nothing is in service."""
        self._endpoint = endpoint
        self._find_fleet = find_fleet
        self._fleet: Fleet | None = None
        self._target = target
        self._headers = headers
        self._body = body
        self.variant: Variant | None = None
        self.model_seconds = 0.0

    def choose_variant(self) -> None:
        """Draw the variant, anew if the fleet has been replaced meanwhile.

        Raises ValidationError.
        """
        fleet = self._find_fleet()
        if fleet is not self._fleet:
            self._fleet = fleet
            self.variant = _variant(fleet, self._target, self._endpoint)
        if not self.variant.instances:
            raise validation_error(
                f"Variant {self.variant.deployment.variant} of endpoint "
                f"{self._endpoint} has no instance to process this request."
            )

    async def run(self, seconds: float) -> Outcome:
        """Find an instance and call it; raises ValidationError."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if (call := self.variant.begin_call()) is not None:
                        began = time.perf_counter()
                        instance, server = call
                        try:
                            response = await server.invoke_async(
                                self._body, self._headers
                            )
                            return _outcome(response)
                        except NotReached:
                            pass  # it has just died, and nothing was sent
                        finally:
                            instance.end_call()
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                    self.choose_variant()
        except TimeoutError:
            return Outcome(
                0,
                error="Your invocation timed out while waiting for a response from "
                "container primary. Review the latency metrics for each container in "
                "Amazon CloudWatch, resolve the issue, and try again.",
                responded=False,
            )
        except ConnectionLost as error:
            return Outcome(
                500,
                error=f"The container ended before it had responded ({error}).",
                responded=False,
            )
        finally:
            self.model_seconds = time.perf_counter() - began


def _outcome(response: Response) -> Outcome:
    error = None
    if response.status >= 300 and response.status != 413:
        error = response.content.decode("utf-8", "replace")
    return Outcome(response.status, response.headers, response.content, error)


def _refuse_what_is_not_built(params: Mapping[str, Any]) -> None:
    for member, feature in NOT_BUILT.items():
        if member in params:
            raise validation_error(
                f"{member} ({feature}) is part of Amazon SageMaker, but this local "
                "stand-in does not reproduce it. Leave it out, or call an endpoint "
                "on AWS."
            )


def _variant(fleet: Fleet, target: str | None, endpoint: str) -> Variant:
    if target is None:
        return fleet.draw()
    if target not in fleet.variants:
        raise validation_error(
            f"Variant {target} not found for Request; endpoint {endpoint} has "
            f"{', '.join(sorted(fleet.variants))}."
        )
    return fleet.variants[target]


def validation_error(message: str) -> AwsError:
    """The runtime's own code for a request that it refuses."""
    return AwsError("ValidationError", message, 400)
