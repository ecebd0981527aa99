"""Transform jobs: a model's predictions for the objects under a prefix."""

from local_aws.errors import validation_exception
from local_aws.jobs.kinds import UNFINISHED
from local_aws.jobs.transform_objects import NO_PROCESSING
from local_aws.sagemaker import models, preconditions
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.jobs import start_job, stop_job
from local_aws.sagemaker.operations import Context, operation

TRANSFORM_JOBS = declare(
    Family(
        noun="TransformJob",
        kind="transform-job",
        not_found="Could not find requested job with name: {name}",
        already_exists=(
            "Job name must be unique within an AWS account and region, and a job with "
            "this name already exists ({arn})"
        ),
        already_exists_code="ResourceInUse",
        refused={"DataCaptureConfig": "data capture"},
        transitional=UNFINISHED,
    )
)

# CreateTransformJob, botocore sagemaker service model.
DEFAULT_MAX_PAYLOAD_MB = 6
MAX_PAYLOAD_MB = 100


@operation("CreateTransformJob")
def create_transform_job(request: dict, context: Context) -> dict:
    """Check the request as the service does before it responds, then start the job."""
    TRANSFORM_JOBS.refuse(request)
    model = models.MODELS.get(request["ModelName"], context)
    if (models.snapshot(model)["uri"] or "").endswith("/"):
        raise validation_exception(
            "ModelDataSource of files that are not compressed can't be used with batch "
            "transform: create the model from a model.tar.gz."
        )
    plain = {"CompressionType": "None", "SplitType": "None"}
    job = {
        **request,
        "TransformInput": {**plain, **request["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", **request["TransformOutput"]},
        "DataProcessing": {**NO_PROCESSING, **request.get("DataProcessing", {})},
        "_model": models.snapshot(model),
    }
    preconditions.check_environment(job.get("Environment", {}))
    preconditions.check_instances(job["TransformResources"]["InstanceCount"])
    _check_payload(job)
    _check_input(job, model["ExecutionRoleArn"], context)
    preconditions.split_s3_uri(job["TransformOutput"]["S3OutputPath"])
    return start_job(TRANSFORM_JOBS, job, context)


@operation("StopTransformJob")
def stop_transform_job(request: dict, context: Context) -> dict:
    """Ask a running job to stop; what it has written is discarded."""
    return stop_job(TRANSFORM_JOBS, request, context)


def _check_payload(job: dict) -> None:
    payload = job.get("MaxPayloadInMB", DEFAULT_MAX_PAYLOAD_MB)
    concurrent = job.get("MaxConcurrentTransforms") or 1
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


def _check_input(job: dict, role_arn: str, context: Context) -> None:
    split = job["TransformInput"]["SplitType"]
    if split not in ("None", "Line"):
        raise preconditions.not_built(f"SplitType {split}")
    if job.get("BatchStrategy") == "SingleRecord" and split == "None":
        raise validation_exception(
            "BatchStrategy SingleRecord needs a SplitType other than None: with None "
            "the whole object is one record."
        )
    if job["DataProcessing"] != NO_PROCESSING:
        _check_data_processing(
            job["DataProcessing"], job["TransformInput"], job["TransformOutput"]
        )
    source = job["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "S3Prefix":
        raise preconditions.not_built(f"S3DataType {source['S3DataType']}")
    preconditions.check_objects_exist(source["S3Uri"], role_arn, context)


def _check_data_processing(settings: dict, source: dict, output: dict) -> None:
    """Filters need csv or JSON; a join needs the same on both sides.

    Source: AWS page "Associate Prediction Results with Input Records".
    """
    # JSONPath's parser takes a while to import.
    from local_aws.jobs.data_processing import OPERATORS, BadFilter, DataProcessing

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
    if settings["JoinSource"] == "None":
        return
    accept = output.get("Accept", "none")
    if accept != content_type:
        raise validation_exception(
            "JoinSource Input needs ContentType and Accept to be the same; the request "
            f"has {content_type} and {accept}."
        )
    split, assemble = source["SplitType"], output["AssembleWith"]
    if split != assemble or (content_type == "text/csv" and split != "Line"):
        raise validation_exception(
            "JoinSource Input needs SplitType and AssembleWith to be the same, and "
            f"Line for text/csv; the request has {split} and {assemble}."
        )
