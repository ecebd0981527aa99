"""SageMaker's control plane as a responder."""

import asyncio
from typing import TYPE_CHECKING

from local_aws import protocol
from local_aws.messages import Request, Response
from local_aws.sagemaker import HANDLERS
from local_aws.sagemaker.families import DESCRIBED
from local_aws.sagemaker.waiting import Described, Waiting, described
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders


class ControlPlane:
    """Lets the handlers of SageMaker's operations respond, on threads."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        self._sagemaker = responders.sagemaker
        self._threads = responders.own_threads
        self._waiting = Waiting(self._sagemaker.resources, self._threads)
        responders.on_stop(self._waiting.release)

    async def respond(self, request: Request) -> Response:
        """Respond to one request; to a Describe when there is something to say."""
        response, shown = await self._handle(request)
        if shown is not None and await self._waiting.hold(request, shown):
            response, shown = await self._handle(request)
        if shown is not None:
            self._waiting.answered(request, shown)
        return response

    async def _handle(self, request: Request) -> tuple[Response, Described | None]:
        """The response, and the resource that it shows if it is a Describe's."""
        context = self._sagemaker.for_region(request.region)
        handled = await asyncio.get_running_loop().run_in_executor(
            self._threads, protocol.handle, request, HANDLERS, context
        )
        if handled.operation not in DESCRIBED:
            return handled.response, None
        shown = described(
            handled.operation, request.region, handled.params, handled.result
        )
        return handled.response, shown
