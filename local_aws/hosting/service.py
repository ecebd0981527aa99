"""SageMaker's runtime as a responder: InvokeEndpoint."""

import uuid
from typing import TYPE_CHECKING

from local_aws import protocol
from local_aws.hosting.invocation import ModelError
from local_aws.messages import Request, Response
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders

BUILT = frozenset({"InvokeEndpoint"})


class Runtime:
    """Sends requests on to the containers of endpoints."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        self._invoker = responders.sagemaker.invoker

    async def respond(self, request: Request) -> Response:
        """Respond to one request. Raises AwsError."""
        request_id = str(uuid.uuid4())
        _, labels = protocol.find(request, BUILT)
        try:
            status, headers, content = await self._invoker.invoke(
                request.region,
                labels["EndpointName"],
                dict(request.head.headers),
                request.body.read(),
            )
        except ModelError as error:
            status, headers, content = error.answer(request_id)
        headers = {"x-amzn-RequestId": request_id, **headers}
        return Response(status, list(headers.items()), [content])
