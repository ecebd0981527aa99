"""CreateEndpoint, DescribeEndpoint, ListEndpoints, UpdateEndpoint,
UpdateEndpointWeightsAndCapacities, DeleteEndpoint.
"""

import time
import uuid
from collections.abc import Callable

from local_aws.errors import AwsError, validation_exception
from local_aws.hosting import transitions
from local_aws.hosting.transitions import KIND
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoint_configs import get_endpoint_config
from local_aws.sagemaker.models import get_model, model_data_uri
from local_aws.sagemaker.records import described, summary
from local_aws.sagemaker.tags import tags_of_request


def create_endpoint(request: dict, context: Context) -> dict:
    """Take the name and begin to deploy; it answers before the endpoint does."""
    preconditions.refuse_members(
        request, {"DeploymentConfig": "how traffic moves over"}
    )
    configuration = get_endpoint_config(request["EndpointConfigName"], context)
    name = request["EndpointName"]
    arn = context.arn(KIND, name)
    record = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": request["EndpointConfigName"],
        "CreationTime": time.time(),
        "_arn": arn,
        "_id": uuid.uuid4().hex,
    }
    transitions.begin_deployment(
        record, configuration, _models(configuration, context), "Creating"
    )
    try:
        context.resources.create(
            context.region, KIND, name, record, arn, tags_of_request(request)
        )
    except AlreadyExists as error:
        raise validation_exception(
            f'Cannot create already existing endpoint "{arn}".'
        ) from error
    context.hosting.deploy(context.region, name)
    return {"EndpointArn": arn}


def _models(configuration: dict, context: Context) -> dict[str, dict]:
    """Image, artifact and environment by variant; raises ValidationException."""
    models = {}
    for variant in configuration["ProductionVariants"]:
        container = get_model(variant["ModelName"], context)["PrimaryContainer"]
        models[variant["VariantName"]] = {
            "image": container["Image"],
            "uri": model_data_uri(container),
            "environment": container.get("Environment", {}),
        }
    return models


def _not_found(name: str, context: Context) -> AwsError:
    return validation_exception(f'Could not find endpoint "{context.arn(KIND, name)}".')


def _update(name: str, context: Context, change: Callable[[dict], None]) -> dict:
    try:
        return context.resources.update(context.region, KIND, name, change)
    except NotFound as error:
        raise _not_found(name, context) from error


def describe_endpoint(request: dict, context: Context) -> dict:
    """The endpoint's record."""
    name = request["EndpointName"]
    try:
        record = context.resources.get(context.region, KIND, name)
    except NotFound as error:
        raise _not_found(name, context) from error
    return described(record)


def list_endpoints(request: dict, context: Context) -> dict:
    """A page of endpoints."""
    records, token = pagination.page(
        context.resources.records(context.region, KIND),
        request,
        name="EndpointName",
        status="EndpointStatus",
    )
    members = (
        "EndpointName",
        "EndpointArn",
        "CreationTime",
        "LastModifiedTime",
        "EndpointStatus",
    )
    return {
        "Endpoints": [summary(record, members) for record in records],
        "NextToken": token,
    }


def update_endpoint(request: dict, context: Context) -> dict:
    """Begin to deploy another configuration beside the one that serves."""
    preconditions.refuse_members(
        request,
        {
            "DeploymentConfig": "how traffic moves over",
            "RetainAllVariantProperties": "keeping weights and instance counts",
            "ExcludeRetainedVariantProperties": "keeping weights and instance counts",
            "RetainDeploymentConfig": "how traffic moves over",
        },
    )
    name = request["EndpointName"]
    describe_endpoint(request, context)  # an unknown endpoint is named first
    configuration = get_endpoint_config(request["EndpointConfigName"], context)
    models = _models(configuration, context)

    def change(record: dict) -> None:
        transitions.check_status(record, transitions.UPDATABLE)
        if record["EndpointConfigName"] == request["EndpointConfigName"]:
            raise validation_exception(
                f'Cannot update endpoint "{record["EndpointArn"]}" with the '
                f'configuration that it has, "{request["EndpointConfigName"]}".'
            )
        transitions.begin_deployment(record, configuration, models, "Updating")

    record = _update(name, context, change)
    context.hosting.deploy(context.region, name)
    return {"EndpointArn": record["EndpointArn"]}


def update_endpoint_weights_and_capacities(request: dict, context: Context) -> dict:
    """Begin to change weights and instance counts of the endpoint's variants."""
    wishes = request["DesiredWeightsAndCapacities"]
    names = [wish["VariantName"] for wish in wishes]
    for wish in wishes:
        preconditions.refuse_members(
            wish, {"ServerlessUpdateConfig": "serverless inference"}
        )
        if names.count(wish["VariantName"]) > 1:
            raise validation_exception(
                f'The variant name "{wish["VariantName"]}" was non-unique within the '
                "request."
            )

    def change(record: dict) -> None:
        transitions.check_status(record, transitions.UPDATABLE)
        known = [variant["VariantName"] for variant in record["ProductionVariants"]]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise validation_exception(
                f'The variant name(s) "{", ".join(unknown)}" is/are not present within '
                f'endpoint configuration "{record["EndpointConfigName"]}".'
            )
        transitions.begin_rebalancing(
            record, {wish["VariantName"]: wish for wish in wishes}
        )
        if not any(
            variant["DesiredWeight"] for variant in record["ProductionVariants"]
        ):
            raise validation_exception(
                "At least one production variant needs a weight above 0."
            )

    record = _update(request["EndpointName"], context, change)
    context.hosting.rebalance(context.region, request["EndpointName"])
    return {"EndpointArn": record["EndpointArn"]}


def delete_endpoint(request: dict, context: Context) -> dict:
    """Begin to end the endpoint; configuration and models stay."""

    def change(record: dict) -> None:
        transitions.check_status(record, transitions.DELETABLE)
        transitions.set_status(record, "Deleting")

    _update(request["EndpointName"], context, change)
    context.hosting.delete(context.region, request["EndpointName"])
    return {}
