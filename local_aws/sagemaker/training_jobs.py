"""Training jobs: an algorithm's image, its input and where its model goes."""

import re
from pathlib import PurePosixPath

from local_aws.containers import contract
from local_aws.containers.images import IMAGES, Image
from local_aws.errors import AwsError, validation_exception
from local_aws.jobs import spot, training
from local_aws.jobs.kinds import UNFINISHED
from local_aws.sagemaker import metric_definitions, preconditions
from local_aws.sagemaker.families import Family, declare
from local_aws.sagemaker.jobs import start_job, stop_job
from local_aws.sagemaker.operations import Context, operation

TRAINING_JOBS = declare(
    Family(
        noun="TrainingJob",
        kind="training-job",
        not_found="Requested resource not found.",
        already_exists=(
            "Training job names must be unique within an AWS account and region, and "
            "a training job with this name already exists ({arn})"
        ),
        already_exists_code="ResourceInUse",
        refused={
            # With S3OutputPath alone, as the SDK's Estimator sends it, it is taken: it
            # is for programs that call the Debugger's library, which no image here has.
            "DebugHookConfig.CollectionConfigurations": "SageMaker Debugger",
            "DebugHookConfig.HookParameters": "SageMaker Debugger",
            "DebugHookConfig.LocalPath": "SageMaker Debugger",
            "DebugRuleConfigurations": "SageMaker Debugger",
            "MlflowConfig": "tracking with MLflow",
            "ModelPackageConfig": "the model registry",
            "ProfilerRuleConfigurations": "SageMaker Profiler, which the Estimator of "
            "SDK 2 leaves out with disable_profiler=True",
            "ServerlessJobConfig": "serverless model customization",
            "TensorBoardOutputConfig": "TensorBoard output",
            "AlgorithmSpecification.AlgorithmName": "an algorithm resource",
            "AlgorithmSpecification.TrainingImageConfig": "a private registry",
            "ResourceConfig.InstanceGroups": "a heterogeneous cluster",
            "ResourceConfig.InstancePreferences": "a choice of instance types",
            "ResourceConfig.TrainingPlanArn": "a training plan",
        },
        transitional=UNFINISHED,
        sort_order="Ascending",
    )
)

# How the names of instance types with a GPU, or a chip of AWS's in its place, begin.
ACCELERATED = ("ml.p", "ml.g", "ml.trn", "ml.inf")

# StoppingCondition, botocore sagemaker service model.
MAX_RUNTIME_SECONDS = 28 * 86400


@operation("CreateTrainingJob")
def create_training_job(request: dict, context: Context) -> dict:
    """Check the request as the service does before it responds, then start the job."""
    check(request, context)
    return start_job(TRAINING_JOBS, training.new_record(request), context)


def check(request: dict, context: Context) -> None:
    """Raise what CreateTrainingJob raises for a job that can't be.

    Args:
        request: a CreateTrainingJob request, which may have been made from a tuning
            job's definition.
        context: the operation's context.
    """
    TRAINING_JOBS.refuse(request)
    if "AlgorithmSpecification" not in request:
        raise validation_exception(
            "AlgorithmSpecification is required: the image to train with and how it "
            "reads its input."
        )
    image = _check_algorithm(request["AlgorithmSpecification"])
    if image.runs_scripts:
        metric_definitions.check(request["AlgorithmSpecification"])
        _check_script(request)
    else:
        _refuse_code(request, image)
    _check_resources(request.get("ResourceConfig", {}))
    _check_limits(request)
    preconditions.check_environment(request.get("Environment", {}))
    preconditions.check_role(request["RoleArn"], context)
    _check_channels(request, context)
    preconditions.split_s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    _check_checkpoints(request)


@operation("StopTrainingJob")
def stop_training_job(request: dict, context: Context) -> dict:
    """Ask a running job to stop; it responds before the job has stopped."""
    return stop_job(TRAINING_JOBS, request, context)


@operation("DeleteTrainingJob")
def delete_training_job(request: dict, context: Context) -> dict:
    """Delete the record of a job that has ended; its artifact and log stay."""
    return TRAINING_JOBS.delete(request, context, _check_has_ended)


def _check_has_ended(record: dict) -> None:
    if TRAINING_JOBS.is_transitional(record):
        raise AwsError(
            "ResourceInUse",
            f"Training job {record['TrainingJobArn']} is in status "
            f"{record['TrainingJobStatus']}. Only a training job in status "
            "Completed, Failed or Stopped can be deleted.",
        )


def _check_script(request: dict) -> None:
    """Raise for a script that is to run on what this machine is not."""
    resources = request.get("ResourceConfig", {})
    instance_type = resources.get("InstanceType", "")
    if instance_type.startswith(ACCELERATED):
        raise preconditions.not_built(
            f"InstanceType {instance_type} (with a GPU or another accelerator)",
            "Use one without, as ml.m5.large",
        )
    for name, value in request.get("HyperParameters", {}).items():
        if re.fullmatch(r"sagemaker_\w+_enabled", name) and value == "true":
            raise preconditions.not_built(f"{name} (distributed training)")


def _refuse_code(request: dict, image: Image) -> None:
    """Raise for code of the user's own with an algorithm's image, by the name under
    which the user gave it, and for metrics of the user's own.
    """
    algorithm = request["AlgorithmSpecification"]
    if algorithm.get("MetricDefinitions"):
        raise validation_exception(
            "You can't override the metric definitions for Amazon SageMaker "
            "algorithms. Please retry your request without specifying metric "
            "definitions."
        )
    channels = [one["ChannelName"] for one in request.get("InputDataConfig", [])]
    feature = None
    if training.SDK_DRIVERS in channels:
        feature = (
            "SourceCode(...) (a training script of your own, which the SageMaker "
            "Python SDK runs in the container)"
        )
    elif "sagemaker_program" in request.get("HyperParameters", {}):
        feature = (
            "Script mode (a training script of your own: entry_point of the SDK, "
            "hyperparameter sagemaker_program)"
        )
    elif algorithm.get("ContainerEntrypoint") or algorithm.get("ContainerArguments"):
        feature = "ContainerEntrypoint (a command of your own)"
    if feature:
        ours = " and ".join(one.name for one in IMAGES if one.runs_scripts)
        raise preconditions.not_built(
            f"{feature} with the {image.name} image",
            f"Here scripts run in the images of {ours}. Leave it out of the request",
        )


def _check_algorithm(algorithm: dict) -> Image:
    """The image; raises if there is none, or no way to feed it."""
    if "TrainingImage" not in algorithm:
        raise validation_exception(
            "TrainingImage is required in AlgorithmSpecification: the registry path of "
            "the algorithm's image."
        )
    image = preconditions.check_image(algorithm["TrainingImage"])
    preconditions.check_purpose(image, "training")
    _check_input_mode("TrainingInputMode", algorithm["TrainingInputMode"])
    return image


def _check_input_mode(member: str, mode: str) -> None:
    if mode == "Pipe":
        raise preconditions.not_built(
            f"{member} Pipe (input that is streamed)", "Use File or FastFile"
        )


def _check_resources(resources: dict) -> None:
    required = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
    preconditions.check_present(resources, "ResourceConfig", *required)
    if resources["InstanceCount"] < 1:
        raise validation_exception(
            "InstanceCount in ResourceConfig must be at least 1."
        )
    if resources["InstanceCount"] > 1:
        raise preconditions.not_built(
            "InstanceCount above 1 (distributed training)", "Use 1"
        )


def _check_limits(request: dict) -> None:
    """Raise for limits that contradict each other."""
    condition = {**training.DEFAULT_LIMITS, **request.get("StoppingCondition", {})}
    limit = condition["MaxRuntimeInSeconds"]
    if limit > MAX_RUNTIME_SECONDS:
        raise validation_exception(
            f"MaxRuntimeInSeconds can't be greater than {MAX_RUNTIME_SECONDS} (28 "
            f"days); the request has {limit}."
        )
    wait = condition.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < limit:
            raise validation_exception(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than "
                "or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise validation_exception(
            "Invalid MaxWaitTimeInSeconds. It is only supported when "
            "EnableManagedSpotTraining is set to true"
        )


def _check_checkpoints(request: dict) -> None:
    """Raise for checkpoints that can't be, and for a seed that is none."""
    if "CheckpointConfig" in request:
        config = request["CheckpointConfig"]
        preconditions.check_present(config, "CheckpointConfig", "S3Uri")
        preconditions.split_s3_uri(config["S3Uri"])
        _check_local_path(PurePosixPath(config.get("LocalPath", contract.CHECKPOINTS)))
    seed = request.get("Environment", {}).get(spot.SWITCH, "0")
    if not re.fullmatch("[0-9]{1,9}", seed):
        raise validation_exception(
            f"{spot.SWITCH} in Environment is a seed of this local stand-in: a whole "
            f"number, not {seed!r}."
        )


def _check_local_path(path: PurePosixPath) -> None:
    reserved = any(
        path.is_relative_to(f"/opt/ml/{name}") for name in ("input", "model", "output")
    )
    if (
        reserved
        or ".." in path.parts
        or not path.is_absolute()
        or PurePosixPath("/opt/ml").is_relative_to(path)
    ):
        raise validation_exception(
            f"LocalPath {path} in CheckpointConfig can't hold checkpoints. Use an "
            "absolute path that SageMaker does not use itself, as "
            f"{contract.CHECKPOINTS}."
        )


def _check_channels(request: dict, context: Context) -> None:
    channels = request.get("InputDataConfig", [])
    preconditions.check_unique(
        "Channel names", [channel["ChannelName"] for channel in channels]
    )
    for channel in channels:
        name = channel["ChannelName"]
        _check_input_mode(f"Channel {name}: InputMode", channel.get("InputMode", ""))
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise preconditions.not_built(
                f"A data source other than S3 (channel {name})"
            )
        if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise preconditions.not_built(f"S3DataType {source['S3DataType']}")
        if channel.get("RecordWrapperType", "None") != "None":
            raise preconditions.not_built("RecordWrapperType RecordIO")
        preconditions.check_objects_exist(source["S3Uri"], request["RoleArn"], context)
