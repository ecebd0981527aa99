"""Endpoints: created, moved to another configuration, rebalanced, deleted."""

import uuid

from local_aws.errors import validation_exception
from local_aws.hosting import transitions
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.endpoint_configs import ENDPOINT_CONFIGS
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.models import MODELS, snapshot
from local_aws.sagemaker.operations import Context, operation

ENDPOINTS = declare(
    Family(
        noun="Endpoint",
        kind="endpoint",
        not_found='Could not find endpoint "{arn}".',
        already_exists='Cannot create already existing endpoint "{arn}".',
        refused={"DeploymentConfig": "how traffic moves over"},
        transitional=frozenset(
            {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
        ),
    )
)

REFUSED_IN_UPDATE = {
    "DeploymentConfig": "how traffic moves over",
    "RetainAllVariantProperties": "keeping weights and instance counts",
    "ExcludeRetainedVariantProperties": "keeping weights and instance counts",
    "RetainDeploymentConfig": "how traffic moves over",
}

# What an endpoint can be asked for in which state (recorded errors of the service).
UPDATABLE = ("InService",)
DELETABLE = ("InService", "Failed", "OutOfService", "UpdateRollbackFailed")


@operation("CreateEndpoint")
def create_endpoint(request: dict, context: Context) -> dict:
    """Take the name and begin to deploy; it responds before the endpoint does."""
    ENDPOINTS.refuse(request)
    configuration, deployed = _deployment(request, context)
    # Its folder is named by this: an endpoint of the same name may come after it.
    record = {**request, "_id": uuid.uuid4().hex}
    transitions.begin_deployment(record, configuration, deployed, "Creating")
    response = ENDPOINTS.create(record, context)
    context.hosting.deploy(context.region, request["EndpointName"])
    return response


@operation("UpdateEndpoint")
def update_endpoint(request: dict, context: Context) -> dict:
    """Begin to deploy another configuration beside the one that serves."""
    preconditions.refuse_members(request, REFUSED_IN_UPDATE)
    name = request["EndpointName"]
    ENDPOINTS.get(name, context)  # an unknown endpoint is named first
    configuration, deployed = _deployment(request, context)

    def change(record: dict) -> None:
        _check_status(record, UPDATABLE)
        if record["EndpointConfigName"] == request["EndpointConfigName"]:
            raise validation_exception(
                f'Cannot update endpoint "{record["EndpointArn"]}" with the '
                f'configuration that it has, "{request["EndpointConfigName"]}".'
            )
        transitions.begin_deployment(record, configuration, deployed, "Updating")

    record = ENDPOINTS.update(name, context, change)
    context.hosting.deploy(context.region, name)
    return {"EndpointArn": record["EndpointArn"]}


def _deployment(request: dict, context: Context) -> tuple[dict, dict[str, dict]]:
    """The configuration's record, and each variant's model as it is now."""
    configuration = ENDPOINT_CONFIGS.get(request["EndpointConfigName"], context)
    variants = configuration["ProductionVariants"]
    preconditions.check_instances(
        sum(variant["InitialInstanceCount"] for variant in variants)
    )
    deployed = {
        variant["VariantName"]: snapshot(MODELS.get(variant["ModelName"], context))
        for variant in variants
    }
    return configuration, deployed


@operation("UpdateEndpointWeightsAndCapacities")
def update_endpoint_weights_and_capacities(request: dict, context: Context) -> dict:
    """Begin to change weights and instance counts of the endpoint's variants."""
    preconditions.refuse_members(
        request,
        {"DesiredWeightsAndCapacities.ServerlessUpdateConfig": "serverless inference"},
    )
    desired: dict[str, dict] = {}
    for number, variant in enumerate(request["DesiredWeightsAndCapacities"], start=1):
        if variant["VariantName"] in desired:
            raise validation_exception(
                f'The variant name "{variant["VariantName"]}" was non-unique within '
                "the request."
            )
        if variant.get("DesiredInstanceCount") == 0:
            # The service model allows it, for variants of inference components.
            raise validation_exception(
                "1 validation error detected: Value '0' at "
                f"'desiredWeightsAndCapacities.{number}.member.desiredInstanceCount' "
                "failed to satisfy constraint: Member must have value greater than or "
                "equal to 1"
            )
        desired[variant["VariantName"]] = variant

    def change(record: dict) -> None:
        _check_status(record, UPDATABLE)
        known = [variant["VariantName"] for variant in record["ProductionVariants"]]
        unknown = [name for name in desired if name not in known]
        if unknown:
            raise validation_exception(
                f'The variant name(s) "{", ".join(unknown)}" is/are not present within '
                f'endpoint configuration "{record["EndpointConfigName"]}".'
            )
        transitions.begin_rebalancing(record, desired)
        variants = record["ProductionVariants"]
        preconditions.check_instances(
            sum(variant["DesiredInstanceCount"] for variant in variants)
        )
        if not any(variant["DesiredWeight"] for variant in variants):
            raise validation_exception(
                "At least one production variant needs a weight above 0."
            )

    record = ENDPOINTS.update(request["EndpointName"], context, change)
    context.hosting.rebalance(context.region, request["EndpointName"])
    return {"EndpointArn": record["EndpointArn"]}


@operation("DeleteEndpoint")
def delete_endpoint(request: dict, context: Context) -> dict:
    """Begin to end the endpoint; configuration and models stay."""

    def change(record: dict) -> None:
        _check_status(record, DELETABLE)
        transitions.set_status(record, "Deleting")

    ENDPOINTS.update(request["EndpointName"], context, change)
    context.hosting.delete(context.region, request["EndpointName"])
    return {}


def _check_status(record: dict, allowed: tuple[str, ...]) -> None:
    """Raise AWS's error for a request that the endpoint's status does not allow."""
    status = record["EndpointStatus"]
    if status in allowed:
        return
    arn = record["EndpointArn"]
    if ENDPOINTS.is_transitional(record):
        raise validation_exception(f'Cannot update in-progress endpoint "{arn}".')
    raise validation_exception(
        f'Cannot update endpoint "{arn}" in status {status}. Delete it and create it '
        "again."
    )
