"""One object of a transform job's input: read, cut, sent, put together, written."""

import gzip
import io
import logging
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from local_aws.jobs.batches import FileFailed, cut
from local_aws.jobs.job import AccessDenied, Job, JobFailed
from local_aws.runtime import s3_objects
from local_aws.runtime.container_client import ConnectionLost, NotReached
from local_aws.runtime.model_server import ModelServer

log = logging.getLogger(__name__)

# ModelClientConfig, botocore sagemaker service model.
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_RETRIES = 3

MEGABYTE = 1024 * 1024

NO_PROCESSING = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


class ObjectTransformer:
    """Takes the objects of one job through its containers; used by several threads."""

    def __init__(self, job: Job, record: dict, limits: dict) -> None:
        """`limits`: MaxConcurrentTransforms, BatchStrategy and MaxPayloadInMB."""
        self._job = job
        self._input = record["TransformInput"]
        self._output = record["TransformOutput"]
        self._role = record["_model"]["role"]
        self._limits = limits
        client = record.get("ModelClientConfig", {})
        self._timeout = client.get(
            "InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_SECONDS
        )
        self._tries = 1 + client.get("InvocationsMaxRetries", DEFAULT_RETRIES)
        headers = {
            "Content-Type": self._input.get("ContentType"),
            "Accept": self._output.get("Accept"),
        }
        self._headers = {name: value for name, value in headers.items() if value}
        self._processing = None
        if record["DataProcessing"] != NO_PROCESSING:
            # JSONPath's parser takes a while to import.
            from local_aws.jobs.data_processing import DataProcessing

            self._processing = DataProcessing(
                record["DataProcessing"], self._input["ContentType"]
            )
        self._written: list[tuple[str, str]] = []
        self.s3 = job.clients.s3(job.region)

    def transform(self, server: ModelServer, bucket: str, key: str, name: str) -> None:
        """Write the output of this object under `name`; raises FileFailed.

        Also raises JobFailed when no output can be written, and JobStopped or
        ShuttingDown if the job is to end.
        """
        self._require("s3:GetObject", bucket, key)
        output = self._job.folder / f"output-{uuid.uuid4().hex}"
        try:
            with (
                output.open("wb") as file,
                closing(self._responses(server, bucket, key)) as responses,
            ):
                for response in responses:
                    file.write(response)
                    if self._output["AssembleWith"] == "Line" and response:
                        file.write(b"" if response.endswith(b"\n") else b"\n")
            self._upload(output, f"{name}.out")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            text = f"ClientError: not a gzip file ({error})"
            raise FileFailed("ClientError", text) from error
        finally:
            output.unlink(missing_ok=True)

    def require_listing(self, bucket: str, prefix: str) -> None:
        """Raise AccessDenied unless the model's role may list the prefix."""
        self._job.require_listing(self._role, bucket, prefix)

    def _require(self, action: str, bucket: str, key: str) -> None:
        try:
            self._job.require(self._role, action, bucket, key)
        except AccessDenied as error:
            raise FileFailed("ClientError", f"ClientError: {error}") from error

    def _responses(self, server: ModelServer, bucket: str, key: str) -> Iterator[bytes]:
        """What the container makes of the object: batches in order, a few in flight."""
        try:
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except ClientError as error:  # it may have been deleted
            raise FileFailed("ClientError", f"ClientError: {error}") from error
        if self._input["CompressionType"] == "Gzip":
            reader = gzip.GzipFile(fileobj=body)
        else:
            reader = io.BufferedReader(body, MEGABYTE)
        batches = cut(
            reader,
            self._input["SplitType"],
            self._limits["BatchStrategy"],
            self._limits["MaxPayloadInMB"] * MEGABYTE,
        )
        concurrent = self._limits["MaxConcurrentTransforms"]
        in_flight: deque[Future[bytes]] = deque()
        with body, ThreadPoolExecutor(concurrent) as pool:
            for batch in batches:
                self._job.check()
                if len(in_flight) == concurrent:
                    yield in_flight.popleft().result()
                in_flight.append(pool.submit(self._transform_batch, server, batch))
            while in_flight:
                yield in_flight.popleft().result()

    def _transform_batch(self, server: ModelServer, batch: bytes) -> bytes:
        """Filter, call, join and filter again. Raises FileFailed."""
        if self._processing is None:
            return self._invoke(server, batch)
        records, body = self._processing.before(batch)
        return self._processing.after(records, self._invoke(server, body))

    def _invoke(self, server: ModelServer, body: bytes) -> bytes:
        """Call the container, again after a fault of its own; raises FileFailed."""
        fault = ""
        for _ in range(self._tries):
            self._job.check()  # its container may have been killed on purpose
            try:
                response = server.invoke(body, self._headers, self._timeout)
            except (NotReached, ConnectionLost, TimeoutError) as error:
                fault = f"AlgorithmError: no response ({error})"
                continue
            if response.status < 400:
                return response.content
            if response.status < 500:
                text = response.content.decode("utf-8", errors="replace")
                raise FileFailed(
                    "ClientError", f"ClientError: {response.status}\n\nMessage:\n{text}"
                )
            fault = f"Bad HTTP status received from algorithm: {response.status}"
        self._job.check()
        raise FileFailed("AlgorithmError", fault)

    def _upload(self, file: Path, name: str) -> None:
        bucket, key = s3_objects.join_uri(self._output["S3OutputPath"], name)
        self._require("s3:PutObject", bucket, key)
        try:
            self.s3.upload_file(str(file), bucket, key, Config=s3_objects.TRANSFER)
        except S3UploadFailedError as error:
            raise JobFailed(f"ClientError: Output upload failed:{error}") from error
        self._written.append((bucket, key))

    def discard_outputs(self) -> None:
        """Delete what was written: a stopped job leaves none (StopTransformJob)."""
        for bucket, key in self._written:
            log.info("discarding the output %s", key)
            self.s3.delete_object(Bucket=bucket, Key=key)
