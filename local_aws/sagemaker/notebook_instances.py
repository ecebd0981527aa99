"""Notebook instances as records: created, started, stopped, deleted, never run."""

import uuid

from local_aws.errors import validation_exception
from local_aws.persistence.resources import touch
from local_aws.sagemaker import preconditions
from local_aws.sagemaker.families import Family, declare
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

ENDED = ("Stopped", "Failed")

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
    return _move(request, context, ENDED, "Pending", "InService")


@operation("StopNotebookInstance")
def stop_notebook_instance(request: dict, context: Context) -> dict:
    """InService to Stopped."""
    return _move(request, context, ("InService",), "Stopping", "Stopped")


@operation("DeleteNotebookInstance")
def delete_notebook_instance(request: dict, context: Context) -> dict:
    """Delete a stopped notebook instance."""
    return NOTEBOOK_INSTANCES.delete(
        request, context, lambda record: _check(record, ENDED, "Deleting")
    )


def _move(
    request: dict, context: Context, allowed: tuple[str, ...], target: str, reached: str
) -> dict:
    def change(record: dict) -> None:
        _check(record, allowed, target)
        record["NotebookInstanceStatus"] = reached
        touch(record)

    NOTEBOOK_INSTANCES.update(request["NotebookInstanceName"], context, change)
    return {}


def _check(record: dict, allowed: tuple[str, ...], target: str) -> None:
    """`target` is the status that AWS enters first, on the way to the one asked for."""
    status = record["NotebookInstanceStatus"]
    if status not in allowed:
        raise validation_exception(
            f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to transition "
            f"to ({target}) for Notebook Instance ({record['NotebookInstanceArn']})"
        )
