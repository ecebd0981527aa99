"""How jobs of every kind are asked to stop."""

from local_aws.errors import validation_exception
from local_aws.jobs.job import NotInProgress
from local_aws.jobs.kinds import KINDS
from local_aws.sagemaker.families import Family
from local_aws.sagemaker.operations import Context


def stop_job(family: Family, request: dict, context: Context) -> dict:
    """Ask a job to stop; raises ValidationException unless it is InProgress."""
    name = request[family.name_member]
    try:
        family.update(name, context, KINDS[family.kind].request_stop)
    except NotInProgress as error:
        words = family.kind.replace("-", " ")
        raise validation_exception(
            f"The request was rejected because the {words} is in status {error.status}."
        ) from error
    context.jobs.stop(family.kind, context.region, name)
    return {}
