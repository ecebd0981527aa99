"""The engine: which jobs run, on what, and how they end when the stand-in ends."""

import errno
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from local_aws.clients import Clients
from local_aws.errors import INTERNAL_ERROR, StorageError
from local_aws.jobs.job import (
    Job,
    JobFailed,
    JobStopped,
    NotInProgress,
    Observer,
    ShuttingDown,
)
from local_aws.jobs.kinds import KINDS, UNFINISHED, JobKind
from local_aws.persistence.resources import NotFound, Resources

log = logging.getLogger(__name__)

# Jobs beyond this wait in Starting, as on AWS when no instance is free yet.
MAX_RUNNING = max(4, os.cpu_count() or 1)

# Jobs that wait for other jobs; each has a thread, which sleeps nearly all the time.
MAX_COORDINATING = 100

# What a job may take to notice that the stand-in ends; its containers end anyway.
CLOSE_SECONDS = 5

# How long the end of a job waits for another try when the disk has no room for it.
FULL_DISK_SECONDS = 1

# Of a job that nobody waits for.
NOBODY = Observer()

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class JobEngine:
    """Starts, stops and remembers running jobs."""

    def __init__(self, resources: Resources, clients: Clients, folder: Path) -> None:
        """`folder` holds the running jobs' files; what an earlier run left is removed.

        A job that an earlier run left unfinished becomes Failed, unless it goes on:
        `restore` takes it up.
        """
        self._resources = resources
        self._clients = clients
        self._folder = folder
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str, str], tuple[Job, Future]] = {}
        self._workers = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="job")
        self._coordinators = ThreadPoolExecutor(
            MAX_COORDINATING, thread_name_prefix="coordinator"
        )
        self._closing = threading.Event()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._fail_unfinished()

    def _fail_unfinished(self) -> None:
        for kind, region, name in self._unfinished(goes_on=False):
            self._resources.update(region, kind.name, name, kind.fail_internally)

    def restore(self) -> None:
        """Take up the jobs that go on where an earlier run left them."""
        for kind, region, name in self._unfinished(goes_on=True):
            self.start(kind.name, region, name)

    def _unfinished(self, *, goes_on: bool) -> list[tuple[JobKind, str, str]]:
        """The unfinished jobs that go on in another run, or those that do not."""
        return [
            (kind, region, name)
            for kind in KINDS.values()
            for region, name in list(
                self._resources.with_value(kind.name, kind.status, UNFINISHED)
            )
            if self._goes_on(kind, region, name) == goes_on
        ]

    def _goes_on(self, kind: JobKind, region: str, name: str) -> bool:
        return kind.coordinates or kind.goes_on(
            self._resources.get(region, kind.name, name)
        )

    def begin(
        self,
        kind: str,
        region: str,
        name: str,
        record: dict,
        arn: str,
        tags: Mapping[str, str],
        observer: Observer,
    ) -> None:
        """Make the record of a new job, for a job that coordinates, and start it."""
        KINDS[kind].create(record)
        self._resources.create(region, kind, name, record, arn, tags)
        self.start(kind, region, name, observer)

    def start(
        self, kind: str, region: str, name: str, observer: Observer = NOBODY
    ) -> None:
        """Run the job of this kind and name when a place is free."""
        folder = self._folder / uuid.uuid4().hex
        job = Job(
            KINDS[kind],
            region,
            name,
            self._resources,
            self._clients,
            folder,
            self,
            observer,
        )
        pool = self._coordinators if job.kind.coordinates else self._workers
        with self._lock:
            if self._closing.is_set():
                return  # it will have failed, like those that ran
            self._running[kind, region, name] = job, pool.submit(self._run, job)

    def request_stop(self, kind: str, region: str, name: str) -> None:
        """Have a job stopped, unless it has ended or stops already."""
        with suppress(NotInProgress, NotFound):
            self._resources.update(region, kind, name, KINDS[kind].request_stop)
            self.stop(kind, region, name)

    def stop(self, kind: str, region: str, name: str) -> None:
        """Tell a job that it is to stop; one that has no place yet needs none."""
        with self._lock:
            job, future = self._running.get((kind, region, name), (None, None))
        if job is not None:
            job.end_by(JobStopped)
            if future.cancel():
                threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job: Job) -> None:
        try:
            if not self._closing.is_set():
                self._end(job, *self._work(job))
        except ShuttingDown:
            log.info("%s was cut off by the end of the stand-in", job)
        except Exception:
            # A thread of its own: nobody above would hear of it. The next start
            # of the stand-in takes the job up again or ends it.
            log.exception("the end of %s can't be written", job)
        finally:
            key = job.kind.name, job.region, job.name
            with self._lock:
                # A job of the same name may have begun since this one was deleted.
                if key in self._running and self._running[key][0] is job:
                    del self._running[key]
            job.observer.ended()

    def _work(self, job: Job) -> tuple[str, str | None]:
        """Run the job; returns its outcome and the reason of a failure."""
        try:
            job.check()
            job.threads = self._thread_budget()
            job.folder.mkdir(mode=0o700)
            job.kind.run(job)
            return "Completed", None
        except JobStopped as stopped:
            return stopped.outcome, None
        except Exception as error:
            if job.ended_by is ShuttingDown:
                raise ShuttingDown from error  # what it fails of is the end
            return "Failed", _reason(job, error)
        finally:
            job.end_sessions()
            job.end_python()
            shutil.rmtree(job.folder, ignore_errors=True)

    def _end(self, job: Job, outcome: str, reason: str | None) -> None:
        """Write the end, as soon as the disk has room for it."""

        def change(record: dict) -> None:
            record.update(job.results)
            job.kind.end(record, outcome, reason)

        while True:
            try:
                job.update(change)
                return
            except StorageError as error:
                log.warning("the end of %s has to wait: %s", job, error)
                if self._closing.wait(FULL_DISK_SECONDS):
                    raise ShuttingDown from error

    def _thread_budget(self) -> int:
        """Cores shared among the jobs that run: more threads than cores make
        OpenMP's threads wait for each other by spinning.
        """
        with self._lock:
            jobs = [job for job, _ in self._running.values()]
        working = sum(not job.kind.coordinates for job in jobs)
        return max(1, (os.cpu_count() or 1) // max(1, working))

    def prepare_to_close(self) -> None:
        """End all jobs at once; the records stay as they are."""
        with self._lock:
            self._closing.set()
            running = list(self._running.values())
            for pool in (self._workers, self._coordinators):
                pool.shutdown(wait=False, cancel_futures=True)
        for job, _ in running:
            job.end_by(ShuttingDown)
        wait([run for _, run in running if not run.cancelled()], CLOSE_SECONDS)

    def close(self) -> None:
        """End all jobs; those that ran become Failed, but for those that go on: the
        next run takes them up.
        """
        self.prepare_to_close()
        self._fail_unfinished()


def _reason(job: Job, error: Exception) -> str:
    """FailureReason of a job whose run raised this."""
    if isinstance(error, JobFailed):
        return job.public(error)
    # A fault of ours must reach the learner as a Failed job, not as a job that is
    # InProgress for ever; the traceback is in the stand-in's log.
    log.error("%s broke", job, exc_info=error)
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return job.public(f"ClientError: The disk is full: {error}")
    return INTERNAL_ERROR
