"""Endpoint configurations: which models to serve, on what, with which weights."""

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.models import MODELS
from local_aws.sagemaker.operations import Context, operation

ENDPOINT_CONFIGS = declare(
    Family(
        noun="EndpointConfig",
        kind="endpoint-config",
        not_found='Could not find endpoint configuration "{arn}".',
        already_exists='Cannot create already existing endpoint configuration "{arn}".',
        refused={
            "AsyncInferenceConfig": "asynchronous inference",
            "CrossRegionTrafficConfig": "traffic to other Regions",
            "ExplainerConfig": "SageMaker Clarify's explanations",
            "MetricsConfig": "more detailed metrics",
            "ShadowProductionVariants": "shadow variants",
            "ProductionVariants.AcceleratorType": "Elastic Inference",
            "ProductionVariants.AcceleratorPartitionLayouts": "accelerator partitions",
            "ProductionVariants.CapacityReservationConfig": "reserved capacity",
            "ProductionVariants.CoreDumpConfig": "core dumps",
            "ProductionVariants.InstancePools": "pools of instances",
            "ProductionVariants.ManagedInstanceScaling": "automatic scaling",
            "ProductionVariants.RoutingConfig": "a routing strategy",
            "ProductionVariants.ServerlessConfig": "serverless inference",
        },
    )
)


@operation("CreateEndpointConfig")
def create_endpoint_config(request: dict, context: Context) -> dict:
    """Record a configuration whose models are there."""
    ENDPOINT_CONFIGS.refuse(request)
    # Without a word it is enabled (EndpointConfig's reference of boto3).
    if request.get("DataCaptureConfig", {"EnableCapture": False}).get(
        "EnableCapture", True
    ):
        raise preconditions.not_built("DataCaptureConfig with EnableCapture")
    variants = [_variant(given, context) for given in request["ProductionVariants"]]
    preconditions.check_unique(
        "Production variant names", [variant["VariantName"] for variant in variants]
    )
    if not any(variant["InitialVariantWeight"] for variant in variants):
        raise validation_exception(
            "At least one production variant needs an InitialVariantWeight above 0."
        )
    members = {**request, "ProductionVariants": variants}
    return ENDPOINT_CONFIGS.create(
        {"EnableNetworkIsolation": False, **members}, context
    )


def _variant(given: dict, context: Context) -> dict:
    """The variant with its defaults; raises ValidationException."""
    name = f"production variant {given['VariantName']}"
    if "ModelName" not in given:
        raise preconditions.not_built(
            f"A variant without ModelName (for inference components), like {name},",
            "Name a model",
        )
    preconditions.check_present(given, name, "InstanceType", "InitialInstanceCount")
    MODELS.get(given["ModelName"], context)
    return {"InitialVariantWeight": 1.0, **given}


@operation("DeleteEndpointConfig")
def delete_endpoint_config(request: dict, context: Context) -> dict:
    """Delete the record; an endpoint that uses it goes on serving."""
    return ENDPOINT_CONFIGS.delete(request, context)
