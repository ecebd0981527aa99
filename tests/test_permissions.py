"""What the recorded calls of a notebook need of AWS is named as IAM names it."""

import os
import subprocess
import sys
from pathlib import Path

from permissions import (
    Action,
    Call,
    actions,
    not_allowed,
    not_of_the_run,
    recorded,
    recording,
)

ROLE = "arn:aws:iam::123456789012:role/mine"
SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/"
TO_SAGEMAKER = (("iam:passedtoservice", "sagemaker.amazonaws.com"),)
# Too little for a request: it is noted, and refused before it is sent.
TUNING = """
import boto3
from botocore.exceptions import ParamValidationError
sm = boto3.client("sagemaker", region_name="us-east-1")
try:
    sm.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="a",
        TrainingJobDefinition={"RoleArn": ROLE + "1", "Environment": {"a": "b"}},
        TrainingJobDefinitions=[{"RoleArn": ROLE + "2"}],
    )
except ParamValidationError:
    pass
"""


def test_a_role_inside_a_parameter_is_passed(tmp_path: Path) -> None:
    """A tuning job has the role of its training jobs in their definition."""
    file = tmp_path / "calls"
    program = f"ROLE = {ROLE!r}\n{TUNING}"
    environment = recording(os.environ, file)
    subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, timeout=60
    )
    (call,) = recorded(file)
    assert call.parameters == {
        "HyperParameterTuningJobName": "a",
        "TrainingJobDefinition.RoleArn": f"{ROLE}1",
        "TrainingJobDefinitions.0.RoleArn": f"{ROLE}2",
    }
    assert actions(call) == [
        Action("sagemaker:CreateHyperParameterTuningJob", f"{SAGEMAKER}a"),
        Action("iam:PassRole", f"{ROLE}1", TO_SAGEMAKER),
        Action("iam:PassRole", f"{ROLE}2", TO_SAGEMAKER),
    ]


def test_metrics_of_training_jobs_are_an_action_of_sagemaker() -> None:
    """Its client has another name."""
    call = Call("sagemaker-metrics", "BatchGetMetrics")
    assert actions(call) == [Action("sagemaker:BatchGetMetrics")]
    assert not_allowed([call]) == []


def test_a_bucket_of_the_runs_own_is_found_by_its_name() -> None:
    """What is made in another bucket, or under another name, a clean-up would miss."""
    own, other = "lesson97-abc123-sagemaker", "lesson97-abc123x-sagemaker"
    calls = [
        Call("s3", operation, {"Bucket": bucket, "Key": "a.csv"}, True)
        for bucket in (own, other)
        for operation in ("CreateBucket", "PutObject")
    ]
    calls.append(Call("s3", "CreateBucket", {"Bucket": "taken"}, False))
    assert not_of_the_run(calls, "abc123") == [
        f"CreateBucket: {other}",
        f"PutObject: s3://{other}/a.csv",
    ]
