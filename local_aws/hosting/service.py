"""SageMaker's runtime as a responder: InvokeEndpoint."""

import asyncio
import uuid
from typing import TYPE_CHECKING

from local_aws import protocol
from local_aws.errors import AwsError
from local_aws.hosting.invocation import FORWARDED, validation_error
from local_aws.messages import Request, Response
from local_aws.protocol.model import wire_name
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders

BUILT = frozenset({"InvokeEndpoint"})


class Runtime:
    """Sends requests on to the containers of endpoints."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        self._invoker = responders.sagemaker.invoker
        # The metrics, while CloudWatch still responds.
        responders.on_stop(lambda: asyncio.to_thread(self._invoker.flush_metrics))

    async def respond(self, request: Request) -> Response:
        """Respond to one request, on the event loop."""
        request_id = str(uuid.uuid4())
        try:
            operation, params = protocol.read(request, BUILT)
            members = operation.input_shape.members
            headers = {
                wire_name(member, members[member]).lower(): params[member]
                for member in FORWARDED
                if member in params
            }
            result = await self._invoker.invoke(request.region, params, headers)
            return protocol.write(result, operation, request, request_id)
        except AwsError as error:
            if error.code == "ValidationException":  # not this service's word for it
                error = validation_error(error.message)
            return protocol.failure(error, request, request_id)
