"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs,
DeleteEndpointConfig.
"""

import time

from local_aws.errors import validation_exception
from local_aws.hosting.transitions import CONFIG_KIND
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.models import get_model
from local_aws.sagemaker.records import described, summary
from local_aws.sagemaker.tags import tags_of_request

REFUSED = {
    "AsyncInferenceConfig": "asynchronous inference",
    "CrossRegionTrafficConfig": "traffic to other Regions",
    "DataCaptureConfig": "data capture",
    "ExplainerConfig": "SageMaker Clarify's explanations",
    "MetricsConfig": "more detailed metrics",
    "ShadowProductionVariants": "shadow variants",
}

REFUSED_IN_VARIANT = {
    "AcceleratorType": "Elastic Inference",
    "AcceleratorPartitionLayouts": "partitioned accelerators",
    "CapacityReservationConfig": "reserved capacity",
    "CoreDumpConfig": "core dumps",
    "InstancePools": "pools of instances",
    "ManagedInstanceScaling": "automatic scaling",
    "RoutingConfig": "a routing strategy",
    "ServerlessConfig": "serverless inference",
}


def create_endpoint_config(request: dict, context: Context) -> dict:
    """Record which models an endpoint is to serve, on what, with which weights."""
    preconditions.refuse_members(request, REFUSED)
    variants = [_variant(given, context) for given in request["ProductionVariants"]]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise validation_exception(
            "Production variant names must be unique; the request has "
            f"{', '.join(names)}."
        )
    if not any(variant["InitialVariantWeight"] for variant in variants):
        raise validation_exception(
            "At least one production variant needs an InitialVariantWeight above 0."
        )
    name = request["EndpointConfigName"]
    arn = context.arn(CONFIG_KIND, name)
    record = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "ProductionVariants": variants,
        "EndpointConfigArn": arn,
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "CreationTime": time.time(),
        "_arn": arn,
    }
    try:
        context.resources.create(
            context.region, CONFIG_KIND, name, record, arn, tags_of_request(request)
        )
    except AlreadyExists as error:
        raise validation_exception(
            f'Cannot create already existing endpoint configuration "{arn}".'
        ) from error
    return {"EndpointConfigArn": arn}


def _variant(given: dict, context: Context) -> dict:
    """The variant with its defaults; raises ValidationException."""
    preconditions.refuse_members(given, REFUSED_IN_VARIANT)
    for member in ("ModelName", "InstanceType", "InitialInstanceCount"):
        if member not in given:
            raise validation_exception(
                f"{member} is required in production variant {given['VariantName']}."
            )
    get_model(given["ModelName"], context)
    return {"InitialVariantWeight": 1.0, **given}


def get_endpoint_config(name: str, context: Context) -> dict:
    """The configuration's record; raises ValidationException in AWS's words."""
    try:
        return context.resources.get(context.region, CONFIG_KIND, name)
    except NotFound as error:
        raise _not_found(name, context) from error


def _not_found(name: str, context: Context) -> Exception:
    return validation_exception(
        f'Could not find endpoint configuration "{context.arn(CONFIG_KIND, name)}".'
    )


def describe_endpoint_config(request: dict, context: Context) -> dict:
    """What CreateEndpointConfig was given, and when."""
    record = get_endpoint_config(request["EndpointConfigName"], context)
    return described(record)


def list_endpoint_configs(request: dict, context: Context) -> dict:
    """A page of endpoint configurations."""
    records, token = pagination.page(
        context.resources.records(context.region, CONFIG_KIND),
        request,
        name="EndpointConfigName",
    )
    members = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    return {
        "EndpointConfigs": [summary(record, members) for record in records],
        "NextToken": token,
    }


def delete_endpoint_config(request: dict, context: Context) -> dict:
    """Delete the record; an endpoint that uses it goes on serving."""
    name = request["EndpointConfigName"]
    try:
        context.resources.delete(
            context.region, CONFIG_KIND, name, context.arn(CONFIG_KIND, name)
        )
    except NotFound as error:
        raise _not_found(name, context) from error
    return {}
