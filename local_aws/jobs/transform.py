"""The life of a transform job: its instances share out the objects of its input.

Sources: botocore sagemaker service model (CreateTransformJob and its shapes); AWS
page "Batch transform".
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from local_aws.jobs.batches import FileFailed
from local_aws.jobs.job import AccessDenied, Job, JobFailed, JobStopped, ShuttingDown
from local_aws.jobs.transform_instances import SEE_LOGS, Instances, settings_line
from local_aws.jobs.transform_objects import ObjectTransformer
from local_aws.runtime import s3_objects
from local_aws.runtime.model_server import ModelServer


def run(job: Job) -> None:
    """Transform every object; a job that is stopped leaves no output."""
    record = job.begin_attempt("InProgress")
    with ExitStack() as cleanup:
        instances = Instances(job, record)
        instances.start(cleanup)
        limits = instances.limits()
        stream = instances.log_stream(f"{instances.streams[0]}/data-log")

        def say(text: str) -> None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            stream.write_line(f"{now[:-6]}:[sagemaker logs]: {job.public(text)}")

        say(settings_line(limits))
        transformer = ObjectTransformer(job, record, limits)
        try:
            _transform_all(record, instances, transformer, say)
            job.check()
        except (JobStopped, ShuttingDown):
            transformer.discard_outputs()
            raise


def _transform_all(
    record: dict,
    instances: Instances,
    transformer: ObjectTransformer,
    say: Callable[[str], None],
) -> None:
    """Transform every object under the prefix; raises JobFailed if one can't be."""
    uri = record["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    bucket, prefix = s3_objects.split_uri(uri)
    try:
        transformer.require_listing(bucket, prefix)
        objects = list(s3_objects.keys_under(transformer.s3, uri))
    except (ClientError, AccessDenied) as error:
        raise JobFailed(f"ClientError: {error}") from error
    count = len(instances.servers)

    def transform_share(number: int, server: ModelServer) -> list[str]:
        """One instance's objects, in turn; one that fails does not stop the others."""
        faults = []
        for key, name in objects[number::count]:
            try:
                transformer.transform(server, bucket, key, name)
            except FileFailed as error:
                faults.append(error.fault)
                for line in error.lines:
                    say(f"{bucket}/{key}: {line}")
        return faults

    with ThreadPoolExecutor(count) as pool:
        shares = list(pool.map(transform_share, range(count), instances.servers))
    faults = [fault for share in shares for fault in share]
    if faults:
        worst = "AlgorithmError" if "AlgorithmError" in faults else "ClientError"
        raise JobFailed(f"{worst}: {SEE_LOGS}")
