"""The kinds of job, one row of KINDS each, and the changes of a record they share.

A job's record says InProgress, then Completed, Failed or Stopped; in between it may say
Stopping. The functions here change a record and know nothing of where it is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local_aws.errors import INTERNAL_ERROR
from local_aws.jobs import attempts, spot, training, transform, tuning
from local_aws.jobs.job import (
    MAX_FAILURE_REASON,
    Job,
    JobStopped,
    NotInProgress,
)
from local_aws.persistence.resources import touch

# A job in one of these has not ended.
UNFINISHED = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True)
class JobKind:
    """One kind of job: how it runs and what the members of its record are called.

    `run` returns when the work is done, and else raises JobStopped, JobFailed or
    ShuttingDown. `entered(record, status, now)` is called whenever the record enters
    another status, or secondary status, for what the kind notes besides. A kind that
    `coordinates` waits for other jobs: it gets no share of the machine, and no place
    that those jobs need. Such a job, and one of which the record `goes_on`, does so in
    the stand-in's next process, where `run` is called again; any other has failed.
    """

    name: str
    run: Callable[[Job], None]
    status: str
    start_time: str
    end_time: str
    entered: Callable[[dict, str, float], None] = lambda record, status, now: None
    coordinates: bool = False
    goes_on: Callable[[dict], bool] = lambda record: False

    def _enter(self, record: dict, status: str) -> float:
        now = touch(record)
        self.entered(record, status, now)
        return now

    def create(self, record: dict) -> None:
        """What every new job's record holds besides its request."""
        record[self.status] = "InProgress"
        record["CreationTime"] = self._enter(record, "InProgress")

    def advance(self, record: dict, status: str) -> None:
        """Enter the next (secondary) status; raises JobStopped if it is to stop."""
        if record[self.status] == "Stopping":
            raise JobStopped
        self._enter(record, status)

    def begin_attempt(self, record: dict, status: str) -> None:
        """Advance to the status with which an attempt begins, and its billing."""
        self.advance(record, status)
        now = record["LastModifiedTime"]
        record.setdefault(self.start_time, now)
        attempts.begin(record, now)

    def interrupt(self, record: dict, status: str) -> None:
        """Advance to the status between two attempts, which is not billed."""
        self.advance(record, status)
        attempts.end(record, record["LastModifiedTime"])

    def request_stop(self, record: dict) -> None:
        """Raises NotInProgress for a job that has ended or is stopping already."""
        if record[self.status] != "InProgress":
            raise NotInProgress(record[self.status])
        record[self.status] = "Stopping"
        self._enter(record, "Stopping")

    def end(self, record: dict, outcome: str, reason: str | None = None) -> None:
        """Completed, Failed for this reason, or Stopped; a kind with secondary statuses
        may have another word for a job that was stopped.

        A job that was asked to stop never ends as Completed.
        """
        if record[self.status] == "Stopping" and outcome == "Completed":
            outcome = "Stopped"
        ended = outcome if outcome in ("Completed", "Failed") else "Stopped"
        record[self.status] = ended
        now = touch(record)
        attempts.end(record, now)
        if self.start_time in record:
            record[self.end_time] = now
        if reason is not None:
            record["FailureReason"] = reason[:MAX_FAILURE_REASON]
        self.entered(record, outcome, now)

    def fail_internally(self, record: dict) -> None:
        """The end of a job whose process is gone; when it went is not known."""
        attempts.cut_off(record, record.get("LastModifiedTime", 0.0))
        self.end(record, "Failed", INTERNAL_ERROR)


_ROWS = (
    JobKind(
        name="training-job",
        run=training.run,
        status="TrainingJobStatus",
        start_time="TrainingStartTime",
        end_time="TrainingEndTime",
        entered=training.entered,
        goes_on=spot.goes_on,
    ),
    JobKind(
        name="transform-job",
        run=transform.run,
        status="TransformJobStatus",
        start_time="TransformStartTime",
        end_time="TransformEndTime",
    ),
    JobKind(
        name="hyper-parameter-tuning-job",
        run=tuning.run,
        status="HyperParameterTuningJobStatus",
        start_time="_start_time",
        end_time="HyperParameterTuningEndTime",
        coordinates=True,
    ),
)

KINDS = {kind.name: kind for kind in _ROWS}
