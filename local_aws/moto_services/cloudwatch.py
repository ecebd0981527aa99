"""CloudWatch: the metrics of endpoints are handed to it when somebody looks."""

import asyncio

from local_aws.messages import Request, Response
from local_aws.moto_services.service import MotoService


class CloudWatch(MotoService):
    """moto's CloudWatch."""

    async def respond(self, request: Request) -> Response:
        if request.head.target[1] != "PutMetricData":
            # On other threads than moto's, which have to serve what is put here.
            await asyncio.get_running_loop().run_in_executor(
                self._responders.own_threads,
                self._responders.sagemaker.invoker.flush_metrics,
            )
        return await super().respond(request)
