"""Models: an image and the artifact that it loads."""

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.operations import Context, operation

REFUSED_IN_A_CONTAINER = {
    "AdditionalModelDataSources": "more model data",
    "ImageConfig": "an image in a private registry",
    "InferenceSpecificationName": "a model package",
    "ModelPackageName": "a model package",
    "MultiModelConfig": "several models in one container",
}

# The variable by which the SDK names a program that the container is to load.
PROGRAM = "SAGEMAKER_PROGRAM"

MODELS = declare(
    Family(
        noun="Model",
        kind="model",
        not_found='Could not find model "{arn}".',
        already_exists='Cannot create already existing model "{arn}".',
        refused={
            "InferenceExecutionConfig": "how several containers are called",
            **{
                f"{container}.{member}": feature
                for container in ("PrimaryContainer", "Containers")
                for member, feature in REFUSED_IN_A_CONTAINER.items()
            },
        },
    )
)


@operation("CreateModel")
def create_model(request: dict, context: Context) -> dict:
    """Record a model whose image and artifact are there."""
    MODELS.refuse(request)
    member, container = _container(request)
    if "ExecutionRoleArn" not in request:
        raise validation_exception(
            "ExecutionRoleArn is required: SageMaker reads the model data with it."
        )
    role_arn = request["ExecutionRoleArn"]
    preconditions.check_role(role_arn, context)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise preconditions.not_built(
            "Mode MultiModel (several models in a container)",
            "Make a model of each archive",
        )
    preconditions.check_environment(container.get("Environment", {}))
    preconditions.check_present(container, member, "Image")
    image = preconditions.check_image(container["Image"])
    preconditions.check_purpose(image, "inference")
    if container.get("Environment", {}).get(PROGRAM) and not image.runs_scripts:
        raise preconditions.not_built(
            f"Environment {PROGRAM} (an inference script of your own: entry_point or "
            f"SourceCode of the SDK) in the image of {image.name}"
        )
    uri = model_data_uri(container)
    if uri is not None:
        preconditions.check_model_data(uri, role_arn, context)
    elif not image.runs_scripts:
        raise validation_exception(
            "ModelDataUrl is required for a built-in algorithm: the model.tar.gz that "
            "its training job wrote."
        )
    return MODELS.create({"EnableNetworkIsolation": False, **request}, context)


def _container(request: dict) -> tuple[str, dict]:
    """The member of a request that describes the one container, and that container.

    Raises ValidationException when there is none, or more than one.
    """
    primary, containers = request.get("PrimaryContainer"), request.get("Containers", [])
    if primary and containers:
        raise validation_exception(
            "You must provide either PrimaryContainer or Containers in the request, "
            "not both."
        )
    if len(containers) > 1:
        raise preconditions.not_built(
            f"Containers with {len(containers)} elements (an inference pipeline)",
            "Name one container",
        )
    if primary:
        return "PrimaryContainer", primary
    if containers:
        return "Containers", containers[0]
    raise validation_exception(
        "You must provide either PrimaryContainer or Containers in the request."
    )


@operation("DeleteModel")
def delete_model(request: dict, context: Context) -> dict:
    """Delete the record; artifact, jobs and endpoints stay."""
    return MODELS.delete(request, context)


def snapshot(model: dict) -> dict:
    """Role, image, artifact and environment of a model as they are now, and whether it
    is cut off from the network.

    Jobs and endpoints note them: the model may be deleted while they work.
    """
    _, container = _container(model)
    return {
        "role": model["ExecutionRoleArn"],
        "image": container["Image"],
        "uri": model_data_uri(container),
        "environment": container.get("Environment", {}),
        "isolated": model["EnableNetworkIsolation"],
    }


def model_data_uri(container: dict) -> str | None:
    """Where the container's model.tar.gz is, however the request says it; or the
    prefix, with a slash at its end, below which the files of the model are; or None.

    Raises ValidationException when the request names two, or another form of model
    data.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = container.get("ModelDataUrl")
    if source and uri:
        raise validation_exception(
            "Specify either ModelDataUrl or ModelDataSource, not both."
        )
    if source:
        form = source["S3DataType"], source["CompressionType"]
        if form == ("S3Prefix", "None"):
            return _prefix(source["S3Uri"])
        if form != ("S3Object", "Gzip"):
            raise preconditions.not_built(
                "ModelDataSource other than one gzip archive (S3DataType S3Object, "
                "CompressionType Gzip) or the files below a prefix (S3Prefix, None)"
            )
        uri = source["S3Uri"]
    if not uri:
        return None
    if not uri.endswith(".tar.gz"):
        raise validation_exception(
            f"Invalid model data url {uri}: it must name one object whose key ends in "
            ".tar.gz. Files that are not compressed are a ModelDataSource with "
            "S3DataType S3Prefix and CompressionType None."
        )
    return uri


def _prefix(uri: str) -> str:
    if not uri.endswith("/"):
        raise validation_exception(
            f"Invalid model data url {uri}: a prefix (S3DataType S3Prefix) must end "
            "with a forward slash."
        )
    return uri
