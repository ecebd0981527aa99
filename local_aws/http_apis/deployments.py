"""What of an API a stage serves.

A stage with AutoDeploy serves the API as it is now. Any other serves what it was when
its deployment was made: routes, integrations and CORS.
"""

import time
from collections.abc import Mapping
from typing import Any

from local_aws.http_apis import configuration
from local_aws.http_apis.configuration import DEPLOYMENT, bad

NO_ROUTES = "Unable to deploy API because no routes exist in this API"


def deploy(record: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a deployment as CreateDeployment asks for it. Raises AwsError."""
    if not record["_routes"]:
        raise bad(NO_ROUTES)
    stage = None
    if "StageName" in request:
        stage = configuration.STAGE.of(record, request["StageName"])
        if stage["AutoDeploy"]:
            raise bad(
                "Deployments of a stage with AutoDeploy are made by API Gateway: "
                f"{stage['StageName']}"
            )
    made = _new_deployment(record, False, request.get("Description"))
    made["_deployed"] = _live(record)
    if stage is not None:
        stage["DeploymentId"] = made["DeploymentId"]
        stage["LastUpdatedDate"] = time.time()
    return made


def deploy_automatically(record: dict[str, Any]) -> None:
    """Note that the stages with AutoDeploy serve a changed API."""
    for stage in record["_stages"].values():
        if not stage["AutoDeploy"]:
            continue
        old = record["_deployments"].get(stage.get("DeploymentId"))
        if not record["_routes"]:
            status = f"Deployment attempt failed: {NO_ROUTES}"
        else:
            text = configuration.AUTOMATIC
            made = _new_deployment(record, True, text)
            stage["DeploymentId"] = made["DeploymentId"]
            status = (
                "Successfully deployed stage with deployment ID "
                f"'{made['DeploymentId']}'"
            )
            if old is not None and "_deployed" not in old:
                del record["_deployments"][old["DeploymentId"]]
        stage["LastDeploymentStatusMessage"] = status


def pin(record: dict[str, Any], stage: Mapping[str, Any]) -> None:
    """A stage that AutoDeploy does not change keeps what its deployment is now."""
    made = record["_deployments"].get(stage.get("DeploymentId"))
    if made is not None and not stage["AutoDeploy"]:
        made.setdefault("_deployed", _live(record))


def _new_deployment(
    record: dict[str, Any], is_automatic: bool, description: str | None
) -> dict[str, Any]:
    id_ = configuration.new_id(record["_deployments"], DEPLOYMENT.id_length)
    made = {
        "AutoDeployed": is_automatic,
        "CreatedDate": time.time(),
        "DeploymentId": id_,
        "DeploymentStatus": "DEPLOYED",
        "Description": description,
    }
    record["_deployments"][id_] = made
    return made


def _live(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "routes": record["_routes"],
        "integrations": record["_integrations"],
        "cors": record.get("CorsConfiguration"),
    }


def deployed(
    record: Mapping[str, Any], stage: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What a stage serves; None for nothing."""
    if stage["AutoDeploy"]:
        return _live(record)
    made = record["_deployments"].get(stage.get("DeploymentId"))
    return made["_deployed"] if made else None
