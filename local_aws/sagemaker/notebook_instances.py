"""Notebook instances as records: created, started, stopped, deleted, never run.

They are kept in the same resources as everything else of SageMaker, so that they
survive a restart as jobs and models do.
"""

import time
import uuid
from collections.abc import Callable

from local_aws.errors import AwsError, validation_exception
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.records import described, summary
from local_aws.sagemaker.tags import tags_of_request

KIND = "notebook-instance"

# DescribeNotebookInstance's names for what CreateNotebookInstance calls otherwise.
RENAMED = {
    "SecurityGroupIds": "SecurityGroups",
    "LifecycleConfigName": "NotebookInstanceLifecycleConfigName",
}

SUMMARY = (
    "NotebookInstanceName",
    "NotebookInstanceArn",
    "NotebookInstanceStatus",
    "Url",
    "InstanceType",
    "CreationTime",
    "LastModifiedTime",
)


def create_notebook_instance(request: dict, context: Context) -> dict:
    """Record a notebook instance, in service at once."""
    preconditions.check_role(request["RoleArn"], context)
    name = request["NotebookInstanceName"]
    arn = context.arn(KIND, name)
    now = time.time()
    record = {
        **{RENAMED.get(key, key): request[key] for key in request if key != "Tags"},
        "NotebookInstanceArn": arn,
        "NotebookInstanceStatus": "InService",
        "Url": f"{name.lower()}-{uuid.uuid4().hex[:4]}.notebook."
        f"{context.region}.sagemaker.aws",
        "DirectInternetAccess": request.get("DirectInternetAccess", "Enabled"),
        "RootAccess": request.get("RootAccess", "Enabled"),
        "VolumeSizeInGB": request.get("VolumeSizeInGB", 5),
        "CreationTime": now,
        "LastModifiedTime": now,
        "_arn": arn,
    }
    try:
        context.resources.create(
            context.region, KIND, name, record, arn, tags_of_request(request)
        )
    except AlreadyExists as error:
        raise AwsError(
            "ResourceInUse",
            f"Cannot create a duplicate Notebook Instance ({arn})",
        ) from error
    return {"NotebookInstanceArn": arn}


def describe_notebook_instance(request: dict, context: Context) -> dict:
    """The notebook instance's record."""
    try:
        record = context.resources.get(
            context.region, KIND, request["NotebookInstanceName"]
        )
    except NotFound as error:
        raise validation_exception("RecordNotFound") from error
    return described(record)


def list_notebook_instances(request: dict, context: Context) -> dict:
    """A page of notebook instances."""
    records, token = pagination.page(
        context.resources.records(context.region, KIND),
        request,
        name="NotebookInstanceName",
        status="NotebookInstanceStatus",
        sort_by="Name",
        sort_order="Ascending",
    )
    return {
        "NotebookInstances": [summary(record, SUMMARY) for record in records],
        "NextToken": token,
    }


def start_notebook_instance(request: dict, context: Context) -> dict:
    """Stopped or Failed to InService."""
    return _move(request, context, ("Stopped", "Failed"), "Pending", "InService")


def stop_notebook_instance(request: dict, context: Context) -> dict:
    """InService to Stopped."""
    return _move(request, context, ("InService",), "Stopping", "Stopped")


def _move(
    request: dict,
    context: Context,
    allowed: tuple[str, ...],
    passing: str,
    reached: str,
) -> dict:
    """Change the status; `passing` is the state that AWS goes through on the way."""
    check = _check_status(allowed, passing)

    def change(record: dict) -> None:
        check(record)
        record["NotebookInstanceStatus"] = reached
        record["LastModifiedTime"] = time.time()

    try:
        context.resources.update(
            context.region, KIND, request["NotebookInstanceName"], change
        )
    except NotFound as error:
        raise validation_exception("RecordNotFound") from error
    return {}


def _check_status(allowed: tuple[str, ...], target: str) -> Callable[[dict], None]:
    def check(record: dict) -> None:
        status = record["NotebookInstanceStatus"]
        if status not in allowed:
            raise validation_exception(
                f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to "
                f"transition to ({target}) for Notebook Instance "
                f"({record['NotebookInstanceArn']})"
            )

    return check


def delete_notebook_instance(request: dict, context: Context) -> dict:
    """Delete a stopped notebook instance."""
    name = request["NotebookInstanceName"]
    try:
        context.resources.delete(
            context.region,
            KIND,
            name,
            context.arn(KIND, name),
            _check_status(("Stopped", "Failed"), "Deleting"),
        )
    except NotFound as error:
        raise validation_exception("RecordNotFound") from error
    return {}
