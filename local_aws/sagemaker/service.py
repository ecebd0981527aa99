"""SageMaker's control plane as a responder."""

import asyncio
from typing import TYPE_CHECKING

from local_aws import protocol
from local_aws.messages import Request, Response
from local_aws.sagemaker import HANDLERS
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders


class ControlPlane:
    """Lets the handlers of SageMaker's operations respond, on threads."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        self._sagemaker = responders.sagemaker
        self._threads = responders.own_threads

    async def respond(self, request: Request) -> Response:
        """Respond to one request."""
        context = self._sagemaker.for_region(request.region)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, protocol.respond, request, HANDLERS, context
        )
