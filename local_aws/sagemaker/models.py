"""Models: an image and the artifact that it loads."""

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.operations import Context, operation

MODELS = declare(
    Family(
        noun="Model",
        kind="model",
        not_found='Could not find model "{arn}".',
        already_exists='Cannot create already existing model "{arn}".',
        refused={
            "Containers": "an inference pipeline of several containers",
            "InferenceExecutionConfig": "how several containers are called",
            "PrimaryContainer.AdditionalModelDataSources": "more model data",
            "PrimaryContainer.ImageConfig": "an image in a private registry",
            "PrimaryContainer.InferenceSpecificationName": "a model package",
            "PrimaryContainer.ModelPackageName": "a model package",
            "PrimaryContainer.MultiModelConfig": "several models in one container",
        },
    )
)


@operation("CreateModel")
def create_model(request: dict, context: Context) -> dict:
    """Record a model whose image and artifact are there."""
    MODELS.refuse(request)
    container = request.get("PrimaryContainer")
    if not container:
        raise validation_exception(
            "You must provide either PrimaryContainer or Containers in the request."
        )
    if "ExecutionRoleArn" not in request:
        raise validation_exception(
            "ExecutionRoleArn is required: SageMaker reads the model data with it."
        )
    role_arn = request["ExecutionRoleArn"]
    preconditions.check_role(role_arn, context)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise preconditions.not_built("Mode MultiModel (several models in a container)")
    preconditions.check_present(container, "PrimaryContainer", "Image")
    preconditions.check_image(container["Image"])
    preconditions.check_model_data(model_data_uri(container), role_arn, context)
    return MODELS.create({"EnableNetworkIsolation": False, **request}, context)


@operation("DeleteModel")
def delete_model(request: dict, context: Context) -> dict:
    """Delete the record; artifact, jobs and endpoints stay."""
    return MODELS.delete(request, context)


def snapshot(model: dict) -> dict:
    """Role, image, artifact and environment of a model as they are now.

    Jobs and endpoints note them: the model may be deleted while they work.
    """
    container = model["PrimaryContainer"]
    return {
        "role": model["ExecutionRoleArn"],
        "image": container["Image"],
        "uri": model_data_uri(container),
        "environment": container.get("Environment", {}),
    }


def model_data_uri(container: dict) -> str:
    """Where the container's model.tar.gz is, however the request says it.

    Raises ValidationException when the request names none, two, or a form of model
    data other than one compressed archive.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = container.get("ModelDataUrl")
    if source and uri:
        raise validation_exception(
            "Specify either ModelDataUrl or ModelDataSource, not both."
        )
    if source:
        if (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
            raise preconditions.not_built(
                "ModelDataSource other than one gzip archive (S3DataType S3Object, "
                "CompressionType Gzip)"
            )
        uri = source["S3Uri"]
    if not uri:
        raise validation_exception(
            "ModelDataUrl is required for a built-in algorithm: the model.tar.gz that "
            "its training job wrote."
        )
    return uri
