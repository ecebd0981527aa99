"""What an API and its parts may be, and how they are shown.

An API is one record, so that each change of it is one transaction: what GetApi shows,
and under keys that begin with an underscore its routes, integrations, stages and
deployments by id, its Region and its port.

Sources of limits and texts: botocore's service model of apigatewayv2; API Gateway
Developer Guide, "Quotas for HTTP APIs"; errors of the real service that users have
recorded in public issues.
"""

import re
import secrets
import string
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_aws.errors import AwsError, not_reproduced
from local_aws.http_apis import cors, routing
from local_aws.installation import ACCOUNT_ID, HOST
from local_aws.services import named

KIND = "http-api"
AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"
DEFAULT = "$default"

# "Quotas for HTTP APIs".
MOST_ROUTES = 300
MOST_INTEGRATIONS = 300
MOST_STAGES = 10
MOST_TAGS = 50
MOST_VARIABLES = 100

_STAGE_NAME = re.compile(r"\$default|[a-zA-Z0-9_-]+", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]{0,512}", re.ASCII)
_FUNCTION = re.compile(
    r"(?:arn:aws[\w-]*:apigateway:[\w-]+:lambda:path/2015-03-31/functions/)?"
    r"(?P<arn>arn:aws[\w-]*:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):function:"
    r"[\w-]+(?::[$\w-]+)?)(?:/invocations)?",
    re.ASCII,
)

# What would be ignored, and what it is; a value that changes nothing is taken.
REFUSED = {
    "AccessLogSettings": "access logs",
    "ApiKeyRequired": "API keys",
    "AuthorizationScopes": "authorisers",
    "AuthorizerId": "authorisers",
    "ClientCertificateId": "client certificates",
    "ConnectionId": "VPC links",
    "ContentHandlingStrategy": "WebSocket APIs",
    "CredentialsArn": "a role that the integration takes on",
    "DisableSchemaValidation": "WebSocket APIs",
    "IntegrationSubtype": "integrations with services other than Lambda",
    "ModelSelectionExpression": "WebSocket APIs",
    "PassthroughBehavior": "WebSocket APIs",
    "RequestModels": "WebSocket APIs",
    "RequestParameters": "parameter mapping",
    "RequestTemplates": "mapping templates",
    "ResponseParameters": "parameter mapping",
    "RouteResponseSelectionExpression": "WebSocket APIs",
    "TemplateSelectionExpression": "mapping templates",
    "TlsConfig": "VPC links",
}
ONLY = {
    "ProtocolType": ("HTTP", "WebSocket APIs"),
    "AuthorizationType": ("NONE", "authorisers"),
    "ConnectionType": ("INTERNET", "VPC links"),
    "IntegrationType": ("AWS_PROXY", "integrations with anything but a function"),
    "IntegrationMethod": ("POST", "integrations with anything but a function"),
    "IpAddressType": ("ipv4", "IPv6"),
    "RouteSelectionExpression": (
        "$request.method $request.path",
        "WebSocket APIs",
    ),
    "ApiKeySelectionExpression": ("$request.header.x-api-key", "API keys"),
}
REFUSED_OF_ROUTE_SETTINGS = {
    "DataTraceEnabled": "logs of WebSocket APIs",
    "DetailedMetricsEnabled": "metrics of APIs",
    "LoggingLevel": "logs of WebSocket APIs",
}
HARMLESS = {"LoggingLevel": "OFF"}


@dataclass(frozen=True)
class Part:
    """A kind of part that an API has."""

    name: str  # as in "GetRoute"
    id_member: str
    place: str  # in the API's record
    id_length: int = 7

    def of(self, record: Mapping[str, Any], id_: str) -> dict[str, Any]:
        """The one with this id. Raises AwsError."""
        found = record[self.place].get(id_)
        if found is None:
            raise self.not_found(id_)
        return found

    def not_found(self, id_: str) -> AwsError:
        """The error for one that is not there."""
        if self.name == "Stage":
            return refused("NotFoundException", "Invalid stage identifier specified")
        return refused(
            "NotFoundException", f"Invalid {self.name} identifier specified {id_}"
        )


ROUTE = Part("Route", "RouteId", "_routes")
INTEGRATION = Part("Integration", "IntegrationId", "_integrations")
STAGE = Part("Stage", "StageName", "_stages")
DEPLOYMENT = Part("Deployment", "DeploymentId", "_deployments", 6)
PARTS = (ROUTE, INTEGRATION, STAGE, DEPLOYMENT)


def refused(code: str, message: str) -> AwsError:
    """One of API Gateway's errors, with the status that its model gives it."""
    shape = named("apigatewayv2").model.shape_for_error_code(code)
    return AwsError(code, message, shape.metadata["error"]["httpStatusCode"])


def bad(message: str) -> AwsError:
    """The error for a request that says something wrong."""
    return refused("BadRequestException", message)


def not_built(feature: str) -> AwsError:
    """The error for a part of API Gateway that the stand-in does not reproduce."""
    return bad(not_reproduced(feature, "Amazon API Gateway"))


def not_found(api_id: str) -> AwsError:
    """The error for an API that is not there."""
    text = f"Invalid API identifier specified {ACCOUNT_ID}:{api_id}"
    return refused("NotFoundException", text)


def arn_of(region: str, api_id: str, stage: str | None = None) -> str:
    """The ARN of an API, or of a stage, as the operations for tags know it."""
    arn = f"arn:aws:apigateway:{region}::/apis/{api_id}"
    return arn if stage is None else f"{arn}/stages/{stage}"


def new_id(taken: Iterable[str] = (), length: int = 10) -> str:
    """An id that is not among these."""
    taken = set(taken)
    while True:
        letters = string.ascii_lowercase + string.digits
        made = "".join(secrets.choice(letters) for _ in range(length))
        if made not in taken:
            return made


def refuse_members(request: Mapping[str, Any]) -> None:
    """Refuse what would be ignored."""
    for member, feature in REFUSED.items():
        if request.get(member):
            raise not_built(f"{member} ({feature})")
    for member, (value, feature) in ONLY.items():
        if request.get(member, value) != value:
            raise not_built(f"{member} {request[member]} ({feature})")


def check_tags(tags: Mapping[str, str]) -> None:
    if any(name.lower().startswith("aws:") for name in tags):
        raise bad("Tag keys starting with 'aws:' are reserved for system use")
    if len(tags) > MOST_TAGS:
        raise bad(f"There can be {MOST_TAGS} tags at most.")


# APIs


def new_api(region: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an API that CreateApi asks for; it has no port yet."""
    record = {
        "ApiId": new_id(),
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "CreatedDate": time.time(),
        "_region": region,
        "_routes": {},
        "_integrations": {},
        "_stages": {},
        "_deployments": {},
    }
    check_tags(request.get("Tags", {}))
    if request.get("Tags"):
        record["Tags"] = request["Tags"]
    configure_api(record, request)
    return record


def configure_api(record: dict[str, Any], request: Mapping[str, Any]) -> None:
    """Change what a request says of an API."""
    for member in ("Name", "Description", "Version", "DisableExecuteApiEndpoint"):
        if member in request:
            record[member] = request[member]
    if "CorsConfiguration" in request:
        problem = cors.problem(request["CorsConfiguration"])
        if problem:
            raise bad(problem)
        record["CorsConfiguration"] = request["CorsConfiguration"]


def endpoint_of(record: Mapping[str, Any]) -> str:
    """The address at which an API is served."""
    return f"http://{HOST}:{record['_port']}"


def shown_api(record: Mapping[str, Any]) -> dict[str, Any]:
    """An API as GetApi shows it."""
    return shown(record) | {"ApiEndpoint": endpoint_of(record)}


def shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """An API, or a part of one, without what is not shown."""
    return {
        name: datetime.fromtimestamp(value, UTC) if name.endswith("Date") else value
        for name, value in record.items()
        if not name.startswith("_")
    }


# Integrations


def function_of(uri: str) -> str:
    """The ARN of the function that an integration's URI means. Raises AwsError."""
    match = _FUNCTION.fullmatch(uri)
    if match is None:
        raise bad(
            f"Invalid integration URI specified: {uri}. An AWS_PROXY integration takes "
            "the ARN of a Lambda function."
        )
    if match["account"] != ACCOUNT_ID:
        raise not_built(f"IntegrationUri {uri} (a function of another account)")
    return match["arn"]


def new_integration(
    record: Mapping[str, Any], request: Mapping[str, Any]
) -> dict[str, Any]:
    """The integration that a request asks for."""
    if len(record["_integrations"]) >= MOST_INTEGRATIONS:
        raise _too_many("Integrations")
    if "IntegrationUri" not in request:
        raise bad("IntegrationUri is required for an AWS_PROXY integration.")
    if "PayloadFormatVersion" not in request:
        raise bad(
            "PayloadFormatVersion is a required parameter for integration. Its values "
            "for a Lambda function are 1.0 and 2.0."
        )
    integration = {
        "IntegrationId": new_id(record["_integrations"], INTEGRATION.id_length),
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "ConnectionType": "INTERNET",
        "TimeoutInMillis": 30_000,
    }
    configure_integration(integration, request)
    return integration


def configure_integration(
    integration: dict[str, Any], request: Mapping[str, Any]
) -> None:
    """Change what a request says of an integration."""
    if request.get("PayloadFormatVersion", "2.0") not in ("1.0", "2.0"):
        raise bad(
            f"Invalid PayloadFormatVersion {request['PayloadFormatVersion']}. Valid "
            "values for a Lambda function are 1.0 and 2.0."
        )
    if "IntegrationUri" in request:
        function_of(request["IntegrationUri"])
    for member in (
        "Description",
        "IntegrationUri",
        "PayloadFormatVersion",
        "TimeoutInMillis",
    ):
        if member in request:
            integration[member] = request[member]


# Routes


def new_route(record: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The route that a request asks for."""
    if len(record["_routes"]) >= MOST_ROUTES:
        raise _too_many("Routes")
    route = {
        "RouteId": new_id(record["_routes"], ROUTE.id_length),
        "AuthorizationType": "NONE",
        "ApiKeyRequired": False,
    }
    configure_route(record, route, request)
    return route


def configure_route(
    record: Mapping[str, Any], route: dict[str, Any], request: Mapping[str, Any]
) -> None:
    """Change what a request says of a route."""
    if "RouteKey" in request:
        key = routing.parse(request["RouteKey"])
        if key is None:
            raise bad(
                "The provided route key is not formatted properly for HTTP protocol. "
                'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
            )
        for other in record["_routes"].values():
            if other["RouteId"] != route["RouteId"]:
                _check_conflict(key, other["RouteKey"])
    if "Target" in request:
        kind, _, id_ = request["Target"].partition("/")
        if kind != "integrations":
            raise bad(f"Invalid target {request['Target']}: give integrations/ID.")
        INTEGRATION.of(record, id_)
    for member in ("RouteKey", "Target", "OperationName"):
        if member in request:
            route[member] = request[member]


def _check_conflict(key: routing.RouteKey, other: str) -> None:
    if key.text == other:
        raise refused(
            "ConflictException",
            f"Route with key {other} already exists for this API",
        )
    if key.shape == routing.parse(other).shape:
        raise refused(
            "ConflictException",
            f'The provided route key "{key.text}" has a conflicting variable on the '
            f'same hierarchical level as "{other}"',
        )


# Stages


def new_stage(record: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The stage that a request asks for."""
    if request["StageName"] in record["_stages"]:
        raise refused("ConflictException", "Stage already exists")
    if not _STAGE_NAME.fullmatch(request["StageName"]):
        raise bad(
            "Stage name only allows a-zA-Z0-9_- characters, or it is $default: "
            f"{request['StageName']}"
        )
    if len(record["_stages"]) >= MOST_STAGES:
        raise _too_many("Stages")
    check_tags(request.get("Tags", {}))
    stage = {
        "StageName": request["StageName"],
        "AutoDeploy": False,
        "CreatedDate": time.time(),
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "RouteSettings": {},
        "StageVariables": {},
        "Tags": request.get("Tags", {}),
    }
    configure_stage(record, stage, request)
    return stage


def configure_stage(
    record: Mapping[str, Any], stage: dict[str, Any], request: Mapping[str, Any]
) -> None:
    """Change what a request says of a stage."""
    _check_settings(request.get("DefaultRouteSettings", {}))
    keys = {route["RouteKey"] for route in record["_routes"].values()}
    for key, settings in request.get("RouteSettings", {}).items():
        if key not in keys:
            raise refused(
                "NotFoundException",
                f"Unable to find Route by key {key} within the provided RouteSettings",
            )
        _check_settings(settings)
    _check_variables(request.get("StageVariables", {}))
    for member in ("Description", "AutoDeploy"):
        if member in request:
            stage[member] = request[member]
    for member in ("DefaultRouteSettings", "RouteSettings", "StageVariables"):
        if member in request:
            # UpdateStage has no way to remove a member, so it adds to what there is;
            # DeleteRouteSettings removes a route's settings.
            stage[member] = stage[member] | request[member]
    if "DeploymentId" in request:
        if stage["AutoDeploy"]:
            raise bad("A stage with AutoDeploy chooses its deployments itself.")
        DEPLOYMENT.of(record, request["DeploymentId"])
        stage["DeploymentId"] = request["DeploymentId"]
    stage["LastUpdatedDate"] = time.time()


def _check_settings(settings: Mapping[str, Any]) -> None:
    for member, feature in REFUSED_OF_ROUTE_SETTINGS.items():
        if settings.get(member) and settings[member] != HARMLESS.get(member):
            raise not_built(f"{member} ({feature})")
    for member in ("ThrottlingBurstLimit", "ThrottlingRateLimit"):
        if settings.get(member, 0) < 0:
            raise bad(f"{member} must not be less than 0: {settings[member]}")


def _check_variables(variables: Mapping[str, str]) -> None:
    if len(variables) > MOST_VARIABLES:
        raise bad(f"There can be {MOST_VARIABLES} stage variables at most.")
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or not _VALUE.fullmatch(value):
            raise bad(f"Invalid stage variable {name}: {value}")


def _too_many(kind: str) -> AwsError:
    return bad(
        f"Maximum number of {kind} for this API has been reached. Please contact AWS "
        f"if you need additional {kind}."
    )
