"""SageMaker's control plane as a responder."""

import asyncio
from typing import TYPE_CHECKING

from local_aws import protocol
from local_aws.messages import Request, Response
from local_aws.protocol import Handled
from local_aws.sagemaker import HANDLERS
from local_aws.sagemaker.families import DESCRIBED
from local_aws.sagemaker.transform_jobs import TRANSFORM_JOBS
from local_aws.sagemaker.waiting import Described, Waiting
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
        handled = await self._handle(request)
        shown = _described(request, handled)
        if shown is not None and await self._waiting.hold(request, shown):
            handled = await self._handle(request)
            shown = _described(request, handled)
        if shown is not None:
            self._waiting.responded(request, shown)
        if handled.operation == "CreateTransformJob":
            key = TRANSFORM_JOBS.key(handled.params, request.region)
            self._waiting.made_transform_job(request, key)
        return handled.response

    async def _handle(self, request: Request) -> Handled:
        context = self._sagemaker.for_region(request.region)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, protocol.handle, request, HANDLERS, context
        )


def _described(request: Request, handled: Handled) -> Described | None:
    """The resource that is shown, if the operation is a Describe of a family."""
    family = DESCRIBED.get(handled.operation)
    if family is None:
        return None
    shown = handled.result
    return Described(
        family.key(handled.params, request.region),
        shown["CreationTime"],
        shown.get(family.status_member),
        family.is_transitional(shown),
        shown.get(family.progress),
    )
