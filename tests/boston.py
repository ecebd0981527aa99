"""The Boston data and the requests that the job tests start from."""

import io
import tarfile
import time
import uuid

import numpy as np
import pandas as pd

from local_aws.installation import CHECKOUT, ROLE_ARN

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
TERMINAL = ("Completed", "Failed", "Stopped")

HYPERPARAMETERS = {
    "objective": "reg:squarederror",
    "num_round": "20",
    "max_depth": "4",
    "eta": "0.3",
    "eval_metric": "rmse",
}


def model_archive(content: bytes) -> bytes:
    """A model.tar.gz with this content as its model."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("xgboost-model")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def name(prefix="job"):
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def frame():
    """506 x 14, the target first, as SageMaker's XGBoost wants it."""
    data = pd.read_csv(CHECKOUT / "data" / "boston_housing.csv")
    return data[["MEDV", *[column for column in data if column != "MEDV"]]]


def csv(data):
    return data.to_csv(index=False, header=False).encode()


def upload(s3, bucket):
    """Train, validation and test parts under boston/; returns the three frames."""
    order = np.random.default_rng(0).permutation(506)
    parts = [frame().iloc[rows] for rows in np.split(order, [300, 400])]
    for part, data in zip(("train", "validation", "test"), parts, strict=True):
        columns = data if part != "test" else data.drop(columns="MEDV")
        s3.put_object(Bucket=bucket, Key=f"boston/{part}/{part}.csv", Body=csv(columns))
    return parts


def channel(bucket, part, **changes):
    return {
        "ChannelName": part,
        "ContentType": "text/csv",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": f"s3://{bucket}/boston/{part}",
            }
        },
        **changes,
    }


def training_request(bucket, job_name, hyperparameters=None, **changes):
    return {
        "TrainingJobName": job_name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE_ARN,
        "InputDataConfig": [channel(bucket, "train"), channel(bucket, "validation")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": {**HYPERPARAMETERS, **(hyperparameters or {})},
        **changes,
    }


def transform_request(bucket, job_name, model_name, **changes):
    return {
        "TransformJobName": job_name,
        "ModelName": model_name,
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/boston/test",
                }
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/transformed"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }


def wait(describe, key, reached=TERMINAL, seconds=180, **identity):
    """Poll a Describe call until its status `key` is one of `reached`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = describe(**identity)
        if answer[key] in reached:
            return answer
        assert time.monotonic() < deadline, f"still {answer[key]}"
        time.sleep(0.02)


def wait_for_training(sagemaker, job_name, reached=TERMINAL):
    return wait(
        sagemaker.describe_training_job,
        "TrainingJobStatus",
        reached,
        TrainingJobName=job_name,
    )


def wait_for_transform(sagemaker, job_name, reached=TERMINAL):
    return wait(
        sagemaker.describe_transform_job,
        "TransformJobStatus",
        reached,
        TransformJobName=job_name,
    )


def log_lines(logs, group, prefix):
    """All messages of the streams whose names begin with `prefix`."""
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    lines = []
    for stream in streams["logStreams"]:
        answer = logs.get_log_events(
            logGroupName=group,
            logStreamName=stream["logStreamName"],
            startFromHead=True,
        )
        lines += [event["message"] for event in answer["events"]]
    return lines
