"""How jobs of every kind are asked to stop."""

from local_aws.errors import validation_exception
from local_aws.jobs import training, transform
from local_aws.sagemaker.families import Family
from local_aws.sagemaker.operations import Context

REQUEST_STOP = {
    training.KIND: training.request_stop,
    transform.KIND: transform.request_stop,
}


def stop_job(family: Family, request: dict, context: Context) -> dict:
    """Ask a job to stop; raises ValidationException unless it is InProgress."""
    name = request[family.name_member]

    def change(record: dict) -> None:
        status = record[family.status_member]
        if status != "InProgress":
            words = family.kind.replace("-", " ")
            raise validation_exception(
                f"The request was rejected because the {words} is in status {status}."
            )
        REQUEST_STOP[family.kind](record)

    family.update(name, context, change)
    context.jobs.stop(family.kind, context.region, name)
    return {}
