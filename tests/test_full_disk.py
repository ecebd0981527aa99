"""A full disk: a clear error, nothing changed, and all goes on once there is room."""

import os
import resource
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from conftest import start_stand_in
from filling import (
    MEGABYTE,
    NOBODY,
    fill_budgets,
    fill_iam,
    fill_logs,
    fill_metrics,
    killed_and_started,
)
from observation import (
    observe_budgets,
    observe_iam,
    observe_logs,
    observe_metrics,
    observe_s3,
)

from local_aws.installation import ACCOUNT_ID, ROLE_ARN, ROLE_NAME

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the limit of another process is set as on Linux"
)

INLINE, FILE, SPOOLED = 100, 200_000, 6 * MEGABYTE


@contextmanager
def full_disk(stand_in):
    """No file of the stand-in may grow: each write fails, as with no room left."""
    pid = stand_in.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def changes(stand_in, upload: str) -> dict:
    """Requests that change something, by the error that is expected of them."""
    s3, iam = stand_in.client("s3"), stand_in.client("iam")
    logs, cloudwatch = stand_in.client("logs"), stand_in.client("cloudwatch")
    sagemaker, budgets = stand_in.client("sagemaker"), stand_in.client("budgets")
    event = {"timestamp": int(time.time() * 1000), "message": "a line"}
    stream = {"logGroupName": "/a", "logStreamName": "one"}
    part = {"Bucket": "bucket", "Key": "parts", "UploadId": upload}
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    copy = {"Bucket": "bucket", "Key": f"old {FILE}"}
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT_ID}:notebook-instance/old"
    return {
        "InternalError": [
            *(
                lambda size=size, key=key: s3.put_object(
                    Bucket="bucket", Key=f"{key} {size}", Body=os.urandom(size)
                )
                for size in (INLINE, FILE, SPOOLED)
                for key in ("new", "old")
            ),
            lambda: s3.copy_object(Bucket="bucket", Key="copy", CopySource=copy),
            lambda: s3.delete_object(Bucket="bucket", Key=f"old {FILE}"),
            lambda: s3.put_object_tagging(**copy, Tagging=tags),
            lambda: s3.put_bucket_tagging(Bucket="bucket", Tagging=tags),
            lambda: s3.create_bucket(Bucket="new-bucket"),
            lambda: s3.delete_bucket(Bucket="empty-bucket"),
            lambda: s3.create_multipart_upload(Bucket="bucket", Key="parts"),
            lambda: s3.upload_part(**part, PartNumber=1, Body=b"again"),
            lambda: s3.upload_part(**part, PartNumber=2, Body=os.urandom(FILE)),
            lambda: s3.abort_multipart_upload(**part),
        ],
        "ServiceFailure": [
            lambda: iam.create_role(RoleName="new", AssumeRolePolicyDocument=NOBODY),
            lambda: iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName="in"),
            lambda: iam.remove_user_from_group(GroupName="crew", UserName="ann"),
        ],
        "ServiceUnavailableException": [
            lambda: logs.create_log_group(logGroupName="/new"),
            lambda: logs.put_log_events(**stream, logEvents=[event]),
            lambda: logs.create_log_stream(logGroupName="/a", logStreamName="new"),
            lambda: logs.delete_log_stream(**stream),
            lambda: logs.delete_log_group(logGroupName="/a"),
        ],
        "InternalServiceError": [
            lambda: cloudwatch.put_metric_data(
                Namespace="Own", MetricData=[{"MetricName": "rmse", "Value": 1.0}]
            ),
            lambda: cloudwatch.delete_dashboards(DashboardNames=["board"]),
        ],
        "InternalErrorException": [
            lambda: budgets.delete_budget(AccountId=ACCOUNT_ID, BudgetName="month"),
        ],
        "InternalFailure": [
            lambda: sagemaker.create_notebook_instance(
                NotebookInstanceName="new",
                InstanceType="ml.t3.medium",
                RoleArn=ROLE_ARN,
            ),
            lambda: sagemaker.add_tags(
                ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}]
            ),
        ],
    }


def test_nothing_changes_and_all_goes_on(home) -> None:
    own = start_stand_in(home)
    since = datetime.now(UTC)
    s3 = own.client("s3")
    for bucket in ("bucket", "empty-bucket"):
        s3.create_bucket(Bucket=bucket)
    for size in (INLINE, FILE, SPOOLED):
        s3.put_object(Bucket="bucket", Key=f"old {size}", Body=os.urandom(size))
    target = {"Bucket": "bucket", "Key": "parts"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"part")
    fill_iam(own.client("iam"))
    fill_logs(own.client("logs"))
    fill_metrics(own.client("cloudwatch"))
    fill_budgets(own.client("budgets"))
    own.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="old", InstanceType="ml.t3.medium", RoleArn=ROLE_ARN
    )

    def observe() -> dict:
        sagemaker = own.client("sagemaker")
        notebooks = sagemaker.list_notebook_instances()["NotebookInstances"]
        return {
            "s3": observe_s3(own.client("s3")),
            "iam": observe_iam(own.client("iam")),
            "logs": observe_logs(own.client("logs")),
            "metrics": observe_metrics(own.client("cloudwatch"), since),
            "budgets": observe_budgets(own.client("budgets")),
            "notebooks": {n["NotebookInstanceName"] for n in notebooks},
        }

    before = observe()
    files = set(os.listdir(home / "s3"))
    with full_disk(own):
        for code, calls in changes(own, upload).items():
            for number, call in enumerate(calls):
                with pytest.raises(ClientError) as caught:
                    call()
                error = caught.value.response
                assert error["Error"]["Code"] == code, (code, number, error)
                assert error["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
                assert "state folder" in error["Error"]["Message"]
        assert observe() == before
    assert set(os.listdir(home / "s3")) == files
    # There is room again.
    assert observe() == before
    s3.put_object(Bucket="bucket", Key="later", Body=os.urandom(FILE))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload=parts)
    s3.delete_object(**target)
    s3.delete_object(Bucket="bucket", Key="later")
    own.client("sagemaker").stop_notebook_instance(NotebookInstanceName="old")
    before = observe()
    own = killed_and_started(own)
    assert observe() == before
    own.process.kill()
