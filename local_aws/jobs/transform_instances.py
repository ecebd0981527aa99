"""The instances of a transform job: its model in a serving container on each.

Source: AWS page "Use Your Own Inference Code with Batch Transform".
"""

import uuid
from contextlib import ExitStack
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws.containers.images import Image, UnknownImage, find_image
from local_aws.jobs.job import AccessDenied, Job, JobFailed
from local_aws.runtime import archives, s3_objects
from local_aws.runtime.container_client import ConnectionLost, NotReached
from local_aws.runtime.log_stream import LogStream, epoch_seconds
from local_aws.runtime.model_server import ModelServer, NotHealthy
from local_aws.runtime.python_environment import PythonEnvironment

LOG_GROUP = "/aws/sagemaker/TransformJobs"

SEE_LOGS = "See job logs for more information"

# What of a request limits the calls, and what holds if neither it nor the container
# says anything.
DEFAULT_LIMITS = {
    "MaxConcurrentTransforms": 1,
    "BatchStrategy": "MultiRecord",
    "MaxPayloadInMB": 6,
}

# How a container spells BatchStrategy.
CONTAINER_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


class Instances:
    """The job's containers and their log streams, one for each instance."""

    def __init__(self, job: Job, record: dict) -> None:
        self._job = job
        self._record = record
        epoch = epoch_seconds()
        self.streams = [
            f"{job.name}/i-{uuid.uuid4().hex[:17]}-{epoch}"
            for _ in range(record["TransformResources"]["InstanceCount"])
        ]
        self.servers: list[ModelServer] = []
        job.interrupt = self._kill

    def _kill(self) -> None:
        for server in self.servers:
            server.kill()

    def log_stream(
        self,
        name: str,
        root: Path | None = None,
        python: PythonEnvironment | None = None,
    ) -> LogStream:
        """A new stream of this name in the group of all transform jobs."""
        logs = self._job.clients.logs(self._job.region)
        outside = str if python is None else python.outside
        return LogStream(logs, LOG_GROUP, name, root, outside=outside)

    def start(self, cleanup: ExitStack) -> None:
        """Have the model served on each instance; `cleanup` ends the containers.

        Raises JobFailed, and JobStopped or ShuttingDown if the job is to end.
        """
        archive = self._download()
        try:
            image = find_image(self._record["_model"]["image"])
        except UnknownImage as error:  # what it runs on has been removed
            raise JobFailed(f"ClientError: {error}") from error
        for stream in self.streams:
            self._job.check()
            self.servers.append(self._server(stream, image, archive, cleanup))
        for server in self.servers:
            try:
                server.wait_until_healthy(lambda: self._job.ended_by is not None)
            except NotHealthy as error:
                self._job.check()
                told = self._job.public(server.failure())
                reason = f"{SEE_LOGS}. {told}" if told else SEE_LOGS
                raise JobFailed(f"AlgorithmError: {reason}") from error

    def _server(
        self, stream: str, image: Image, archive: Path | None, cleanup: ExitStack
    ) -> ModelServer:
        """The container of one instance, which is on its way. Raises JobFailed."""
        root = self._job.folder / stream.rpartition("/")[2]
        self._job.roots.append(root)
        (root / "model").mkdir(parents=True)
        try:
            if archive is not None:
                archives.unpack(archive, root / "model")
        except archives.UnsafeArchive as error:
            raise JobFailed(f"ClientError: {error}") from error
        python = None
        if image.runs_scripts:
            python = PythonEnvironment(root)
            cleanup.callback(python.close)
        log = self.log_stream(stream, root, python)
        cleanup.callback(log.close)
        if image.runs_scripts:
            log.write_line(image.what_really_runs())
        environment = self._environment()
        server = ModelServer(image, root, environment, log.write, python=python)
        cleanup.callback(server.stop)
        return server

    def _download(self) -> Path | None:
        """The model's archive, or None for a model without."""
        if self._record["_model"]["uri"] is None:
            return None
        bucket, key = s3_objects.split_uri(self._record["_model"]["uri"])
        archive = self._job.folder / "model.tar.gz"
        s3 = self._job.clients.s3(self._job.region)
        try:
            role = self._record["_model"]["role"]
            self._job.require(role, "s3:GetObject", bucket, key)
            s3_objects.fetch(s3, bucket, key, archive)
        except (ClientError, AccessDenied) as error:
            text = f"ClientError: Model data download failed:{error}"
            raise JobFailed(text) from error
        return archive

    def _environment(self) -> dict[str, str]:
        """The container's environment; the three limits only if the request names
        them.
        """
        model = self._record["_model"]
        environment = {
            **model["environment"],
            **self._record.get("Environment", {}),
            **self._job.environment(model["role"], model.get("isolated", False)),
            "SAGEMAKER_BATCH": "true",
        }
        for member, variable in (
            ("MaxPayloadInMB", "SAGEMAKER_MAX_PAYLOAD_IN_MB"),
            ("BatchStrategy", "SAGEMAKER_BATCH_STRATEGY"),
            ("MaxConcurrentTransforms", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"),
        ):
            if member in self._record:
                value = self._record[member]
                environment[variable] = CONTAINER_STRATEGIES.get(value, str(value))
        return environment

    def limits(self) -> dict:
        """The limits in force: the request's, else the container's, else defaults."""
        strategies = {theirs: ours for ours, theirs in CONTAINER_STRATEGIES.items()}
        try:
            said = self.servers[0].execution_parameters()
        except (NotReached, ConnectionLost, TimeoutError):
            said = {}  # nor does a container have to say anything
        if "BatchStrategy" in said:
            said["BatchStrategy"] = strategies[said["BatchStrategy"]]
        # MaxConcurrentTransforms may be 0: as many as the container says.
        asked = {
            key: self._record[key] for key in DEFAULT_LIMITS if self._record.get(key)
        }
        return {**DEFAULT_LIMITS, **said, **asked}


def settings_line(limits: dict) -> str:
    """The first line of the data log."""
    return (
        f"MaxConcurrentTransforms={limits['MaxConcurrentTransforms']}, "
        f"MaxPayloadInMB={limits['MaxPayloadInMB']}, "
        f"BatchStrategy={CONTAINER_STRATEGIES[limits['BatchStrategy']]}"
    )
