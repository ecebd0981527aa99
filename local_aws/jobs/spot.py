"""Managed spot training: the limits on waiting, and instances that are taken away.

A training job on spot capacity may be interrupted: its container is killed, the time
until the next attempt is not billed, and that one finds the checkpoints in S3. Here
this happens when the stand-in ends while the job runs, and once in a job whose
Environment has the variable SWITCH, which is nothing to AWS.

Sources: AWS pages "Managed Spot Training" and "Managed Spot Training Lifecycle";
botocore sagemaker service model (StoppingCondition, SecondaryStatus).
"""

import contextlib
import random
import threading
import time
from typing import Self

from local_aws.containers.image import Image
from local_aws.errors import StorageError
from local_aws.jobs import attempts
from local_aws.jobs.checkpoints import Checkpoints
from local_aws.jobs.job import Job, JobStopped, NotInProgress
from local_aws.runtime.container_process import (
    TRAINING_GRACE_SECONDS,
    ContainerProcess,
)

# The variable's value is a seed.
SWITCH = "LOCAL_AWS_SPOT_INTERRUPTION"

# How often checkpoints are copied, and how often one looks whether there are enough of
# them for an interruption.
COPY_SECONDS = 0.5
LOOK_SECONDS = 0.002


class Interrupted(Exception):
    """The job's instance is gone; another attempt will do."""


def goes_on(record: dict) -> bool:
    """Whether the job outlives the stand-in's process, as one on spot capacity does.

    A tuning job starts another one instead.
    """
    return (
        record.get("EnableManagedSpotTraining", False)
        and record["TrainingJobStatus"] == "InProgress"
        and "TuningJobArn" not in record
    )


class Limits:
    """How much longer a job may run, and wait for its end."""

    def __init__(self, record: dict) -> None:
        condition = record["StoppingCondition"]
        self._run = condition["MaxRuntimeInSeconds"]
        self._last = float("inf")
        if "MaxWaitTimeInSeconds" in condition:
            waited = max(0.0, time.time() - record["CreationTime"])
            left = condition["MaxWaitTimeInSeconds"] - waited
            self._last = time.monotonic() + left

    def next(self, record: dict) -> tuple[float, str]:
        """(seconds until then, what has been exceeded then)."""
        seconds, outcome = min(
            (self._run - attempts.so_far(record), "MaxRuntimeExceeded"),
            (self._last - time.monotonic(), "MaxWaitTimeExceeded"),
        )
        return max(0.0, seconds), outcome


class Interruption:
    """When the instance is taken away, and for how long: it follows from the seed."""

    def __init__(self, seed: int) -> None:
        choice = random.Random(seed)  # noqa: S311 - no secret
        self.checkpoints = choice.randint(2, 8)
        self.seconds = choice.uniform(0.2, 0.6)
        self.pause = choice.uniform(1.0, 3.0)

    def is_due(self, checkpoints: Checkpoints | None, seconds: float) -> bool:
        """After some checkpoints, or after some time if the job has none."""
        if checkpoints is None:
            return seconds >= self.seconds
        return checkpoints.written() >= self.checkpoints


def interruption_of(record: dict) -> Interruption | None:
    """The interruption of a job that wants one; it comes in the first attempt."""
    seed = record.get("Environment", {}).get(SWITCH)
    if seed is None or not record["EnableManagedSpotTraining"]:
        return None
    return Interruption(int(seed))


def take_up(job: Job) -> None:
    """If an earlier process has begun the job, that was an attempt."""

    def change(record: dict) -> None:
        if attempts.were_made(record):
            at = attempts.cut_off(record, record["LastModifiedTime"])
            if record["SecondaryStatus"] != "Interrupted":
                job.kind.advance(record, "Interrupted")
                *_, before, interrupted = record["SecondaryStatusTransitions"]
                before["EndTime"] = interrupted["StartTime"] = at
            job.kind.advance(record, "Starting")

    job.update(change)


def wait_for_capacity(job: Job, limits: Limits) -> None:
    """Until there is another instance. Raises JobStopped and ShuttingDown."""
    record = job.update(lambda record: job.kind.interrupt(record, "Interrupted"))
    pause = interruption_of(record).pause
    left, outcome = limits.next(record)
    is_last = left < pause
    job.woken.wait(left if is_last else pause)
    job.check()
    if is_last:
        raise exceeded(job, outcome)
    job.advance("Starting")


def exceeded(job: Job, outcome: str) -> JobStopped:
    """Note that the job stops for this reason; returns what says so."""
    with contextlib.suppress(NotInProgress):
        job.update(job.kind.request_stop)
    return JobStopped(outcome)


class Follower:
    """While a container runs: copies its checkpoints, and interrupts it when it is due.

    To be used in a `with`; after it all that is there has been copied, unless the
    stand-in ends.
    """

    def __init__(
        self,
        job: Job,
        record: dict,
        container: ContainerProcess,
        checkpoints: Checkpoints | None,
        image: Image,
    ) -> None:
        self.has_interrupted = False
        self._job = job
        self._container = container
        self._checkpoints = checkpoints
        self._counted = checkpoints if image.saves_checkpoints else None
        self._gets_notice = image.runs_scripts
        self._is_spot = record["EnableManagedSpotTraining"]
        is_first = attempts.count(record) == 1
        self._interruption = interruption_of(record) if is_first else None
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        if self._is_spot or self._checkpoints is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if kind is not None:
            return
        if self._error is not None:
            raise self._error
        if self._checkpoints is not None:
            self._checkpoints.copy()

    def _follow(self) -> None:
        try:
            self._copy_until_over()
        except Exception as error:  # noqa: BLE001 - raised again by __exit__
            self._error = error
            self._container.kill()

    def _copy_until_over(self) -> None:
        began = copied = time.monotonic()
        pause = LOOK_SECONDS if self._interruption is not None else COPY_SECONDS
        while not self._over.wait(pause):
            now = time.monotonic()
            if self._interruption is not None and self._interruption.is_due(
                self._counted, now - began
            ):
                self.has_interrupted = True
                if self._gets_notice:
                    self._container.stop(TRAINING_GRACE_SECONDS)
                else:
                    self._container.kill()
                return
            if now - copied >= COPY_SECONDS:
                copied = now
                if self._checkpoints is not None:
                    self._checkpoints.copy()
                if self._is_spot:
                    with contextlib.suppress(StorageError):  # the disk may be full
                        self._job.update(attempts.seen)
