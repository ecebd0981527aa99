"""The life of a training job, from Starting to Completed, Failed or Stopped.

Sources: botocore sagemaker service model (TrainingJobStatus, SecondaryStatus,
StoppingCondition); AWS pages "How Amazon SageMaker Provides Training Information"
and "How Amazon SageMaker Processes Training Output".
"""

import json
import math
import os
import time
from pathlib import Path
from queue import Empty

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from local_aws.containers.images import Image, find_image
from local_aws.errors import validation_exception
from local_aws.jobs.job import (
    INTERNAL_ERROR,
    MAX_FAILURE_REASON,
    AccessDenied,
    Job,
    JobFailed,
    ShuttingDown,
    StopRequested,
)
from local_aws.jobs.metrics import MetricCollector
from local_aws.runtime import archives, s3_objects
from local_aws.runtime.container_process import TRAINING_GRACE_SECONDS, ContainerProcess
from local_aws.runtime.log_stream import LogStream, epoch_seconds

KIND = "training-job"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"

PREPARING = "Preparing the instances for training"
DOWNLOADING = "Downloading input data"
TRAINING = "Training image download completed. Training in progress."
UPLOADING = "Uploading generated training model"
COMPLETED = "Training job completed"
STOPPING = "Stopping the training job"
STOPPED = "Training job stopped"
FAILED = "Training job failed"
RUNTIME_EXCEEDED = "Training job runtime exceeded MaxRuntimeInSeconds provided"

OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size "
    "of job data processed on an instance., exit code: 137"
)


def move(record: dict, secondary: str, message: str, now: float) -> None:
    """Enter a secondary status: the transition before it ends, a new one begins."""
    transitions = record["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1]["EndTime"] = now
    transitions.append(
        {"Status": secondary, "StartTime": now, "StatusMessage": message}
    )
    record["SecondaryStatus"] = secondary
    record["LastModifiedTime"] = now


def request_stop(record: dict) -> None:
    """The change that StopTrainingJob makes; raises for a job that does not run."""
    status = record["TrainingJobStatus"]
    if status != "InProgress":
        raise validation_exception(
            f"The request was rejected because the training job is in status {status}."
        )
    record["TrainingJobStatus"] = "Stopping"
    move(record, "Stopping", STOPPING, time.time())


def run(job: Job) -> None:
    """Run the job to its end; every outcome is written into its record.

    Raises ShuttingDown with the record left as it is.
    """
    metrics = MetricCollector(
        job.record()["AlgorithmSpecification"]["MetricDefinitions"]
    )
    reason = None
    try:
        outcome = _train(job, metrics)
        if outcome == "Completed":
            _advance(job, "Uploading", UPLOADING)
        _upload(job)
    except StopRequested:
        outcome = "Stopped"
    except JobFailed as error:
        outcome, reason = "Failed", str(error)[:MAX_FAILURE_REASON]
    metrics.publish(job.clients.cloudwatch(job.region), job.name)
    _end(job, outcome, metrics, reason)


def fail_internally(record: dict) -> None:
    """The change for a job whose run was cut off, or broke, on our side."""
    _set_end(record, "Failed", time.time())
    record["FailureReason"] = INTERNAL_ERROR


def _train(job: Job, metrics: MetricCollector) -> str:
    """Download, train; returns "Completed", "Stopped" or "MaxRuntimeExceeded"."""
    record = _advance(job, "Downloading", DOWNLOADING)
    image = find_image(record["AlgorithmSpecification"]["TrainingImage"])
    _make_folders(job.folder)
    _download_channels(job, record)
    _write_configuration(job.folder, record)
    record = _advance(job, "Training", TRAINING)
    code, outcome = _run_container(job, record, image, metrics)
    if code != 0 and outcome == "Completed":
        raise JobFailed(_failure_reason(job.folder, code, image.faults))
    return outcome


def _advance(job: Job, secondary: str, message: str) -> dict:
    """Enter the next secondary status, unless the job is to stop."""

    def change(record: dict) -> None:
        if record["TrainingJobStatus"] == "Stopping":
            raise StopRequested
        now = time.time()
        if secondary == "Downloading":
            record["TrainingStartTime"] = now
        move(record, secondary, message, now)

    return job.resources.update(job.region, KIND, job.name, change)


def _make_folders(root: Path) -> None:
    for name in ("input/config", "input/data", "model", "output/data"):
        (root / name).mkdir(parents=True)


def _download_channels(job: Job, record: dict) -> None:
    s3 = job.clients.s3(job.region)
    for channel in record.get("InputDataConfig", []):
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        folder = job.folder / "input/data" / channel["ChannelName"]
        try:
            bucket, prefix = s3_objects.split_uri(uri)
            job.require(record["RoleArn"], "s3:GetObject", bucket, prefix)
            s3_objects.download_prefix(s3, uri, folder)
        except (ClientError, ValueError, AccessDenied) as error:
            raise JobFailed(
                f"ClientError: Data download failed:{job.public(error)}"
            ) from error


def _write_configuration(root: Path, record: dict) -> None:
    """input/config as the platform writes it (AWS page: How Amazon SageMaker
    Provides Training Information).
    """
    resources = record["ResourceConfig"]
    configuration = {
        "hyperparameters.json": record.get("HyperParameters", {}),
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
    job: Job, record: dict, image: Image, metrics: MetricCollector
) -> tuple[int, str]:
    """Run the training container to its end: (exit code, how it came to end)."""
    log = LogStream(
        job.clients.logs(job.region),
        LOG_GROUP,
        f"{job.name}/algo-1-{epoch_seconds()}",
        job.folder,
        metrics.read,
    )
    container = ContainerProcess(
        image.module,
        "train",
        job.folder,
        {
            **record.get("Environment", {}),
            **job.environment(),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": record["TrainingJobArn"],
            "SAGEMAKER_IMAGE_TAG": image.tag,
        },
        on_output=log.write,
        on_exit=lambda code: job.events.put(("exit", code)),
    )
    try:
        outcome = _wait_for_end(job, record, container)
    except BaseException:
        container.kill()
        raise
    code = container.wait()
    container.check_output()
    log.close()
    return code, outcome


def _wait_for_end(job: Job, record: dict, container: ContainerProcess) -> str:
    limit = record["StoppingCondition"]["MaxRuntimeInSeconds"]
    deadline = record["TrainingStartTime"] + limit
    try:
        event, *_ = job.events.get(timeout=max(0.0, deadline - time.time()))
    except Empty:
        job.resources.update(job.region, KIND, job.name, _stop_for_runtime)
        container.stop(TRAINING_GRACE_SECONDS)
        return "MaxRuntimeExceeded"
    if event == "close":
        raise ShuttingDown
    if event == "stop":
        container.stop(TRAINING_GRACE_SECONDS)
        return "Stopped"
    return "Completed"


def _stop_for_runtime(record: dict) -> None:
    if record["TrainingJobStatus"] == "InProgress":
        record["TrainingJobStatus"] = "Stopping"
        move(record, "Stopping", STOPPING, time.time())


def _failure_reason(root: Path, code: int, faults: dict[int, str]) -> str:
    """FailureReason as AWS words it from output/failure and the exit code."""
    status = 128 - code if code < 0 else code  # a shell's number for a signal
    failure = root / "output/failure"
    if failure.is_file():
        with failure.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_FAILURE_REASON).replace(str(root), "/opt/ml")
    elif status == 137:
        return OUT_OF_MEMORY
    else:
        text = ""
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
        try:
            bucket, prefix = s3_objects.join_uri(destination, f"{job.name}/output")
            job.require(record["RoleArn"], "s3:PutObject", bucket, prefix)
            if compressed:
                archive = job.folder / f"{name}.tar.gz"
                archives.pack(source, archive)
                bucket, key = s3_objects.join_uri(
                    destination, f"{job.name}/output/{archive.name}"
                )
                s3.upload_file(str(archive), bucket, key, Config=s3_objects.TRANSFER)
            else:
                _upload_folder(s3, source, destination, f"{job.name}/output/{name}")
        except (ClientError, S3UploadFailedError, AccessDenied) as error:
            raise JobFailed(
                f"ClientError: Artifact upload failed:{job.public(error)}"
            ) from error


def _upload_folder(s3: object, folder: Path, destination: str, prefix: str) -> None:
    for directory, _, files in os.walk(folder):
        for file in files:
            path = Path(directory) / file
            bucket, key = s3_objects.join_uri(
                destination, f"{prefix}/{path.relative_to(folder).as_posix()}"
            )
            s3.upload_file(str(path), bucket, key, Config=s3_objects.TRANSFER)


def _end(
    job: Job, outcome: str, metrics: MetricCollector, reason: str | None = None
) -> None:
    def change(record: dict) -> None:
        _set_end(record, outcome, time.time())
        if final := metrics.final():
            record["FinalMetricDataList"] = final
        if reason is not None:
            record["FailureReason"] = reason

    job.resources.update(job.region, KIND, job.name, change)


def _set_end(record: dict, outcome: str, now: float) -> None:
    """Write the end of a job; `outcome` is its last secondary status."""
    message = {
        "Completed": COMPLETED,
        "Failed": FAILED,
        "Stopped": STOPPED,
        "MaxRuntimeExceeded": RUNTIME_EXCEEDED,
    }[outcome]
    move(record, outcome, message, now)
    record["SecondaryStatusTransitions"][-1]["EndTime"] = now
    record["TrainingJobStatus"] = (
        outcome if outcome in ("Completed", "Failed") else "Stopped"
    )
    if "TrainingStartTime" in record:
        record["TrainingEndTime"] = now
        # Billed by the second, a begun second in full.
        seconds = math.ceil(now - record["TrainingStartTime"])
        record["TrainingTimeInSeconds"] = seconds
        record["BillableTimeInSeconds"] = seconds
