"""InvokeEndpoint: from a checked request to a container and back.

Sources: botocore sagemaker-runtime service model (InvokeEndpoint); AWS page "Use Your
Own Inference Code with Hosting Services"; recorded errors of the service.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from urllib.parse import unquote

from local_aws import protocol
from local_aws.clients import Clients
from local_aws.errors import AwsError
from local_aws.hosting.engine import LOG_GROUP, HostingEngine
from local_aws.hosting.fleet import Fleet, Variant
from local_aws.hosting.instance import Instance
from local_aws.runtime.container_client import ConnectionLost, NotReached

Answer = tuple[int, dict[str, str], bytes]

# Hosting FAQs of SageMaker: 25 MB for a real-time endpoint, 60 seconds for an answer.
# The environment of the stand-in can set other limits.
MAX_PAYLOAD_BYTES = int(os.environ.get("LOCAL_AWS_MAX_PAYLOAD_MB", "25")) * 1024**2
TIMEOUT_SECONDS = float(os.environ.get("LOCAL_AWS_INVOCATION_SECONDS", "60"))

# How often a request looks for a container while the only one is being started again.
LOOK_AGAIN_SECONDS = 0.01

# Request headers and the members of InvokeEndpoint that they carry.
HEADERS = {
    "content-type": "ContentType",
    "accept": "Accept",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
    "x-amzn-sagemaker-target-model": "TargetModel",
    "x-amzn-sagemaker-target-variant": "TargetVariant",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname",
    "x-amzn-sagemaker-inference-id": "InferenceId",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-session-id": "SessionId",
    "x-amzn-sagemaker-prefix-aware-id": "PrefixAwareId",
}

NOT_BUILT = {
    "TargetModel": "several models behind one endpoint",
    "TargetContainerHostname": "several containers behind one endpoint",
    "EnableExplanations": "SageMaker Clarify's explanations",
    "InferenceComponentName": "inference components",
    "SessionId": "sessions",
    "PrefixAwareId": "prefix-aware routing",
}

# What a container is sent (all other headers are taken off).
FORWARDED = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-target-variant",
    "x-amzn-sagemaker-inference-id",
)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class ModelError(AwsError):
    """The container did not answer with success; HTTP 424."""

    def __init__(
        self, endpoint: str, region: str, account: str, status: int, text: str | None
    ) -> None:
        """`status` as the container answered (0: it did not); `text` None: too long."""
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
        )
        self.body = {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL"
            if kind == "client"
            else "INTERNAL_FAILURE_FROM_MODEL",
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
            "Message": self.message,
            "OriginalMessage": text or "",
            "OriginalStatusCode": status,
        }

    def answer(self, request_id: str) -> Answer:
        """The HTTP answer in the runtime's protocol (REST JSON)."""
        headers = {
            "x-amzn-RequestId": request_id,
            "x-amzn-ErrorType": self.code,
            "Content-Type": "application/json",
        }
        return self.status, headers, json.dumps(self.body).encode()


class Invoker:
    """Sends requests to the containers of endpoints, on the server's event loop."""

    def __init__(self, engine: HostingEngine, clients: Clients, account: str) -> None:
        self._engine = engine
        self._clients = clients
        self._account = account

    async def invoke(
        self, region: str, endpoint: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Answer one InvokeEndpoint; `headers` with names in lower case.

        Raises AwsError (ValidationError) and ModelError.
        """
        began = time.perf_counter()
        endpoint = unquote(endpoint)
        target = _check(endpoint, headers)
        fleet = await self._enter(region, endpoint)
        try:
            variant = _variant(fleet, target, endpoint)
            status, answered, content, model_seconds = await self._call(
                variant, endpoint, region, headers, body
            )
        finally:
            fleet.end()
        name = variant.deployment.variant
        self._engine.metrics.record(
            region,
            endpoint,
            name,
            len(variant.instances),
            status,
            model_seconds,
            time.perf_counter() - began - model_seconds,
        )
        if not 200 <= status < 300:
            raise ModelError(endpoint, region, self._account, status, content)
        return status, {"x-Amzn-Invoked-Production-Variant": name, **answered}, content

    def flush_metrics(self) -> None:
        """Let CloudWatch know of all invocations so far."""
        self._engine.metrics.flush(self._clients)

    async def _enter(self, region: str, endpoint: str) -> Fleet:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (fleet := self._engine.enter(region, endpoint)) is None:
            if (
                not self._engine.is_returning(region, endpoint)
                or time.monotonic() > deadline
            ):
                raise _validation_error(
                    f"Endpoint {endpoint} of account {self._account} not found."
                )
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return fleet

    async def _call(
        self,
        variant: Variant,
        endpoint: str,
        region: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, dict[str, str], bytes | str | None, float]:
        """(status, headers, content, seconds in the container).

        The content of an error is text; None if it was too long to be read.
        """
        if len(body) > MAX_PAYLOAD_BYTES:
            return 413, {}, None, 0.0
        began = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while True:
                    instance = await _healthy_instance(variant)
                    began = time.perf_counter()
                    try:
                        answer = await self._post(instance, headers, body)
                        break
                    except NotReached:
                        # It has just died and nothing was sent: another will answer.
                        await asyncio.sleep(LOOK_AGAIN_SECONDS)
                status, answered, content = answer
        except TimeoutError:
            status, answered = 0, {}
            content = (
                "Your invocation timed out while waiting for a response from container "
                "primary. Review the latency metrics for each container in Amazon "
                "CloudWatch, resolve the issue, and try again."
            )
        except ConnectionLost as error:
            # The container went away in the middle of its answer.
            status, answered = 500, {}
            content = f"The container ended before it had answered ({error})."
        else:
            if status == 413:
                content = None
            elif status >= 300:
                content = content.decode("utf-8", "replace")
        return status, answered, content, time.perf_counter() - began

    async def _post(
        self, instance: Instance, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        forwarded = {name: headers[name] for name in FORWARDED if name in headers}
        if (server := instance.server) is None:
            raise NotReached("no container")
        response = await server.invoke_async(body, forwarded)
        kept = {
            name: response.headers[name.lower()]
            for name in ("Content-Type", CUSTOM_ATTRIBUTES)
            if name.lower() in response.headers
        }
        return response.status, kept, response.content


async def _healthy_instance(variant: Variant) -> Instance:
    while (instance := variant.next_instance()) is None:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return instance


def _check(endpoint: str, headers: Mapping[str, str]) -> str | None:
    """Check the request by the service model; returns TargetVariant."""
    members = {
        member: headers[header]
        for header, member in HEADERS.items()
        if header in headers
    }
    try:
        protocol.check_invocation({"EndpointName": endpoint, **members})
    except AwsError as error:
        raise _validation_error(error.message) from error
    for member, feature in NOT_BUILT.items():
        if member in members:
            raise _validation_error(
                f"{member} ({feature}) is part of Amazon SageMaker, but this local "
                "stand-in does not reproduce it. Leave it out, or call an endpoint "
                "on AWS."
            )
    return members.get("TargetVariant")


def _variant(fleet: Fleet, target: str | None, endpoint: str) -> Variant:
    if target is None:
        return fleet.draw()
    if target not in fleet.variants:
        raise _validation_error(
            f"Variant {target} not found for Request; endpoint {endpoint} has "
            f"{', '.join(sorted(fleet.variants))}."
        )
    return fleet.variants[target]


def _validation_error(message: str) -> AwsError:
    """The runtime's own code for a request that it refuses."""
    return AwsError("ValidationError", message, 400)
