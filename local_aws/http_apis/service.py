"""API Gateway as a responder."""

import asyncio
import uuid
from typing import TYPE_CHECKING

from local_aws import errors, protocol
from local_aws.errors import AwsError
from local_aws.http_apis.apis import Apis
from local_aws.http_apis.configuration import bad
from local_aws.http_apis.operations import HANDLERS, Context
from local_aws.messages import Request, Response
from local_aws.services import Service, named

if TYPE_CHECKING:
    from local_aws.server.responders import Responders


class HttpApis:
    """Lets the handlers of API Gateway's operations respond, and serves the APIs."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        self._threads = responders.own_threads
        self._apis: Apis | None = None
        responders.on_stop(self._stop)  # before Lambda says so
        self._apis = Apis(
            responders.sagemaker.resources,
            responders.of(named("lambda")).functions,
            responders.installation.temporary_folder,
        )
        self._apis.restore()

    async def _stop(self) -> None:
        if self._apis is not None:  # else the server ends while it is still starting
            await asyncio.to_thread(self._apis.close)

    async def respond(self, request: Request) -> Response:
        """Respond to one request."""
        if not request.head.raw_path.startswith("/v2/"):
            # REST APIs are a service of their own, which signs in the same name.
            called = f"{request.head.method} {request.head.raw_path}"
            raise errors.not_built("API Gateway's REST APIs", called)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._handle, request)

    def _handle(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            operation, params = _read(request)
            context = Context(request.region, self._apis)
            result = HANDLERS[operation.name](params, context)
            return protocol.write(result, operation, request, request_id)
        except Exception as error:  # noqa: BLE001 - failure() logs it
            return protocol.failure(error, request, request_id)


def _read(request: Request) -> tuple:
    try:
        return protocol.read(request, HANDLERS)
    except AwsError as error:
        if error.code == "ValidationException":  # which this service calls so
            raise bad(error.message) from error
        raise
