"""CloudWatch Logs: what moto would misunderstand or fail at."""

from collections.abc import Callable
from typing import Any

from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID
from local_aws.moto_services import filter_patterns
from local_aws.moto_services.service import MotoService

# Members with an ARN, which moto takes apart without a look.
ARNS = ("destinationArn", "resourceArn", "destinationResourceArn")
PATTERNS = ("filterPattern", "logEventFilterPattern")


class Logs(MotoService):
    """moto's CloudWatch Logs, with AWS's filter patterns."""

    def make_app(self) -> Callable:
        from local_aws.persistence import moto_patches  # imports moto

        moto_patches.patch_log_filter(filter_patterns.matcher)
        return super().make_app()

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        configuration = params.get("deliveryDestinationConfiguration", {})
        for name, value in (params | configuration).items():
            if name in ARNS and value.count(":") < 5:
                raise _invalid(f"Invalid ARN: {value}")
        for name in PATTERNS:
            filter_patterns.matcher(params.get(name, ""))
        match operation:
            case "PutDeliveryDestination" if not configuration:
                raise _invalid("deliveryDestinationConfiguration is required.")
            case "PutResourcePolicy" if not params.get("policyName"):
                raise _invalid("policyName is required.")
            case "StartQuery" if not params.keys() & {"logGroupName", "logGroupNames"}:
                raise _invalid("logGroupName or logGroupNames is required.")
            case "DescribeDestinations" if not params.get("nextToken", "0").isdecimal():
                raise _invalid("The specified nextToken is invalid.")
            case "GetQueryResults":
                self._check_query(params["queryId"])

    def _check_query(self, query_id: str) -> None:
        from moto.logs.models import logs_backends

        backends = logs_backends[ACCOUNT_ID]
        if not any(query_id in backend.queries for backend in backends.values()):
            text = "The specified query does not exist."
            raise AwsError("ResourceNotFoundException", text)


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text)
