"""A stand-in on a temporary state folder, and the requests that the lines send it."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.measuring import wait_for
from course.stand_in import StandIn, start_stand_in, temporary_folder
from local_aws.installation import CHECKOUT, ROLE_ARN

BUCKET = "sagemaker-benchmarks"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"

# Lesson 01's.
BOSTON = {
    "objective": "reg:squarederror",
    "num_round": "200",
    "max_depth": "5",
    "eta": "0.2",
    "subsample": "0.8",
    "seed": "5",
    "eval_metric": "rmse",
    "early_stopping_rounds": "10",
}
ENDED = ("Completed", "Failed", "Stopped")


@contextmanager
def running() -> Iterator[StandIn]:
    """A stand-in of its own with a bucket, ended afterwards. Raises NotStarted."""
    with temporary_folder() as home:
        stand_in = start_stand_in(home)
        try:
            stand_in.client("s3").create_bucket(Bucket=BUCKET)
            yield stand_in
        finally:
            end(stand_in.process)


def end(process: subprocess.Popen) -> None:
    """End a process as Ctrl-C in its terminal does, with a limit."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def new_name(what: str) -> str:
    """A name that no other resource has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def boston() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train, validation and test rows, the target first: 226, 113 and 167 of 14."""
    table = np.genfromtxt(
        CHECKOUT / "data" / "boston_housing.csv", delimiter=",", skip_header=1
    )
    table = table[np.random.default_rng(5).permutation(len(table))]
    table = table[:, [-1, *range(table.shape[1] - 1)]]
    return table[:226], table[226:339], table[339:]


def csv(table: np.ndarray) -> bytes:
    """Rows of numbers as csv, with the digits that a 32 bit number needs."""
    rows = table.astype(np.float32).astype(str)
    return "".join(",".join(row) + "\n" for row in rows).encode()


def training_request(
    job: str, channels: dict[str, str], hyperparameters: dict[str, str]
) -> dict:
    """CreateTrainingJob's request; `channels` maps names to keys in BUCKET."""
    return {
        "TrainingJobName": job,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE_ARN,
        "InputDataConfig": [
            {
                "ChannelName": name,
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{BUCKET}/{key}",
                    }
                },
            }
            for name, key in channels.items()
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": hyperparameters,
    }


def train(
    stand_in: StandIn,
    channels: dict[str, str],
    hyperparameters: dict[str, str],
    poll_s: float,
    jobs: int = 1,
) -> list[dict]:
    """Run `jobs` training jobs at once to their ends; their descriptions.

    Raises RuntimeError if one is not Completed, TimeoutError.
    """
    sagemaker = stand_in.client("sagemaker")
    names = [new_name("job") for _ in range(jobs)]
    for name in names:
        sagemaker.create_training_job(
            **training_request(name, channels, hyperparameters)
        )
    found = []
    for name in names:

        def ended(name: str = name) -> bool:
            answer = sagemaker.describe_training_job(TrainingJobName=name)
            if answer["TrainingJobStatus"] in ENDED:
                found.append(answer)
            return answer["TrainingJobStatus"] in ENDED

        wait_for(ended, poll_s, 300)
    for answer in found:
        if answer["TrainingJobStatus"] != "Completed":
            raise RuntimeError(answer.get("FailureReason", "a job was stopped"))
    return found


def boston_model(stand_in: StandIn) -> str:
    """Train the Boston model, make a Model of it; returns its name."""
    s3 = stand_in.client("s3")
    train_rows, validation_rows, _ = boston()
    s3.put_object(Bucket=BUCKET, Key="boston/train/a.csv", Body=csv(train_rows))
    s3.put_object(
        Bucket=BUCKET, Key="boston/validation/a.csv", Body=csv(validation_rows)
    )
    channels = {"train": "boston/train", "validation": "boston/validation"}
    (job,) = train(stand_in, channels, BOSTON, 0.02)
    name = new_name("model")
    stand_in.client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    return name


def artifact(stand_in: StandIn, model: str, folder: Path) -> Path:
    """Unpack the artifact of a Model into `folder`/model; returns the model's file."""
    description = stand_in.client("sagemaker").describe_model(ModelName=model)
    uri = description["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    archive = folder / "model.tar.gz"
    stand_in.client("s3").download_file(bucket, key, str(archive))
    (folder / "model").mkdir()
    shutil.unpack_archive(archive, folder / "model", filter="data")
    return folder / "model" / "xgboost-model"
