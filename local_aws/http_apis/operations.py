"""API Gateway's operations for HTTP APIs: each is a function of request and context.

They return the members of their output, or raise AwsError.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local_aws import protocol
from local_aws.http_apis import configuration, deployments
from local_aws.http_apis.apis import Apis
from local_aws.http_apis.configuration import (
    DEPLOYMENT,
    INTEGRATION,
    KIND,
    PARTS,
    ROUTE,
    STAGE,
    Part,
    bad,
    refused,
    shown,
)
from local_aws.persistence.resources import NotFound

PAGE = 100
_ARN = re.compile(
    r"arn:aws[\w-]*:apigateway:(?P<region>[\w-]+)::/apis/(?P<api>[^/]+)"
    r"(?:/stages/(?P<stage>[^/]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Context:
    """One request's surroundings."""

    region: str
    apis: Apis

    def get(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The record of the API that a request is about. Raises AwsError."""
        try:
            return self.apis.resources.get(self.region, KIND, request["ApiId"])
        except NotFound:
            raise configuration.not_found(request["ApiId"]) from None

    def update(
        self, request: Mapping[str, Any], change: Callable[[dict], Any]
    ) -> dict[str, Any]:
        """Change an API, all at once or not at all, and serve it as it is then."""
        try:
            return self.apis.update(self.region, request["ApiId"], change)
        except NotFound:
            raise configuration.not_found(request["ApiId"]) from None


Handler = Callable[[dict, Context], dict | None]
HANDLERS: dict[str, Handler] = {}
operation = protocol.registered_in(HANDLERS)


# APIs


@operation("CreateApi")
def create_api(request: dict, context: Context) -> dict:
    """Make an API; with a Target it has a route and a stage at once."""
    if request["ProtocolType"] != "HTTP":
        raise configuration.not_built("ProtocolType WEBSOCKET (WebSocket APIs)")
    configuration.refuse_members(request)
    record = configuration.new_api(context.region, request)
    if "Target" in request:
        _create_quickly(record, request)
    elif "RouteKey" in request:
        raise bad("RouteKey needs a Target, the ARN of a function.")
    context.apis.create(context.region, record)
    return configuration.shown_api(record)


def _create_quickly(record: dict, request: Mapping[str, Any]) -> None:
    integration = configuration.new_integration(
        record, {"IntegrationUri": request["Target"], "PayloadFormatVersion": "2.0"}
    )
    record["_integrations"][integration["IntegrationId"]] = integration
    route = configuration.new_route(
        record,
        {
            "RouteKey": request.get("RouteKey", configuration.DEFAULT),
            "Target": f"integrations/{integration['IntegrationId']}",
        },
    )
    record["_routes"][route["RouteId"]] = route
    stage = configuration.new_stage(
        record, {"StageName": configuration.DEFAULT, "AutoDeploy": True}
    )
    record["_stages"][stage["StageName"]] = stage
    for made in (integration, route, stage):
        made["ApiGatewayManaged"] = True
    deployments.deploy_automatically(record)


@operation("GetApi")
def get_api(request: dict, context: Context) -> dict:
    """An API with its address."""
    return configuration.shown_api(context.get(request))


@operation("GetApis")
def get_apis(request: dict, context: Context) -> dict:
    """A page of the Region's APIs, the oldest first."""
    records = [
        record
        for region, _, record in context.apis.resources.all_records(KIND)
        if region == context.region
    ]
    records.sort(key=lambda record: (record["CreatedDate"], record["ApiId"]))
    return _page(list(map(configuration.shown_api, records)), request)


@operation("UpdateApi")
def update_api(request: dict, context: Context) -> dict:
    """Change an API."""
    configuration.refuse_members(request)
    for member in ("Target", "RouteKey"):
        if member in request:
            raise configuration.not_built(
                f"{member} of UpdateApi (a change of what quick create has made)"
            )

    def change(record: dict) -> None:
        configuration.configure_api(record, request)
        if "CorsConfiguration" in request:
            deployments.deploy_automatically(record)

    return configuration.shown_api(context.update(request, change))


@operation("DeleteApi")
def delete_api(request: dict, context: Context) -> None:
    """Delete an API with all that it has; nothing is served at its port any more."""
    try:
        context.apis.delete(context.region, request["ApiId"])
    except NotFound:
        raise configuration.not_found(request["ApiId"]) from None


@operation("DeleteCorsConfiguration")
def delete_cors_configuration(request: dict, context: Context) -> None:
    """Leave CORS to the functions."""

    def change(record: dict) -> None:
        record.pop("CorsConfiguration", None)
        deployments.deploy_automatically(record)

    context.update(request, change)


# What is the same for all parts


def _register_reading(part: Part) -> None:
    @operation(f"Get{part.name}")
    def get(request: dict, context: Context) -> dict:
        return shown(part.of(context.get(request), request[part.id_member]))

    @operation(f"Get{part.name}s")
    def get_all(request: dict, context: Context) -> dict:
        found = context.get(request)[part.place].values()
        return _page(list(map(shown, found)), request)


for _part in PARTS:
    _register_reading(_part)


def _add(
    request: dict,
    context: Context,
    part: Part,
    make: Callable[[dict, dict], dict],
) -> dict:
    """Give an API a part more."""
    made = []

    def change(record: dict) -> None:
        new = make(record, request)
        record[part.place][new[part.id_member]] = new
        deployments.deploy_automatically(record)
        made.append(new)

    context.update(request, change)
    return shown(made[0])


def _change(
    request: dict,
    context: Context,
    part: Part,
    configure: Callable[[dict, dict], None],
) -> dict:
    """Change a part; `configure(record, part)` does it."""

    def change(record: dict) -> None:
        configure(record, part.of(record, request[part.id_member]))
        deployments.deploy_automatically(record)

    record = context.update(request, change)
    return shown(record[part.place][request[part.id_member]])


def _remove(
    request: dict,
    context: Context,
    part: Part,
    check: Callable[[dict, dict], None] = lambda record, found: None,
) -> None:
    def change(record: dict) -> None:
        id_ = request[part.id_member]
        check(record, part.of(record, id_))
        del record[part.place][id_]
        deployments.deploy_automatically(record)

    context.update(request, change)


# Integrations


@operation("CreateIntegration")
def create_integration(request: dict, context: Context) -> dict:
    """Give an API a function that its routes can lead to."""
    configuration.refuse_members(request)
    return _add(request, context, INTEGRATION, configuration.new_integration)


@operation("UpdateIntegration")
def update_integration(request: dict, context: Context) -> dict:
    """Change an integration."""
    configuration.refuse_members(request)
    return _change(
        request,
        context,
        INTEGRATION,
        lambda record, found: configuration.configure_integration(found, request),
    )


@operation("DeleteIntegration")
def delete_integration(request: dict, context: Context) -> None:
    """Delete an integration that no route leads to."""

    def check(record: dict, found: dict) -> None:
        target = f"integrations/{found['IntegrationId']}"
        routes = [
            route["RouteId"]
            for route in record["_routes"].values()
            if route.get("Target") == target
        ]
        if routes:
            raise refused(
                "ConflictException",
                "Cannot delete Integration because it is referenced by the following "
                f"Routes with Ids: [{', '.join(routes)}]",
            )

    _remove(request, context, INTEGRATION, check)


# Routes


@operation("CreateRoute")
def create_route(request: dict, context: Context) -> dict:
    """Give an API a route."""
    configuration.refuse_members(request)
    return _add(request, context, ROUTE, configuration.new_route)


@operation("UpdateRoute")
def update_route(request: dict, context: Context) -> dict:
    """Change a route."""
    configuration.refuse_members(request)
    return _change(
        request,
        context,
        ROUTE,
        lambda record, found: configuration.configure_route(record, found, request),
    )


@operation("DeleteRoute")
def delete_route(request: dict, context: Context) -> None:
    """Delete a route."""
    _remove(request, context, ROUTE)


# Stages


@operation("CreateStage")
def create_stage(request: dict, context: Context) -> dict:
    """Give an API a stage: $default at its root, any other below its name."""
    configuration.refuse_members(request)

    def make(record: dict, request: dict) -> dict:
        stage = configuration.new_stage(record, request)
        deployments.pin(record, stage)
        return stage

    return _add(request, context, STAGE, make)


@operation("UpdateStage")
def update_stage(request: dict, context: Context) -> dict:
    """Change a stage."""
    configuration.refuse_members(request)

    def configure(record: dict, stage: dict) -> None:
        configuration.configure_stage(record, stage, request)
        deployments.pin(record, stage)

    return _change(request, context, STAGE, configure)


@operation("DeleteStage")
def delete_stage(request: dict, context: Context) -> None:
    """Delete a stage."""
    _remove(request, context, STAGE)


@operation("DeleteRouteSettings")
def delete_route_settings(request: dict, context: Context) -> None:
    """Let a route have the settings of its stage."""

    def configure(record: dict, stage: dict) -> None:
        if stage["RouteSettings"].pop(request["RouteKey"], None) is None:
            text = f"Unable to find Route by key {request['RouteKey']}"
            raise refused("NotFoundException", text)

    _change(request, context, STAGE, configure)


# Deployments


@operation("CreateDeployment")
def create_deployment(request: dict, context: Context) -> dict:
    """Keep what an API is now, for stages without AutoDeploy."""
    made = []
    context.update(
        request, lambda record: made.append(deployments.deploy(record, request))
    )
    return shown(made[0])


@operation("UpdateDeployment")
def update_deployment(request: dict, context: Context) -> dict:
    """Change what is said of a deployment."""

    def change(record: dict) -> None:
        found = DEPLOYMENT.of(record, request["DeploymentId"])
        found["Description"] = request.get("Description", found["Description"])

    record = context.update(request, change)
    return shown(record["_deployments"][request["DeploymentId"]])


@operation("DeleteDeployment")
def delete_deployment(request: dict, context: Context) -> None:
    """Delete a deployment that no stage serves."""

    def change(record: dict) -> None:
        id_ = request["DeploymentId"]
        DEPLOYMENT.of(record, id_)
        if any(s.get("DeploymentId") == id_ for s in record["_stages"].values()):
            raise bad(
                "Active stages pointing to this deployment must be moved or deleted"
            )
        del record["_deployments"][id_]

    context.update(request, change)


# Tags


@operation("TagResource")
def tag_resource(request: dict, context: Context) -> None:
    """Add or overwrite tags of an API or a stage."""

    def change(tags: dict[str, str]) -> None:
        tags |= request.get("Tags", {})
        configuration.check_tags(tags)

    _change_tags(request, context, change)


@operation("UntagResource")
def untag_resource(request: dict, context: Context) -> None:
    """Remove tags of an API or a stage."""

    def change(tags: dict[str, str]) -> None:
        for key in request["TagKeys"]:
            tags.pop(key, None)

    _change_tags(request, context, change)


@operation("GetTags")
def get_tags(request: dict, context: Context) -> dict:
    """The tags of an API or a stage."""
    api_id, stage = _tagged(request["ResourceArn"], context)
    record = context.get({"ApiId": api_id})
    return {"Tags": _of_tags(record, stage).get("Tags", {})}


def _change_tags(
    request: dict, context: Context, change_tags: Callable[[dict[str, str]], None]
) -> None:
    api_id, stage = _tagged(request["ResourceArn"], context)

    def change(record: dict) -> None:
        change_tags(_of_tags(record, stage).setdefault("Tags", {}))

    context.update({"ApiId": api_id}, change)


def _of_tags(record: dict, stage: str | None) -> dict:
    return record if stage is None else STAGE.of(record, stage)


def _tagged(arn: str, context: Context) -> tuple[str, str | None]:
    """The API, and the stage, with this ARN."""
    match = _ARN.fullmatch(arn)
    if match is None or match["region"] != context.region:
        raise bad(f"Invalid resource ARN specified: {arn}")
    return match["api"], match["stage"] and unquote(match["stage"])


# Pages


def _page(items: list[dict], request: Mapping[str, Any]) -> dict:
    """The part of a list that a request asks for."""
    start = _start(request.get("NextToken"))
    size = PAGE
    if "MaxResults" in request:
        text = request["MaxResults"]
        is_number = text.isascii() and text.isdigit() and len(text) < 9
        size = int(text) if is_number else 0
        if size < 1:
            raise bad(f"Invalid value for maxResults: {text}")
    end = start + size
    token = None
    if end < len(items):
        token = base64.urlsafe_b64encode(json.dumps(end).encode()).decode()
    return {"Items": items[start:end], "NextToken": token}


def _start(token: str | None) -> int:
    if token is None:
        return 0
    with suppress(binascii.Error, ValueError, RecursionError):
        start = json.loads(base64.b64decode(token.encode(), b"-_", validate=True))
        if isinstance(start, int) and start >= 0:
            return start
    raise bad("Invalid NextToken")
