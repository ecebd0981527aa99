"""A training job's checkpoints: a folder of its container and one in S3, kept alike.

What S3 has is copied in before the container starts. What the container writes, changes
and deletes is copied out while it runs, uncompressed, and once more when it has ended.

Sources: AWS pages "Checkpoints in Amazon SageMaker AI" and "Managed Spot Training";
botocore sagemaker service model (CheckpointConfig). Names of files that are not copied:
the public source of AWS's XGBoost container.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws.containers import contract
from local_aws.jobs.job import AccessDenied, Job, JobFailed
from local_aws.runtime import s3_objects

# Half-written files, and marks of AWS's own copier.
IGNORED = (".sagemaker-ignore", ".sagemaker-uploading", ".sagemaker-uploaded")


def configuration(record: dict) -> dict[str, str] | None:
    """CheckpointConfig with its default, as the container sees it; None without one."""
    if "CheckpointConfig" not in record:
        return None
    return {"LocalPath": contract.CHECKPOINTS, **record["CheckpointConfig"]}


class Checkpoints:
    """The checkpoints of one attempt; not for several threads at a time."""

    def __init__(self, job: Job, record: dict) -> None:
        config = configuration(record)
        self._job = job
        self._role = record["RoleArn"]
        self._s3 = job.clients.s3(job.region)
        self._uri = config["S3Uri"].rstrip("/") + "/"
        self._bucket, self._prefix = s3_objects.split_uri(self._uri)
        self._folder = contract.place(job.folder, config["LocalPath"])
        # Name to state of the file that S3 has.
        self._copied: dict[str, tuple[int, int]] = {}
        self._fetched: set[str] = set()
        self._written: set[str] = set()

    def fetch(self) -> None:
        """Copy what S3 has into the folder. Raises JobFailed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._job.require_listing(self._role, self._bucket, self._prefix)
            objects = [
                (key, name)
                for key, name in s3_objects.keys_under(self._s3, self._uri)
                if not name.endswith(IGNORED)
            ]
            self._require("s3:GetObject", *[key for key, _ in objects])
            s3_objects.download(self._s3, self._bucket, objects, self._folder)
        except (ClientError, ValueError, AccessDenied) as error:
            raise JobFailed(
                f"ClientError: Checkpoint download failed:{error}"
            ) from error
        self._copied = dict(self._files())
        self._fetched = set(self._copied)

    def written(self) -> int:
        """How many new files the container has been seen to write so far."""
        self._written |= {name for name, _ in self._files()} - self._fetched
        return len(self._written)

    def copy(self) -> bool:
        """Copy out what has changed since; returns whether anything had.

        Raises JobFailed.
        """
        files = dict(self._files())
        changed = [name for name in files if self._copied.get(name) != files[name]]
        gone = [name for name in self._copied if name not in files]
        try:
            for name in changed:
                if self._upload(name):
                    self._copied[name] = files[name]
            for name in gone:
                self._require("s3:DeleteObject", self._prefix + name)
                self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)
                del self._copied[name]
        except (ClientError, AccessDenied) as error:
            raise JobFailed(f"ClientError: Checkpoint upload failed:{error}") from error
        return bool(changed or gone)

    def _upload(self, name: str) -> bool:
        """Whether the file was still there."""
        try:
            file = (self._folder / name).open("rb")
        except FileNotFoundError:
            return False
        with file:
            key = self._prefix + name
            self._require("s3:PutObject", key)
            self._s3.upload_fileobj(file, self._bucket, key, Config=s3_objects.TRANSFER)
        return True

    def _require(self, action: str, *keys: str) -> None:
        self._job.require(self._role, action, self._bucket, *keys)

    def _files(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """(name below the folder, state) of each file that is there."""
        yield from _files(self._folder, "")


def _files(folder: Path, before: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # the container deletes while this looks
        return
    for entry in entries:
        name = before + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name, f"{name}/")
        elif entry.is_file(follow_symlinks=False) and not name.endswith(IGNORED):
            try:
                state = entry.stat()
            except FileNotFoundError:
                continue
            yield name, (state.st_mtime_ns, state.st_size)
