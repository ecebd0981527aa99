"""Reading a job's or an endpoint's log in CloudWatch Logs.

Lessons 02 and 04 write these calls out; the other lessons use them from here.
"""

import re
import time

import boto3
import pandas as pd

TRAINING_JOBS = "/aws/sagemaker/TrainingJobs"
TRANSFORM_JOBS = "/aws/sagemaker/TransformJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"
FUNCTIONS = "/aws/lambda"
ROUND = re.compile(r"\[\d+\]#011train-rmse:([\d.]+)(?:#011validation-rmse:([\d.]+))?")


def job_log(
    boto_session: boto3.Session, job_name: str, group: str = TRAINING_JOBS
) -> list[str]:
    """Give the lines of a job's log, oldest first; group says which kind of job."""
    return _lines(boto_session.client("logs"), group, f"{job_name}/")


def rmse_by_round(boto_session: boto3.Session, job_name: str) -> pd.DataFrame:
    """Read the RMSE after each boosting round from the log of an XGBoost training job.

    One row per round, from round 0, with the columns train and validation, in the unit
    of the target; validation is NaN for a job without that channel.
    """
    found = [ROUND.match(line) for line in job_log(boto_session, job_name)]
    rows = [match.groups() for match in found if match]
    return pd.DataFrame(rows, columns=["train", "validation"]).astype(float)


def endpoint_log(
    boto_session: boto3.Session, endpoint_name: str, containing: str, wait_s: float = 60
) -> list[str]:
    """Give the lines of an endpoint's log that contain a text, oldest first.

    On AWS a line takes some seconds to arrive: an empty list only if none has after
    wait_s seconds.
    """
    group = f"{ENDPOINTS}/{endpoint_name}"
    return _lines_containing(boto_session, group, containing, wait_s)


def function_log(
    boto_session: boto3.Session, function_name: str, containing: str, wait_s: float = 60
) -> list[str]:
    """Give the lines of a Lambda function's log that contain a text, oldest first.

    They take as long to arrive as an endpoint's.
    """
    group = f"{FUNCTIONS}/{function_name}"
    return _lines_containing(boto_session, group, containing, wait_s)


def _lines_containing(
    boto_session: boto3.Session, group: str, containing: str, wait_s: float
) -> list[str]:
    logs = boto_session.client("logs")
    deadline = time.monotonic() + wait_s
    while True:
        try:
            lines = _lines(logs, group, "")
        except logs.exceptions.ResourceNotFoundException:
            # With its first line a new log group arrives.
            if time.monotonic() > deadline:
                raise
            lines = []
        found = [line for line in lines if containing in line]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(2)


def _lines(logs: object, group: str, prefix: str) -> list[str]:
    """Give the lines of all streams of a log group whose names begin with prefix."""
    conditions = {"logGroupName": group}
    if prefix:
        conditions["logStreamNamePrefix"] = prefix
    pages = logs.get_paginator("describe_log_streams").paginate(**conditions)
    streams = [
        stream["logStreamName"] for page in pages for stream in page["logStreams"]
    ]
    return [line for stream in streams for line in _stream(logs, group, stream)]


def _stream(logs: object, group: str, stream: str) -> list[str]:
    """Give a stream's lines. The last page's token is the one that it was asked by."""
    lines, token = [], None
    place = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    page = logs.get_log_events(**place)
    while page["nextForwardToken"] != token:
        lines += [event["message"] for event in page["events"]]
        token = page["nextForwardToken"]
        page = logs.get_log_events(**place, nextToken=token)
    return lines
