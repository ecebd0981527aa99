"""CreateModel, DescribeModel, ListModels, DeleteModel."""

import time

from local_aws.errors import validation_exception
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.records import described, summary
from local_aws.sagemaker.tags import tags_of_request

KIND = "model"

REFUSED = {
    "Containers": "an inference pipeline of several containers",
    "InferenceExecutionConfig": "how several containers are called",
}

REFUSED_IN_CONTAINER = {
    "AdditionalModelDataSources": "more model data",
    "ImageConfig": "an image in a private registry",
    "InferenceSpecificationName": "a model package",
    "ModelPackageName": "a model package",
    "MultiModelConfig": "several models in one container",
}


def create_model(request: dict, context: Context) -> dict:
    """Record a model: an image and the artifact that it loads."""
    preconditions.refuse_members(request, REFUSED)
    container = request.get("PrimaryContainer")
    if not container:
        raise validation_exception(
            "You must provide either PrimaryContainer or Containers in the request."
        )
    if "ExecutionRoleArn" not in request:
        raise validation_exception(
            "ExecutionRoleArn is required: SageMaker reads the model data with it."
        )
    preconditions.check_role(request["ExecutionRoleArn"], context)
    _check_container(container, request["ExecutionRoleArn"], context)
    arn = context.arn(KIND, request["ModelName"])
    record = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "ModelArn": arn,
        "CreationTime": time.time(),
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "_arn": arn,
    }
    try:
        context.resources.create(
            context.region,
            KIND,
            request["ModelName"],
            record,
            arn,
            tags_of_request(request),
        )
    except AlreadyExists as error:
        raise validation_exception(
            f'Cannot create already existing model "{arn}".'
        ) from error
    return {"ModelArn": arn}


def _check_container(container: dict, role_arn: str, context: Context) -> None:
    preconditions.refuse_members(container, REFUSED_IN_CONTAINER)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise preconditions.not_built(
            "Mode MultiModel (several models in one container)"
        )
    if "Image" not in container:
        raise validation_exception("Image is required in PrimaryContainer.")
    preconditions.check_image(container["Image"])
    preconditions.check_model_data(model_data_uri(container), role_arn, context)


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


def get_model(name: str, context: Context) -> dict:
    """The model's record; raises ValidationException in AWS's words."""
    try:
        return context.resources.get(context.region, KIND, name)
    except NotFound as error:
        raise _not_found(name, context) from error


def _not_found(name: str, context: Context) -> Exception:
    return validation_exception(f'Could not find model "{context.arn(KIND, name)}".')


def describe_model(request: dict, context: Context) -> dict:
    """What CreateModel was given, and when."""
    record = get_model(request["ModelName"], context)
    return described(record)


def list_models(request: dict, context: Context) -> dict:
    """A page of models."""
    records, token = pagination.page(
        context.resources.records(context.region, KIND), request, name="ModelName"
    )
    return {
        "Models": [
            summary(record, ("ModelName", "ModelArn", "CreationTime"))
            for record in records
        ],
        "NextToken": token,
    }


def delete_model(request: dict, context: Context) -> dict:
    """Delete the record; artifact, jobs and endpoints stay."""
    name = request["ModelName"]
    try:
        context.resources.delete(context.region, KIND, name, context.arn(KIND, name))
    except NotFound as error:
        raise _not_found(name, context) from error
    return {}
