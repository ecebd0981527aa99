"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob,
DeleteTrainingJob.
"""

import time
import uuid

from local_aws.errors import AwsError, validation_exception
from local_aws.jobs.training import KIND, PREPARING, move, request_stop
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.records import described, summary
from local_aws.sagemaker.tags import tags_of_request

REFUSED = {
    "CheckpointConfig": "checkpoints kept in S3",
    "DebugHookConfig": "SageMaker Debugger",
    "DebugRuleConfigurations": "SageMaker Debugger",
    "MlflowConfig": "tracking with MLflow",
    "ModelPackageConfig": "the model registry",
    "ProfilerRuleConfigurations": "SageMaker Profiler",
    "ServerlessJobConfig": "serverless model customization",
    "TensorBoardOutputConfig": "TensorBoard output",
}

REFUSED_IN_ALGORITHM = {
    "AlgorithmName": "an algorithm resource or a Marketplace algorithm",
    "ContainerEntrypoint": "a command of your own in the container",
    "ContainerArguments": "a command of your own in the container",
    "TrainingImageConfig": "an image in a private registry",
}

REFUSED_IN_RESOURCES = {
    "InstanceGroups": "a heterogeneous cluster",
    "InstancePreferences": "a choice of instance types",
    "TrainingPlanArn": "a training plan",
}

# StoppingCondition, botocore sagemaker service model: one day if nothing is given, 28
# at most.
DEFAULT_MAX_RUNTIME_SECONDS = 86400

MAX_RUNTIME_SECONDS = 28 * 86400

# Members of the request that DescribeTrainingJob does not answer with.
NOT_DESCRIBED = ("Tags", "SessionChainingConfig")

TERMINAL_STATUSES = ("Completed", "Failed", "Stopped")


def create_training_job(request: dict, context: Context) -> dict:
    """Check the request as the service does before it answers, then start the job."""
    name = request["TrainingJobName"]
    preconditions.refuse_members(request, REFUSED)
    if "AlgorithmSpecification" not in request:
        raise validation_exception(
            "AlgorithmSpecification is required: the image to train with and how it "
            "reads its input."
        )
    image = _check_algorithm(request["AlgorithmSpecification"])
    _check_resources(request)
    stopping = _stopping_condition(request)
    if "sagemaker_program" in request.get("HyperParameters", {}):
        raise preconditions.not_built(
            "Script mode (the hyperparameter sagemaker_program)"
        )
    preconditions.check_role(request["RoleArn"], context)
    _check_channels(request, context)
    output = request["OutputDataConfig"]["S3OutputPath"]
    preconditions.split_s3_uri(output)

    arn = context.arn(KIND, name)
    now = time.time()
    record = {
        **{key: value for key, value in request.items() if key not in NOT_DESCRIBED},
        "TrainingJobArn": arn,
        "TrainingJobStatus": "InProgress",
        "StoppingCondition": stopping,
        "ModelArtifacts": {
            "S3ModelArtifacts": f"{output.rstrip('/')}/{name}/output/model.tar.gz"
        },
        "CreationTime": now,
        "SecondaryStatusTransitions": [],
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        "EnableInterContainerTrafficEncryption": request.get(
            "EnableInterContainerTrafficEncryption", False
        ),
        "_arn": arn,
        "_id": uuid.uuid4().hex,
    }
    record["AlgorithmSpecification"] = {
        **request["AlgorithmSpecification"],
        "MetricDefinitions": image.metric_definitions,
        "EnableSageMakerMetricsTimeSeries": request["AlgorithmSpecification"].get(
            "EnableSageMakerMetricsTimeSeries", True
        ),
    }
    move(record, "Starting", PREPARING, now)
    try:
        context.resources.create(
            context.region, KIND, name, record, arn, tags_of_request(request)
        )
    except AlreadyExists as error:
        raise AwsError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and "
            f"a training job with this name already exists ({arn})",
        ) from error
    context.jobs.start_training(context.region, name)
    return {"TrainingJobArn": arn}


def _check_algorithm(algorithm: dict) -> preconditions.Image:
    preconditions.refuse_members(algorithm, REFUSED_IN_ALGORITHM)
    if "TrainingImage" not in algorithm:
        raise validation_exception(
            "TrainingImage is required in AlgorithmSpecification: the registry path of "
            "the algorithm's image."
        )
    if algorithm.get("MetricDefinitions"):
        raise validation_exception(
            "You can't override the metric definitions for Amazon SageMaker "
            "algorithms. Please retry your request without specifying metric "
            "definitions."
        )
    return preconditions.check_image(algorithm["TrainingImage"])


def _check_resources(request: dict) -> None:
    resources = request.get("ResourceConfig", {})
    preconditions.refuse_members(resources, REFUSED_IN_RESOURCES)
    for member in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if member not in resources:
            raise validation_exception(f"{member} is required in ResourceConfig.")
    if resources["InstanceCount"] < 1:
        raise validation_exception(
            "InstanceCount in ResourceConfig must be at least 1."
        )
    if resources["InstanceCount"] > 1:
        raise preconditions.not_built("InstanceCount above 1 (distributed training)")


def _stopping_condition(request: dict) -> dict:
    """The StoppingCondition in force; raises for limits that contradict each other."""
    condition = {
        "MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_SECONDS,
        **request.get("StoppingCondition", {}),
    }
    if condition["MaxRuntimeInSeconds"] > MAX_RUNTIME_SECONDS:
        raise validation_exception(
            f"MaxRuntimeInSeconds can't be greater than {MAX_RUNTIME_SECONDS} (28 "
            f"days); the request has {condition['MaxRuntimeInSeconds']}."
        )
    wait = condition.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < condition["MaxRuntimeInSeconds"]:
            raise validation_exception(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than "
                "or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise validation_exception(
            "Invalid MaxWaitTimeInSeconds. It is only supported when "
            "EnableManagedSpotTraining is set to true"
        )
    return condition


def _check_channels(request: dict, context: Context) -> None:
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        raise validation_exception(
            f"Channel names must be unique; the request has {', '.join(names)}."
        )
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise preconditions.not_built(
                f"A data source other than S3 (channel {channel['ChannelName']})"
            )
        if source["S3DataType"] != "S3Prefix":
            raise preconditions.not_built(f"S3DataType {source['S3DataType']}")
        if channel.get("RecordWrapperType", "None") != "None":
            raise preconditions.not_built("RecordWrapperType RecordIO")
        preconditions.check_objects_exist(source["S3Uri"], request["RoleArn"], context)


def _get(name: str, context: Context) -> dict:
    try:
        return context.resources.get(context.region, KIND, name)
    except NotFound as error:
        raise _not_found() from error


def _not_found() -> AwsError:
    return validation_exception("Requested resource not found.")


def describe_training_job(request: dict, context: Context) -> dict:
    """The job's record."""
    record = _get(request["TrainingJobName"], context)
    return described(record)


def list_training_jobs(request: dict, context: Context) -> dict:
    """A page of training jobs."""
    records = context.resources.records(context.region, KIND)
    if "WarmPoolStatusEquals" in request or "TrainingPlanArnEquals" in request:
        records = []  # no job here has a warm pool or a training plan
    records, token = pagination.page(
        records,
        request,
        name="TrainingJobName",
        status="TrainingJobStatus",
        sort_order="Ascending",
    )
    members = (
        "TrainingJobName",
        "TrainingJobArn",
        "CreationTime",
        "TrainingEndTime",
        "LastModifiedTime",
        "TrainingJobStatus",
        "SecondaryStatus",
    )
    return {
        "TrainingJobSummaries": [summary(record, members) for record in records],
        "NextToken": token,
    }


def stop_training_job(request: dict, context: Context) -> dict:
    """Ask a running job to stop; it answers before the job has stopped."""
    name = request["TrainingJobName"]
    try:
        context.resources.update(context.region, KIND, name, request_stop)
    except NotFound as error:
        raise _not_found() from error
    context.jobs.stop(KIND, context.region, name)
    return {}


def delete_training_job(request: dict, context: Context) -> dict:
    """Delete the record of a job that has ended; its artifact and log stay."""
    name = request["TrainingJobName"]

    def check(record: dict) -> None:
        if record["TrainingJobStatus"] not in TERMINAL_STATUSES:
            raise AwsError(
                "ResourceInUse",
                f"Training job {record['TrainingJobArn']} is in status "
                f"{record['TrainingJobStatus']}. Only a training job in status "
                "Completed, Failed or Stopped can be deleted.",
            )

    try:
        context.resources.delete(
            context.region, KIND, name, context.arn(KIND, name), check
        )
    except NotFound as error:
        raise _not_found() from error
    return {}
