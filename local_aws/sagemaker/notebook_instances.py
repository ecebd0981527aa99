"""Notebook instances as records: created, started, stopped, deleted, never run."""

import time
import uuid

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.families import Change, Family, declare
from local_aws.sagemaker.operations import Context, operation

NOTEBOOK_INSTANCES = declare(
    Family(
        noun="NotebookInstance",
        kind="notebook-instance",
        not_found="RecordNotFound",
        already_exists="Cannot create a duplicate Notebook Instance ({arn})",
        already_exists_code="ResourceInUse",
        transitional=frozenset({"Pending", "Stopping", "Updating", "Deleting"}),
        sort_by="Name",
        sort_order="Ascending",
    )
)

# DescribeNotebookInstance's names for what CreateNotebookInstance calls otherwise.
RENAMED = {
    "SecurityGroupIds": "SecurityGroups",
    "LifecycleConfigName": "NotebookInstanceLifecycleConfigName",
}


@operation("CreateNotebookInstance")
def create_notebook_instance(request: dict, context: Context) -> dict:
    """Record a notebook instance, in service at once."""
    preconditions.check_role(request["RoleArn"], context)
    host = f"{request['NotebookInstanceName'].lower()}-{uuid.uuid4().hex[:4]}"
    members = {
        "NotebookInstanceStatus": "InService",
        "Url": f"{host}.notebook.{context.region}.sagemaker.aws",
        "DirectInternetAccess": "Enabled",
        "RootAccess": "Enabled",
        "VolumeSizeInGB": 5,
        **{RENAMED.get(member, member): value for member, value in request.items()},
    }
    return NOTEBOOK_INSTANCES.create(members, context)


@operation("StartNotebookInstance")
def start_notebook_instance(request: dict, context: Context) -> dict:
    """Stopped or Failed to InService."""
    return _move(
        request, context, _check(("Stopped", "Failed"), "Pending"), "InService"
    )


@operation("StopNotebookInstance")
def stop_notebook_instance(request: dict, context: Context) -> dict:
    """InService to Stopped."""
    check = _check(("InService",), "Stopping")
    return _move(request, context, check, "Stopped")


@operation("DeleteNotebookInstance")
def delete_notebook_instance(request: dict, context: Context) -> dict:
    """Delete a stopped notebook instance."""
    check = _check(("Stopped", "Failed"), "Deleting")
    return NOTEBOOK_INSTANCES.delete(request, context, check)


def _move(request: dict, context: Context, check: Change, reached: str) -> dict:
    def change(record: dict) -> None:
        check(record)
        record["NotebookInstanceStatus"] = reached
        record["LastModifiedTime"] = time.time()

    NOTEBOOK_INSTANCES.update(request["NotebookInstanceName"], context, change)
    return {}


def _check(allowed: tuple[str, ...], target: str) -> Change:
    """`target` is the status that AWS enters first, on the way to the one asked for."""

    def check(record: dict) -> None:
        status = record["NotebookInstanceStatus"]
        if status not in allowed:
            raise validation_exception(
                f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to "
                f"transition to ({target}) for Notebook Instance "
                f"({record['NotebookInstanceArn']})"
            )

    return check
