"""What the families of jobs share: how a job is started and how it is asked to stop."""

from local_aws.errors import validation_exception
from local_aws.jobs.job import NotInProgress
from local_aws.jobs.kinds import KINDS
from local_aws.sagemaker.families import Family
from local_aws.sagemaker.operations import Context


def start_job(family: Family, members: dict, context: Context) -> dict:
    """Store a new job and start it; it responds before the job has begun.

    Args:
        family: the job's family.
        members: the request, with what else the record is to hold.
        context: the operation's context.

    Returns:
        What a Create operation returns: the ARN.
    """
    record = dict(members)
    KINDS[family.kind].create(record)
    response = family.create(record, context)
    context.jobs.start(family.kind, context.region, record[family.name_member])
    return response


def stop_job(family: Family, request: dict, context: Context) -> dict:
    """Ask a job to stop; it responds before the job has stopped.

    Raises ValidationException unless the job is InProgress.
    """
    name = request[family.name_member]
    try:
        family.update(name, context, KINDS[family.kind].request_stop)
    except NotInProgress as error:
        words = family.words or family.kind.replace("-", " ")
        raise validation_exception(
            f"The request was rejected because the {words} is in status {error.status}."
        ) from error
    context.jobs.stop(family.kind, context.region, name)
    return {}
