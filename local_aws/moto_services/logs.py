"""CloudWatch Logs: what moto would misunderstand or fail at."""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID
from local_aws.messages import Request
from local_aws.moto_services import filter_patterns
from local_aws.moto_services.service import MotoService
from local_aws.persistence.blobs import Content
from local_aws.protocol import requests

# Members with an ARN, which moto takes apart without a look.
ARNS = ("destinationArn", "resourceArn", "destinationResourceArn")
TOKEN = re.compile("[0-9]{1,10}")  # of moto's own
PATTERNS = ("filterPattern", "logEventFilterPattern")
# Operations on one log group, which is given by its name or by its identifier.
OF_ONE_GROUP = ("DescribeLogStreams", "FilterLogEvents", "GetLogEvents")
# Latest events first needs a startTime from here on (botocore logs model).
FIRST_OF_LATEST_FIRST = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
NO_STREAM = ":"  # a name that no log stream can have


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
        if operation in OF_ONE_GROUP:
            given = params.keys() & {"logGroupName", "logGroupIdentifier"}
            if len(given) != 1:
                text = "Exactly one of logGroupName and logGroupIdentifier is required."
                raise _invalid(text)
        if operation == "FilterLogEvents":
            _check_filter(params)
        match operation:
            case "PutDeliveryDestination" if not configuration:
                raise _invalid("deliveryDestinationConfiguration is required.")
            case "PutResourcePolicy" if not params.get("policyName"):
                raise _invalid("policyName is required.")
            case "StartQuery" if not params.keys() & {"logGroupName", "logGroupNames"}:
                raise _invalid("logGroupName or logGroupNames is required.")
            case "DescribeDestinations" if not TOKEN.fullmatch(
                params.get("nextToken", "0")
            ):
                raise _invalid("The specified nextToken is invalid.")
            case "GetQueryResults":
                self._check_query(params["queryId"])

    def environ(self, request: Request, upload: Content | None) -> dict[str, Any]:
        """The request as moto understands it: no nulls, a log group's name, and so on.

        A null is a member that is not there; moto takes it for the value.
        """
        environ = super().environ(request, upload)
        operation = request.head.target[1]
        body = requests.unpacked_body(request)
        request.body.file.seek(0)
        if operation in OF_ONE_GROUP or b"null" in body:
            params = _without_nulls(json.loads(body))
            if "logGroupIdentifier" in params and operation in OF_ONE_GROUP:
                identifier = params.pop("logGroupIdentifier")
                params["logGroupName"] = _group_name(identifier, request.region)
            if operation == "FilterLogEvents":
                _translate_filter(params, request.region)
            body = json.dumps(params).encode()
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_CONTENT_ENCODING", None)
        return environ

    def _check_query(self, query_id: str) -> None:
        from moto.logs.models import logs_backends

        with self.lock:
            backends = logs_backends[ACCOUNT_ID].values()
            is_known = any(query_id in backend.queries for backend in backends)
        if not is_known:
            text = "The specified query does not exist."
            raise AwsError("ResourceNotFoundException", text)


def _check_filter(params: dict[str, Any]) -> None:
    """Raise AwsError for what FilterLogEvents does not take. The texts are ours."""
    if params.keys() >= {"logStreamNames", "logStreamNamePrefix"}:
        text = "logStreamNames and logStreamNamePrefix can't be given together."
        raise _invalid(text)
    if params.get("startFromHead", True):
        return
    if params.get("startTime", 0) < FIRST_OF_LATEST_FIRST:
        text = "startFromHead=false requires a startTime on or after January 1, 2024."
        raise _invalid(text)
    raise _invalid(
        "The local stand-in for AWS does not know startFromHead=false in "
        "FilterLogEvents. Run this step in AWS mode, or reverse the events in Python."
    )


def _translate_filter(params: dict[str, Any], region: str) -> None:
    """What moto does not read of FilterLogEvents, in terms that it does."""
    from moto.logs.models import logs_backends

    params["interleaved"] = True  # whatever was sent, since 2019 (botocore logs model)
    prefix = params.pop("logStreamNamePrefix", None)
    group = logs_backends[ACCOUNT_ID][region].groups.get(params["logGroupName"])
    if prefix is not None and group is not None:
        names = [name for name in group.streams if name.startswith(prefix)]
        params["logStreamNames"] = names or [NO_STREAM]


def _group_name(identifier: str, region: str) -> str:
    """The name of the log group with this name or ARN. Raises AwsError."""
    if not identifier.startswith("arn:"):
        return identifier
    prefix = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:"
    if not identifier.startswith(prefix):
        text = "The specified log group does not exist."
        raise AwsError("ResourceNotFoundException", text)
    return identifier.removeprefix(prefix)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = value.items()
        return {name: _without_nulls(v) for name, v in pairs if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text)
