"""CloudWatch: the metrics of endpoints are handed to it when somebody looks."""

import asyncio
import json
from typing import Any

from local_aws.errors import AwsError
from local_aws.messages import Request, Response
from local_aws.moto_services.service import MotoService


class CloudWatch(MotoService):
    """moto's CloudWatch."""

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        if operation == "PutDashboard":
            try:
                json.loads(params["DashboardBody"])
            except (ValueError, RecursionError):
                text = "The field DashboardBody must be a valid JSON object"
                raise AwsError("InvalidParameterInput", text) from None

    async def respond(self, request: Request) -> Response:
        if request.head.target[1] != "PutMetricData":
            # On other threads than moto's, which have to serve what is put here.
            await asyncio.get_running_loop().run_in_executor(
                self._responders.own_threads,
                self._responders.sagemaker.invoker.flush_metrics,
            )
        return await super().respond(request)
