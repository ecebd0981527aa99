"""The life of a transform job.

Sources: botocore sagemaker service model (CreateTransformJob and its shapes); AWS
pages "Batch transform" and "Use Your Own Inference Code with Batch Transform".
"""

import gzip
import io
import logging
import uuid
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from local_aws.containers.images import find_image
from local_aws.jobs import batches
from local_aws.jobs.batches import FileFailed
from local_aws.jobs.job import (
    AccessDenied,
    Job,
    JobFailed,
    JobStopped,
    ShuttingDown,
)
from local_aws.runtime import archives, s3_objects
from local_aws.runtime.log_stream import LogStream, epoch_seconds
from local_aws.runtime.model_server import ModelServer, NotHealthy

if TYPE_CHECKING:
    from local_aws.jobs.data_processing import DataProcessing

LOG_GROUP = "/aws/sagemaker/TransformJobs"

SEE_LOGS = "See job logs for more information"

# ModelClientConfig, botocore sagemaker service model.
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_RETRIES = 3

DEFAULT_PARAMETERS = {
    "MaxConcurrentTransforms": 1,
    "BatchStrategy": "MultiRecord",
    "MaxPayloadInMB": 6,
}

# /execution-parameters spells the strategies as the container's environment does.
CONTAINER_STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}

MEGABYTE = 1024 * 1024

NO_PROCESSING = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


class ServerFault(Exception):
    """The container answered with a 5xx or not at all: worth another try."""


def run(job: Job) -> None:
    """Transform every object; a job that is stopped leaves no output."""
    with ExitStack() as cleanup:
        Transform(job, cleanup).run()


class Transform:
    """One run: its servers, its logs, and what it has written so far."""

    def __init__(self, job: Job, cleanup: ExitStack) -> None:
        """`cleanup` gets what must be undone at the end, however it comes."""
        self.job = job
        self.cleanup = cleanup
        job.interrupt = self._kill_servers
        self.s3 = job.clients.s3(job.region)
        self.record = job.record()
        self.written: list[tuple[str, str]] = []
        self.servers: list[ModelServer] = []
        self._ended_by: type[Exception] | None = None
        epoch = epoch_seconds()
        self.streams = [
            f"{job.name}/i-{uuid.uuid4().hex[:17]}-{epoch}"
            for _ in range(self.record["TransformResources"]["InstanceCount"])
        ]
        self.data_log: LogStream | None = None
        self.processing = _data_processing(self.record)

    def run(self) -> None:
        """Raises JobFailed, JobStopped or ShuttingDown."""
        self.job.begin_attempt("InProgress")
        try:
            self._load_model()
            parameters = self._parameters()
            self.data_log = self._log_stream(f"{self.streams[0]}/data-log")
            self._say(_settings_line(parameters))
            self._transform_all(parameters)
            self._check_events()
        except (JobStopped, ShuttingDown):
            self._discard()
            raise

    def _log_stream(self, name: str, root: Path | None = None) -> LogStream:
        return LogStream(self.job.clients.logs(self.job.region), LOG_GROUP, name, root)

    def _say(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.data_log.write_line(f"{now[:-6]}:[sagemaker logs]: {text}")

    def _check_events(self) -> None:
        """Raise if somebody wants the job to end; asked between two batches, on the
        threads of all instances.
        """
        while not self.job.events.empty():
            event, *_ = self.job.events.get()
            self._ended_by = {"stop": JobStopped, "close": ShuttingDown}[event]
        if self._ended_by is not None:
            raise self._ended_by

    def _load_model(self) -> None:
        """Fetch and unpack the artifact, start a server for each instance."""
        model = self.record["_model"]
        bucket, key = s3_objects.split_uri(model["uri"])
        archive = self.job.folder / "model.tar.gz"
        try:
            self.s3.download_file(bucket, key, str(archive), Config=s3_objects.TRANSFER)
        except ClientError as error:
            raise JobFailed(
                f"ClientError: Model data download failed:{error}"
            ) from error
        image = find_image(model["image"])
        for stream in self.streams:
            root = self.job.folder / stream.rpartition("/")[2]
            (root / "model").mkdir(parents=True)
            try:
                archives.unpack(archive, root / "model")
            except archives.UnsafeArchive as error:
                raise JobFailed(f"ClientError: {error}") from error
            log = self._log_stream(stream, root)
            server = ModelServer(image, root, self._environment(model), log.write)
            self.cleanup.callback(log.close)
            self.cleanup.callback(server.stop)
            self.servers.append(server)
        for server in self.servers:
            try:
                server.wait_until_healthy(lambda: not self.job.events.empty())
            except NotHealthy as error:
                self._check_events()
                raise JobFailed(f"AlgorithmError: {SEE_LOGS}") from error

    def _environment(self, model: dict) -> dict[str, str]:
        """The container's environment (AWS page: Use Your Own Inference Code with
        Batch Transform): the three limits only if the request names them.
        """
        environment = {
            **model["environment"],
            **self.record.get("Environment", {}),
            **self.job.environment(),
            "SAGEMAKER_BATCH": "true",
        }
        if "MaxPayloadInMB" in self.record:
            environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(
                self.record["MaxPayloadInMB"]
            )
        if "BatchStrategy" in self.record:
            strategies = {ours: theirs for theirs, ours in CONTAINER_STRATEGIES.items()}
            environment["SAGEMAKER_BATCH_STRATEGY"] = strategies[
                self.record["BatchStrategy"]
            ]
        if "MaxConcurrentTransforms" in self.record:
            environment["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(
                self.record["MaxConcurrentTransforms"]
            )
        return environment

    def _parameters(self) -> dict:
        """The limits in force: the request's, else the container's, else defaults."""
        said = self.servers[0].execution_parameters()
        if "BatchStrategy" in said:
            said["BatchStrategy"] = CONTAINER_STRATEGIES[said["BatchStrategy"]]
        asked = {
            key: self.record[key] for key in DEFAULT_PARAMETERS if self.record.get(key)
        }
        return {**DEFAULT_PARAMETERS, **said, **asked}

    def _transform_all(self, parameters: dict) -> None:
        """Every object under the prefix, dealt out to the instances."""
        uri = self.record["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        objects = list(s3_objects.keys_under(self.s3, uri))
        count = len(self.servers)
        with ThreadPoolExecutor(count) as pool:
            shares = [
                pool.submit(
                    self._transform_share, server, parameters, objects[number::count]
                )
                for number, server in enumerate(self.servers)
            ]
            faults = [fault for share in shares for fault in share.result()]
        if faults:
            worst = "AlgorithmError" if "AlgorithmError" in faults else "ClientError"
            raise JobFailed(f"{worst}: {SEE_LOGS}")

    def _transform_share(
        self, server: ModelServer, parameters: dict, objects: list[tuple[str, str]]
    ) -> list[str]:
        """One instance's objects, in turn; returns the faults of those that failed.

        One that fails does not stop the others.
        """
        uri = self.record["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, _ = s3_objects.split_uri(uri)
        faults = []
        for key, name in objects:
            try:
                self._transform_object(server, parameters, bucket, key, name)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                faults.append("ClientError")
                self._say(f"{bucket}/{key}: ClientError: not a gzip file ({error})")
            except FileFailed as error:
                self._check_events()  # a server that was killed on purpose
                faults.append(error.fault)
                for line in error.lines:
                    self._say(f"{bucket}/{key}: {line}")
        return faults

    def _transform_object(
        self, server: ModelServer, parameters: dict, bucket: str, key: str, name: str
    ) -> None:
        self._require("s3:GetObject", bucket, key)
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        output = self.job.folder / f"output-{uuid.uuid4().hex}"
        concurrent = parameters["MaxConcurrentTransforms"]
        with (
            body,
            ThreadPoolExecutor(concurrent) as pool,
            output.open("wb") as file,
        ):
            bodies = batches.cut(
                self._reader(body),
                self.record["TransformInput"]["SplitType"],
                parameters["BatchStrategy"],
                parameters["MaxPayloadInMB"] * MEGABYTE,
            )
            for answer in self._answers(server, pool, bodies, concurrent):
                file.write(self._assembled(answer))
        self._upload(output, f"{name}.out")
        output.unlink()

    def _assembled(self, answer: bytes) -> bytes:
        """The answer as AssembleWith wants it in the output."""
        by_line = self.record["TransformOutput"]["AssembleWith"] == "Line"
        return answer + b"\n" if by_line and answer[-1:] not in (b"", b"\n") else answer

    def _require(self, action: str, bucket: str, key: str) -> None:
        try:
            self.job.require(self.record["_model"]["role"], action, bucket, key)
        except AccessDenied as error:
            raise FileFailed("ClientError", [f"ClientError: {error}"]) from error

    def _reader(self, body: object) -> BinaryIO:
        if self.record["TransformInput"]["CompressionType"] == "Gzip":
            return gzip.GzipFile(fileobj=body)
        return io.BufferedReader(body, MEGABYTE)

    def _answers(
        self,
        server: ModelServer,
        pool: ThreadPoolExecutor,
        bodies: Iterable[bytes],
        concurrent: int,
    ) -> Iterator[bytes]:
        """What to resources for each body, in their order, a few in flight."""
        flying: deque[Future] = deque()
        try:
            for body in bodies:
                self._check_events()
                if len(flying) == concurrent:
                    yield flying.popleft().result()
                flying.append(pool.submit(self._transform_batch, server, body))
            while flying:
                yield flying.popleft().result()
        except BaseException:
            for future in flying:
                future.cancel()
            raise

    def _transform_batch(self, server: ModelServer, batch: bytes) -> bytes:
        """Filter, call, join and filter again. Raises FileFailed."""
        if self.processing is None:
            return self._invoke(server, batch)
        records, body = self.processing.before(batch)
        return self.processing.after(records, self._invoke(server, body))

    def _invoke(self, server: ModelServer, batch: bytes) -> bytes:
        """One call with its retries; raises FileFailed."""
        client = self.record.get("ModelClientConfig", {})
        timeout = client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_SECONDS)
        retrying = Retrying(
            stop=stop_after_attempt(
                1 + client.get("InvocationsMaxRetries", DEFAULT_RETRIES)
            ),
            retry=retry_if_exception_type(ServerFault),
            reraise=True,
        )
        try:
            return retrying(self._invoke_once, server, batch, timeout)
        except ServerFault as error:
            raise FileFailed("AlgorithmError", [str(error)]) from error

    def _invoke_once(self, server: ModelServer, batch: bytes, timeout: float) -> bytes:
        try:
            response = server.invoke(batch, self._headers(), timeout)
        except httpx.TransportError as error:
            raise ServerFault(f"AlgorithmError: no answer ({error})") from error
        if response.status_code >= 500:
            raise ServerFault(
                f"Bad HTTP status received from algorithm: {response.status_code}"
            )
        if response.status_code >= 400:
            raise FileFailed(
                "ClientError",
                [
                    f"ClientError: {response.status_code}",
                    "",
                    "Message:",
                    *response.text.splitlines(),
                ],
            )
        return response.content

    def _headers(self) -> dict[str, str]:
        headers = {}
        if "ContentType" in self.record["TransformInput"]:
            headers["Content-Type"] = self.record["TransformInput"]["ContentType"]
        if "Accept" in self.record["TransformOutput"]:
            headers["Accept"] = self.record["TransformOutput"]["Accept"]
        return headers

    def _upload(self, file: Path, name: str) -> None:
        bucket, key = s3_objects.join_uri(
            self.record["TransformOutput"]["S3OutputPath"], name
        )
        self._require("s3:PutObject", bucket, key)
        try:
            self.s3.upload_file(str(file), bucket, key, Config=s3_objects.TRANSFER)
        except S3UploadFailedError as error:
            raise JobFailed(f"ClientError: Output upload failed:{error}") from error
        self.written.append((bucket, key))

    def _kill_servers(self) -> None:
        for server in self.servers:
            server.kill()

    def _discard(self) -> None:
        """A stopped job leaves no output (StopTransformJob)."""
        self._kill_servers()
        for bucket, key in self.written:
            logging.getLogger(__name__).info("discarding the output %s", key)
            self.s3.delete_object(Bucket=bucket, Key=key)


def _data_processing(record: dict) -> "DataProcessing | None":
    """The filters and the join, None if the request has the defaults."""
    settings = record["DataProcessing"]
    if settings == NO_PROCESSING:
        return None
    from local_aws.jobs.data_processing import DataProcessing

    return DataProcessing(settings, record["TransformInput"]["ContentType"])


def _settings_line(parameters: dict) -> str:
    strategies = {ours: theirs for theirs, ours in CONTAINER_STRATEGIES.items()}
    return (
        f"MaxConcurrentTransforms={parameters['MaxConcurrentTransforms']}, "
        f"MaxPayloadInMB={parameters['MaxPayloadInMB']}, "
        f"BatchStrategy={strategies[parameters['BatchStrategy']]}"
    )
