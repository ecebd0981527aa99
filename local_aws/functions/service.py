"""Lambda as a responder."""

import asyncio
import base64
import json
import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws import protocol
from local_aws.functions import configuration
from local_aws.functions.configuration import refused
from local_aws.functions.events import Events
from local_aws.functions.invocations import (
    LARGEST_EVENT,
    Functions,
    Result,
    tail_of,
)
from local_aws.functions.operations import HANDLERS, Context, Settling
from local_aws.messages import Request, Response
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders

API = "/2015-03-31/functions"
# Not an operation of Lambda's: where the address leads that GetFunction gives.
ZIP = re.compile(rf"{API}/([^/]+)/code")
# "GetFunction", Lambda API Reference: the address is good for ten minutes.
LOCATION_SECONDS = 600


class Lambda:
    """Lets the handlers of Lambda's operations respond, and runs functions."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        sagemaker, installation = responders.sagemaker, responders.installation
        self._threads = responders.own_threads
        self._endpoint = installation.endpoint
        self._keys = Credentials(
            installation.access_key_id, installation.secret_access_key
        )
        self.functions = Functions(
            sagemaker.resources,
            sagemaker.clients,
            installation.home / "functions",
        )
        self._settling = Settling(self.functions)
        self._settling.restore()
        self._events = Events(self.functions)
        self._events.restore()
        responders.on_stop(self._stop)

    async def _stop(self) -> None:
        self._events.close()
        self._settling.close()
        await asyncio.to_thread(self.functions.close)

    async def respond(self, request: Request) -> Response:
        """Respond to one request."""
        head = request.head
        if head.method == "GET" and (match := ZIP.fullmatch(head.raw_path)):
            return await self._on_thread(self._zip, request, unquote(match[1]))
        found = request.service.model.find_operation(head.method, head.raw_path)
        if found is not None and found[0].name == "Invoke":
            return await self._invoke(request)
        return await self._on_thread(self._handle, request)

    async def _on_thread(self, call: Any, *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

    def _handle(self, request: Request) -> Response:
        context = Context(
            request.region,
            self.functions,
            self._settling,
            request.head.is_from_waiter,
            request.body.size,
            lambda name: self._location(request.region, name),
        )
        return protocol.handle(request, HANDLERS, context).response

    async def _invoke(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            operation, params = protocol.read(request, {"Invoke"})
            result = await self._result_of(request, params, request_id)
            return protocol.write(result, operation, request, request_id)
        except Exception as error:  # noqa: BLE001 - failure() logs it
            return protocol.failure(error, request, request_id)

    async def _result_of(
        self, request: Request, params: dict, request_id: str
    ) -> dict[str, Any]:
        record, event = await self._on_thread(self._read, request, params)
        kind = params.get("InvocationType", "RequestResponse")
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            await self._on_thread(self._events.accept, record, event, request_id)
            return {"StatusCode": 202}
        context = _client_context(params.get("ClientContext", ""))
        running = self.functions.start(record, event, request_id, context)
        result: Result = await asyncio.wrap_future(running)
        shown = {
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
            "FunctionError": result.function_error,
            "Payload": result.payload,
        }
        if params.get("LogType") == "Tail":
            shown["LogResult"] = tail_of(result)
        return shown

    def _read(self, request: Request, params: dict) -> tuple[dict, bytes]:
        """The function that is meant and its event. Raises AwsError."""
        function = params["FunctionName"]
        configuration.check_region(function, request.region)
        place = configuration.place_of(
            function, request.region, params.get("Qualifier")
        )
        if request.body.size > LARGEST_EVENT:
            raise configuration.too_large("InvokeFunction", LARGEST_EVENT)
        for member in ("TenantId", "DurableExecutionName"):
            if member in params:
                raise configuration.not_built(f"{member} (a kind of invocation)")
        event = params.get("Payload") or b"{}"
        try:
            json.loads(event)
        except (ValueError, RecursionError) as error:
            raise refused(
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            ) from error
        record = self.functions.get(*place)
        if record["LastUpdateStatus"] == "InProgress":
            record = self._settling.wait(*place)
        return record, event

    def _location(self, region: str, name: str) -> str:
        """The address at which a function's zip can be had for a while."""
        url = f"{self._endpoint}{API}/{quote(name)}/code"
        made = AWSRequest("GET", url)
        SigV4QueryAuth(self._keys, "lambda", region, LOCATION_SECONDS).add_auth(made)
        return made.url

    def _zip(self, request: Request, name: str) -> Response:
        request_id = str(uuid.uuid4())
        try:
            record = self.functions.get(request.region, name)
            content = self.functions.code.zip(record["_code"])
        except Exception as error:  # noqa: BLE001 - failure() logs it
            return protocol.failure(error, request, request_id)
        return Response(200, [("Content-Type", "application/zip")], [content])


def _client_context(text: str) -> str:
    """What a client says of itself, as the runtime gets it. Raises AwsError."""
    if not text:
        return ""
    try:
        return json.dumps(dict(json.loads(base64.b64decode(text, validate=True))))
    except (ValueError, TypeError, RecursionError):
        raise refused(
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        ) from None
