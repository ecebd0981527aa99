"""CreateTransformJob, DescribeTransformJob, ListTransformJobs, StopTransformJob."""

import time
import uuid

from local_aws.errors import AwsError, validation_exception
from local_aws.jobs.transform import KIND, NO_PROCESSING, request_stop
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.models import get_model, model_data_uri
from local_aws.sagemaker.records import summary
from local_aws.sagemaker.tags import tags_of_request

# CreateTransformJob, botocore sagemaker service model.
DEFAULT_MAX_PAYLOAD_MB = 6
MAX_PAYLOAD_MB = 100


def create_transform_job(request: dict, context: Context) -> dict:
    """Check the request as the service does before it answers, then start the job."""
    name = request["TransformJobName"]
    preconditions.refuse_members(request, {"DataCaptureConfig": "data capture"})
    model = get_model(request["ModelName"], context)
    _check_payload(request)
    _check_input(request, model, context)
    preconditions.split_s3_uri(request["TransformOutput"]["S3OutputPath"])
    arn = context.arn(KIND, name)
    now = time.time()
    record = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "TransformJobArn": arn,
        "TransformJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
        "_arn": arn,
        "_id": uuid.uuid4().hex,
        # As it is now: the model may be deleted while the job runs.
        "_model": {
            "role": model["ExecutionRoleArn"],
            "image": model["PrimaryContainer"]["Image"],
            "uri": model_data_uri(model["PrimaryContainer"]),
            "environment": model["PrimaryContainer"].get("Environment", {}),
        },
    }
    record["TransformInput"] = {
        "CompressionType": "None",
        "SplitType": "None",
        **request["TransformInput"],
    }
    record["TransformOutput"] = {"AssembleWith": "None", **request["TransformOutput"]}
    record["DataProcessing"] = {
        **NO_PROCESSING,
        **request.get("DataProcessing", {}),
    }
    try:
        context.resources.create(
            context.region, KIND, name, record, arn, tags_of_request(request)
        )
    except AlreadyExists as error:
        raise AwsError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with "
            f"this name already exists ({arn})",
        ) from error
    context.jobs.start_transform(context.region, name)
    return {"TransformJobArn": arn}


def _check_payload(request: dict) -> None:
    payload = request.get("MaxPayloadInMB", DEFAULT_MAX_PAYLOAD_MB)
    concurrent = request.get("MaxConcurrentTransforms", 1) or 1
    if payload == 0:
        raise preconditions.not_built(
            "MaxPayloadInMB 0 (HTTP chunked encoding, which no built-in algorithm "
            "supports)"
        )
    if payload > MAX_PAYLOAD_MB:
        raise validation_exception(
            f"MaxPayloadInMB cannot be greater than {MAX_PAYLOAD_MB} MB; the request "
            f"has {payload}."
        )
    if payload * concurrent > MAX_PAYLOAD_MB:
        raise validation_exception(
            "The value of MaxConcurrentTransforms * MaxPayloadInMB cannot exceed "
            f"{MAX_PAYLOAD_MB} MB; the request has {concurrent} * {payload}."
        )


def _check_input(request: dict, model: dict, context: Context) -> None:
    transform_input = request["TransformInput"]
    split = transform_input.get("SplitType", "None")
    if split not in ("None", "Line"):
        raise preconditions.not_built(f"SplitType {split}")
    if request.get("BatchStrategy") == "SingleRecord" and split == "None":
        raise validation_exception(
            "BatchStrategy SingleRecord needs a SplitType other than None: with None "
            "the whole object is one record."
        )
    _check_data_processing(request)
    source = transform_input["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "S3Prefix":
        raise preconditions.not_built(f"S3DataType {source['S3DataType']}")
    preconditions.check_objects_exist(
        source["S3Uri"], model["ExecutionRoleArn"], context
    )


def _check_data_processing(request: dict) -> None:
    """Filters need csv or JSON; a join needs the same on both sides.

    Source: AWS page "Associate Prediction Results with Input Records".
    """
    settings = {**NO_PROCESSING, **request.get("DataProcessing", {})}
    if settings == NO_PROCESSING:
        return
    from local_aws.jobs.data_processing import OPERATORS, BadFilter, DataProcessing

    source, output = request["TransformInput"], request["TransformOutput"]
    content_type = source.get("ContentType", "none")
    if content_type not in OPERATORS:
        raise validation_exception(
            f"DataProcessing needs a ContentType of {', '.join(OPERATORS)}; the "
            f"request has {content_type}."
        )
    try:
        DataProcessing(settings, content_type)
    except BadFilter as error:
        raise validation_exception(f"Invalid DataProcessing: {error}") from error
    if settings["JoinSource"] == "Input":
        _check_join(source, output)


def _check_join(source: dict, output: dict) -> None:
    content_type, accept = source["ContentType"], output.get("Accept", "none")
    if accept != content_type:
        raise validation_exception(
            "JoinSource Input needs ContentType and Accept to be the same; the request "
            f"has {content_type} and {accept}."
        )
    split = source.get("SplitType", "None")
    assemble = output.get("AssembleWith", "None")
    if split != assemble or (content_type == "text/csv" and split != "Line"):
        raise validation_exception(
            "JoinSource Input needs SplitType and AssembleWith to be the same, and "
            f"Line for text/csv; the request has {split} and {assemble}."
        )


def _not_found(name: str) -> AwsError:
    return validation_exception(f"Could not find requested job with name: {name}")


def describe_transform_job(request: dict, context: Context) -> dict:
    """The job's record."""
    name = request["TransformJobName"]
    try:
        record = context.resources.get(context.region, KIND, name)
    except NotFound as error:
        raise _not_found(name) from error
    # LastModifiedTime is a member of the summary only.
    return {
        key: value
        for key, value in record.items()
        if not key.startswith("_") and key != "LastModifiedTime"
    }


def list_transform_jobs(request: dict, context: Context) -> dict:
    """A page of transform jobs."""
    records, token = pagination.page(
        context.resources.records(context.region, KIND),
        request,
        name="TransformJobName",
        status="TransformJobStatus",
    )
    members = (
        "TransformJobName",
        "TransformJobArn",
        "CreationTime",
        "TransformEndTime",
        "LastModifiedTime",
        "TransformJobStatus",
        "FailureReason",
    )
    return {
        "TransformJobSummaries": [summary(record, members) for record in records],
        "NextToken": token,
    }


def stop_transform_job(request: dict, context: Context) -> dict:
    """Ask a running job to stop; what it has written is discarded."""
    name = request["TransformJobName"]
    try:
        context.resources.update(context.region, KIND, name, request_stop)
    except NotFound as error:
        raise _not_found(name) from error
    context.jobs.stop(KIND, context.region, name)
    return {}
