"""The life of a training job, from Starting to Completed, Failed or Stopped.

Sources: botocore sagemaker service model (TrainingJobStatus, SecondaryStatus,
StoppingCondition); AWS pages "How Amazon SageMaker Provides Training Information"
and "How Amazon SageMaker Processes Training Output".
"""

import contextlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from local_aws.containers.images import Image, find_image
from local_aws.jobs import attempts, checkpoints, spot
from local_aws.jobs.job import (
    MAX_FAILURE_REASON,
    AccessDenied,
    Job,
    JobFailed,
    JobStopped,
    ShuttingDown,
)
from local_aws.jobs.metrics import MetricCollector
from local_aws.runtime import archives, opt_ml_notice, s3_objects
from local_aws.runtime.container_process import TRAINING_GRACE_SECONDS, ContainerProcess
from local_aws.runtime.log_stream import LogStream, epoch_seconds
from local_aws.runtime.python_environment import PythonEnvironment

# The channel in which the SDK v3 sends what starts the script of a SourceCode.
SDK_DRIVERS = "sm_drivers"

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

# StatusMessage of each secondary status.
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted: the spot instance was reclaimed",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds "
    "provided",
}

TERMINAL = (
    "Completed",
    "Failed",
    "Stopped",
    "MaxRuntimeExceeded",
    "MaxWaitTimeExceeded",
)

# StoppingCondition of a request without one (botocore sagemaker service model).
DEFAULT_LIMITS = {"MaxRuntimeInSeconds": 86400}

# How much of output/failure is read: what FailureReason shows, and longer paths in it.
MAX_FAILURE_TEXT = 4 * MAX_FAILURE_REASON

OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size "
    "of job data processed on an instance., exit code: 137"
)


def new_record(request: dict) -> dict:
    """The record of a request's job: with defaults, metrics and where its model goes.

    A job that makes training jobs of its own makes their records here too.
    """
    algorithm, output = request["AlgorithmSpecification"], request["OutputDataConfig"]
    is_packed = output.get("CompressionType", "GZIP") == "GZIP"
    folder = f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    artifact = f"{folder}/{'model.tar.gz' if is_packed else 'model/'}"
    image = find_image(algorithm["TrainingImage"])
    return {
        "EnableNetworkIsolation": False,
        "EnableManagedSpotTraining": False,
        "EnableInterContainerTrafficEncryption": False,
        **request,
        "AlgorithmSpecification": {
            "EnableSageMakerMetricsTimeSeries": True,
            **algorithm,
            **metric_definitions(algorithm, image),
        },
        "StoppingCondition": {**DEFAULT_LIMITS, **request.get("StoppingCondition", {})},
        "ModelArtifacts": {"S3ModelArtifacts": artifact},
    }


def metric_definitions(algorithm: dict, image: Image) -> dict:
    """MetricDefinitions: the image's own, or the request's for code of the user's own,
    which may have none.
    """
    if not image.runs_scripts:
        return {"MetricDefinitions": image.metric_definitions}
    own = algorithm.get("MetricDefinitions")
    return {"MetricDefinitions": own} if own else {}


def entered(record: dict, status: str, now: float) -> None:
    """Note the secondary status: the transition before it ends, a new one begins."""
    secondary = "Starting" if status == "InProgress" else status
    transitions = record.setdefault("SecondaryStatusTransitions", [])
    if transitions:
        transitions[-1]["EndTime"] = now
    transitions.append(
        {"Status": secondary, "StartTime": now, "StatusMessage": MESSAGES[secondary]}
    )
    record["SecondaryStatus"] = secondary
    if secondary in TERMINAL:
        transitions[-1]["EndTime"] = now
        if attempts.were_made(record):
            whole, billed = attempts.seconds(record)
            record["TrainingTimeInSeconds"] = whole
            record["BillableTimeInSeconds"] = billed


def run(job: Job) -> None:
    """Download, train, upload; a job that is stopped keeps what it has trained.

    A job on spot capacity that is interrupted downloads and trains once more.
    """
    spot.take_up(job)
    limits = spot.Limits(job.record())
    while True:
        try:
            stopped = _attempt(job, limits)
            break
        except spot.Interrupted:
            job.end_python()
            shutil.rmtree(job.folder)
            spot.wait_for_capacity(job, limits)
            job.folder.mkdir(mode=0o700)
    if stopped is None:
        with contextlib.suppress(JobStopped):
            job.advance("Uploading")
    _upload(job)
    if stopped is not None:
        raise stopped


def _attempt(job: Job, limits: spot.Limits) -> JobStopped | None:
    """Download and train, once; returns how the training was stopped, if it was."""
    record = job.begin_attempt("Downloading")
    image = find_image(record["AlgorithmSpecification"]["TrainingImage"])
    _make_folders(job.folder)
    _download_channels(job, record)
    inside = _as_it_is
    if image.runs_scripts:
        job.python = PythonEnvironment(job.folder)
        inside = job.python.inside
        _prepare_drivers(job, inside)
    _write_configuration(job.folder, record, inside)
    saved = None
    if "CheckpointConfig" in record:
        saved = checkpoints.Checkpoints(job, record)
        saved.fetch()
    record = job.advance("Training")
    code, stopped = _run_container(job, record, image, saved, limits)
    if code != 0 and stopped is None:
        raise JobFailed(_failure_reason(job, code, image.faults))
    return stopped


def _as_it_is(text: str) -> str:
    return text


def _prepare_drivers(job: Job, inside: Callable[[str], str]) -> None:
    """Have the SDK's own scripts, which name /opt/ml, find what stands for it."""
    drivers = job.folder / "input/data" / SDK_DRIVERS
    distributed = drivers / "distributed.json"
    if distributed.is_file() and json.loads(distributed.read_bytes()):
        raise JobFailed(
            "ClientError: distributed=... of ModelTrainer (Torchrun, MPI: several "
            "processes of the script) is part of Amazon SageMaker, but this local "
            "stand-in does not reproduce it. Leave it out: the script then runs once."
        )
    start = drivers / "sm_train.sh"
    if start.is_file():
        code, command = job.folder / "input/data/code", start.read_text("utf-8")
        if told := opt_ml_notice.told_of_shell_scripts(command, str(code)):
            raise JobFailed(f"AlgorithmError: {told}")
    for path in drivers.rglob("*"):
        if path.suffix in (".py", ".sh", ".json"):
            text = path.read_text("utf-8", errors="surrogateescape")
            path.write_text(inside(text), "utf-8", errors="surrogateescape")


def _make_folders(root: Path) -> None:
    for name in ("input/config", "input/data", "model", "output/data"):
        (root / name).mkdir(parents=True)


def _download_channels(job: Job, record: dict) -> None:
    s3 = job.clients.s3(job.region)
    for channel in record.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        folder = job.folder / "input/data" / channel["ChannelName"]
        try:
            bucket, objects = _objects(job, record["RoleArn"], s3, source)
            keys = [key for key, _ in objects]
            job.require(record["RoleArn"], "s3:GetObject", bucket, *keys)
            s3_objects.download(s3, bucket, objects, folder)
        except (ClientError, ValueError, AccessDenied) as error:
            raise JobFailed(f"ClientError: Data download failed:{error}") from error


def _objects(
    job: Job, role_arn: str, s3: object, source: dict
) -> tuple[str, list[tuple[str, str]]]:
    """The bucket of an S3DataSource, and (key, file name) of each of its objects."""
    uri = source["S3Uri"]
    bucket, key = s3_objects.split_uri(uri)
    if source["S3DataType"] == "ManifestFile":
        job.require(role_arn, "s3:GetObject", bucket, key)
        return s3_objects.manifest(s3, uri)
    job.require_listing(role_arn, bucket, key)
    return bucket, list(s3_objects.keys_under(s3, uri))


def _write_configuration(
    root: Path, record: dict, inside: Callable[[str], str]
) -> None:
    """input/config as the platform writes it (AWS page: How Amazon SageMaker
    Provides Training Information); `inside` says a path as the container knows it.
    """
    resources = record["ResourceConfig"]
    configuration = {
        "hyperparameters.json": {
            name: inside(value)
            for name, value in record.get("HyperParameters", {}).items()
        },
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel_configuration(channel, record)
            for channel in record.get("InputDataConfig", [])
        },
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": resources["InstanceType"],
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": resources["InstanceType"],
                    "hosts": ["algo-1"],
                }
            ],
            "network_interface_name": "eth0",
        },
    }
    if saved := checkpoints.configuration(record):
        configuration["checkpointconfig.json"] = saved
    for name, content in configuration.items():
        (root / "input/config" / name).write_text(json.dumps(content))


def _channel_configuration(channel: dict, record: dict) -> dict:
    mode = channel.get(
        "InputMode", record["AlgorithmSpecification"]["TrainingInputMode"]
    )
    source = channel["DataSource"]["S3DataSource"]
    configuration = {
        # The files are there before the container starts, so that File and FastFile
        # look the same to it; the XGBoost image knows no other word for either.
        "TrainingInputMode": "File" if mode == "FastFile" else mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        configuration["ContentType"] = channel["ContentType"]
    return configuration


def _run_container(
    job: Job,
    record: dict,
    image: Image,
    saved: checkpoints.Checkpoints | None,
    limits: spot.Limits,
) -> tuple[int, JobStopped | None]:
    """Run the training container to its end: (exit code, how it was stopped).

    Raises spot.Interrupted if its instance was taken away.
    """
    ended = threading.Event()
    metrics = MetricCollector(
        record["AlgorithmSpecification"].get("MetricDefinitions", []),
        job.observer.measured,
    )
    log = _open_log(job, image, metrics)
    container = _start_container(job, record, image, log, ended)
    try:
        with spot.Follower(job, record, container, saved, image) as follower:
            stopped = _wait_for_end(job, record, container, ended, limits)
            code = container.wait()
    except BaseException:
        container.kill()
        raise
    container.check_output()
    log.close()
    metrics.publish(job.clients.cloudwatch(job.region), job.name)
    if final := metrics.final():
        job.results["FinalMetricDataList"] = final
    if follower.has_interrupted and code != 0 and stopped is None:
        raise spot.Interrupted
    return code, stopped


def _open_log(job: Job, image: Image, metrics: MetricCollector) -> LogStream:
    """The job's log stream, in which `metrics` looks for its own."""
    log = LogStream(
        job.clients.logs(job.region),
        LOG_GROUP,
        f"{job.name}/algo-1-{epoch_seconds()}",
        job.folder,
        metrics.read,
        job.public,
    )
    if image.runs_scripts:
        log.write_line(image.what_really_runs())
    return log


def _start_container(
    job: Job, record: dict, image: Image, log: LogStream, ended: threading.Event
) -> ContainerProcess:
    """The container, which prints into `log` and sets `ended` once it has ended."""
    root, inside, own = job.folder, _as_it_is, {}
    if job.python is not None:
        root, inside, own = job.python.root, job.python.inside, job.python.variables
    module, arguments = _program(record, image, inside)
    return ContainerProcess(
        module,
        arguments,
        root,
        {
            **own,
            **{k: inside(v) for k, v in record.get("Environment", {}).items()},
            **job.environment(record["RoleArn"], record["EnableNetworkIsolation"]),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": record["TrainingJobArn"],
            "SAGEMAKER_IMAGE_TAG": image.tag,
        },
        on_output=log.write,
        on_exit=lambda code: ended.set(),
        runs_commands=image.runs_scripts,
    )


def _program(
    record: dict, image: Image, inside: Callable[[str], str]
) -> tuple[str, list[str]]:
    """The module that is run as the container's program, and its arguments: the
    image's own with `train`, or the request's command.
    """
    algorithm = record["AlgorithmSpecification"]
    command = [
        inside(word)
        for member in ("ContainerEntrypoint", "ContainerArguments")
        for word in algorithm.get(member, [])
    ]
    if "ContainerEntrypoint" in algorithm:
        return "local_aws.containers.script_mode", command
    return image.module, command or ["train"]


def _wait_for_end(
    job: Job,
    record: dict,
    container: ContainerProcess,
    ended: threading.Event,
    limits: spot.Limits,
) -> JobStopped | None:
    """Wait for the container, or stop it when it must be: then returns why."""

    def end_at_once() -> None:
        if job.ended_by is ShuttingDown:
            container.kill()
        ended.set()

    job.interrupt = end_at_once
    if job.ended_by is not None:
        end_at_once()
    seconds, outcome = limits.next(record)
    stopped = None
    if not ended.wait(seconds):
        stopped = spot.exceeded(job, outcome)
    elif job.ended_by is JobStopped:
        stopped = JobStopped()
    if stopped is not None:
        container.stop(TRAINING_GRACE_SECONDS)
    if job.ended_by is ShuttingDown:
        raise ShuttingDown
    return stopped


def _failure_reason(job: Job, code: int, faults: dict[int, str]) -> str:
    """FailureReason as AWS words it from output/failure and the exit code."""
    status = 128 - code if code < 0 else code  # a shell's number for a signal
    failure = job.folder / "output/failure"
    text = ""
    if failure.is_file():
        with failure.open(encoding="utf-8", errors="replace") as file:
            text = job.public(file.read(MAX_FAILURE_TEXT))
    if notice := job.python and job.python.notice():
        text = f"{notice}. {text}"
    elif not text and status == 137:
        return OUT_OF_MEMORY
    suffix = f", exit code: {status}"
    fault = faults.get(status, "AlgorithmError")
    return f"{fault}: {text}"[: MAX_FAILURE_REASON - len(suffix)] + suffix


def _upload(job: Job) -> None:
    """model.tar.gz and, where there is other output, output.tar.gz to S3."""
    record = job.record()
    s3 = job.clients.s3(job.region)
    destination = record["OutputDataConfig"]["S3OutputPath"]
    compressed = record["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
    for folder, name in (("model", "model"), ("output/data", "output")):
        source = job.folder / folder
        if not source.is_dir() or (name == "output" and not any(source.iterdir())):
            continue
        if compressed:
            archive = job.folder / f"{name}.tar.gz"
            archives.pack(source, archive)
            files = {archive.name: archive}
        else:
            files = {
                f"{name}/{path.relative_to(source).as_posix()}": path
                for path in source.rglob("*")
                if path.is_file()
            }
        bucket, prefix = s3_objects.join_uri(destination, f"{job.name}/output")
        keys = {f"{prefix}/{name}": path for name, path in files.items()}
        try:
            job.require(record["RoleArn"], "s3:PutObject", bucket, *keys)
            for key, path in keys.items():
                s3.upload_file(str(path), bucket, key, Config=s3_objects.TRANSFER)
        except (ClientError, S3UploadFailedError, AccessDenied) as error:
            raise JobFailed(f"ClientError: Artifact upload failed:{error}") from error
