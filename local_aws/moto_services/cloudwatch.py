"""CloudWatch: the metrics of endpoints are handed to it when somebody looks."""

import asyncio
import json
from typing import Any

from local_aws.errors import AwsError
from local_aws.messages import Request, Response
from local_aws.moto_services.service import MotoService

# Data points (GetMetricStatistics and GetMetricData, botocore service model).
MOST_POINTS = 1_440
MOST_POINTS_OF_METRIC_DATA = 100_800


class CloudWatch(MotoService):
    """moto's CloudWatch."""

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        if operation == "PutDashboard":
            try:
                json.loads(params["DashboardBody"])
            except (ValueError, RecursionError):
                text = "The field DashboardBody must be a valid JSON object"
                raise AwsError("InvalidParameterInput", text) from None

        if operation == "GetMetricStatistics":
            span = params["EndTime"] - params["StartTime"]
            points = int(span.total_seconds() // params["Period"])
            if points > MOST_POINTS:
                raise AwsError(
                    "InvalidParameterCombination",
                    f"You have requested up to {points:,} datapoints, which exceeds "
                    f"the limit of {MOST_POINTS:,}. You may reduce the datapoints "
                    "requested by increasing Period, or decreasing the time range.",
                )
        if operation == "GetMetricData":
            # As many are more than AWS sends; moto would look at each, taking turns.
            span = (params["EndTime"] - params["StartTime"]).total_seconds()
            stats = [q.get("MetricStat", q) for q in params["MetricDataQueries"]]
            points = sum(span // stat.get("Period", 60) for stat in stats)
            if points > MOST_POINTS_OF_METRIC_DATA:
                text = "The requested time range has too many data points."
                raise AwsError("ValidationError", text)

    async def respond(self, request: Request) -> Response:
        if request.head.target[1] != "PutMetricData":
            # On other threads than moto's, which have to serve what is put here.
            await asyncio.get_running_loop().run_in_executor(
                self._responders.own_threads,
                self._responders.sagemaker.invoker.flush_metrics,
            )
        return await super().respond(request)
