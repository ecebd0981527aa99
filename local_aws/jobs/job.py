"""What a running job is to the engine and to the code that runs it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.access.credentials import RoleSession, session_arn
from local_aws.access.roles import bucket_arn
from local_aws.clients import Clients
from local_aws.persistence.resources import Resources
from local_aws.runtime.python_environment import PythonEnvironment

if TYPE_CHECKING:
    from local_aws.jobs.engine import JobEngine
    from local_aws.jobs.kinds import JobKind

# FailureReason, botocore sagemaker service model.
MAX_FAILURE_REASON = 1024

# What SageMaker calls its sessions of a role.
SESSION_NAME = "SageMaker"
# Longer than MaxRuntimeInSeconds can be: the keys end with the job.
LONGEST_JOB = timedelta(days=29)


class JobStopped(Exception):
    """The job ends before its work is done; `outcome` is its last status."""

    def __init__(self, outcome: str = "Stopped") -> None:
        super().__init__(outcome)
        self.outcome = outcome


class NotInProgress(Exception):
    """A job that is to stop has ended or is stopping already; `status` says which."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class JobFailed(Exception):
    """The job can't go on; the text is its FailureReason."""


class AccessDenied(Exception):
    """The job's role lacks a permission; the text says which."""


class ShuttingDown(Exception):
    """The stand-in is going away."""


@dataclass(frozen=True)
class Observer:
    """Who waits for a job: told of each value of a metric, and of the job's end.

    Called on threads of the job, which it must not hold up.
    """

    measured: Callable[[str, float], None] = lambda name, value: None
    ended: Callable[[], None] = lambda: None


@dataclass
class Job:
    """One job while it runs.

    By its `engine` a job that coordinates others starts and stops them.

    Once it is to end before its work is done, `ended_by` says how (JobStopped or
    ShuttingDown), `woken` is set and `interrupt` is called, for what would keep it from
    noticing. `results` are members that its record gets together with its end. Each of
    `roots` stands for /opt/ml in a container of its own; without one, `folder` does.
    `python` is there while a container runs code of the user's own.
    """

    kind: "JobKind"
    region: str
    name: str
    resources: Resources
    clients: Clients
    folder: Path
    engine: "JobEngine"
    observer: Observer = Observer()
    threads: int = 1
    ended_by: type[Exception] | None = None
    woken: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] = lambda: None
    results: dict = field(default_factory=dict)
    roots: list[Path] = field(default_factory=list)
    python: PythonEnvironment | None = None
    sessions: list[RoleSession] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"

    def end_by(self, reason: type[Exception]) -> None:
        """Have the job end before its work is done; called on any thread."""
        self.ended_by = reason
        self.woken.set()
        self.interrupt()

    def check(self) -> None:
        """Raise JobStopped or ShuttingDown if the job is to end; cheap."""
        if self.ended_by is not None:
            raise self.ended_by

    def record(self) -> dict:
        """The job's record as it is now."""
        return self.resources.get(self.region, self.kind.name, self.name)

    def update(self, change: Callable[[dict], None]) -> dict:
        """Change the job's record; returns it."""
        return self.resources.update(self.region, self.kind.name, self.name, change)

    def begin_attempt(self, status: str) -> dict:
        """From here on it is billed; raises JobStopped if it is to stop."""
        return self.update(lambda record: self.kind.begin_attempt(record, status))

    def advance(self, status: str) -> dict:
        """Enter the next secondary status; raises JobStopped if it is to stop."""
        return self.update(lambda record: self.kind.advance(record, status))

    def require(self, role_arn: str, action: str, bucket: str, *keys: str) -> None:
        """Raise AccessDenied unless the role may do this to each of the objects."""
        for key in keys:
            self._require(role_arn, action, action, bucket_arn(bucket, key), {})

    def require_listing(self, role_arn: str, bucket: str, prefix: str) -> None:
        """Raise AccessDenied unless the role may list the objects of the prefix."""
        keys = {"s3:prefix": prefix}
        arn = bucket_arn(bucket)
        self._require(role_arn, "s3:ListBucket", "s3:ListObjectsV2", arn, keys)

    def _require(
        self,
        role_arn: str,
        action: str,
        operation: str,
        resource: str,
        context: Mapping[str, str],
    ) -> None:
        why = self.clients.find_role(role_arn).refusal(action, resource, context)
        if why is not None:
            caller = session_arn(role_arn, SESSION_NAME)
            raise AccessDenied(
                "An error occurred (AccessDenied) when calling the "
                f"{operation.removeprefix('s3:')} operation: User: {caller} is not "
                f'authorized to perform: {action} on resource: "{resource}" {why}'
            )

    def public(self, text: object) -> str:
        """The text with the container's name for the job's folders."""
        shown = str(text)
        if self.python is not None:
            shown = self.python.outside(shown)
        for root in (*self.roots, self.folder):
            shown = shown.replace(str(root), "/opt/ml")
        return shown

    def environment(self, role_arn: str, is_isolated: bool) -> dict[str, str]:
        """What every container of this job finds in its environment.

        With it the container may call AWS as a session of the role, until the job ends.
        is_isolated: it is cut off from the network and has no keys (CreateTrainingJob
        and CreateModel, EnableNetworkIsolation).
        """
        threads = {"OMP_NUM_THREADS": str(self.threads)}
        if is_isolated:
            region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
            return region | threads
        session = self.clients.credentials.of_role(role_arn, SESSION_NAME, LONGEST_JOB)
        self.sessions.append(session)
        return self.clients.environment_of(session, self.region) | threads

    def end_python(self) -> None:
        """The container is gone for which there was a Python."""
        if self.python is not None:
            self.python.close()

    def end_sessions(self) -> None:
        """Have the keys of the job's containers refused from now on."""
        for session in self.sessions:
            self.clients.credentials.end(session)
