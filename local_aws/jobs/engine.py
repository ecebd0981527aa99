"""The engine: which jobs run, on what, and how they end when the stand-in ends."""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from local_aws.clients import Clients
from local_aws.jobs import training, transform
from local_aws.jobs.job import Job, ShuttingDown
from local_aws.persistence.resources import Resources

log = logging.getLogger(__name__)

# Jobs beyond this wait in Starting, as on AWS when no instance is free yet.
MAX_RUNNING = max(4, os.cpu_count() or 1)

# What a job may take to notice that the stand-in ends; its containers end anyway.
CLOSE_SECONDS = 5

LIVES = {training.KIND: training, transform.KIND: transform}

# A job in one of these was cut off by the end of the stand-in's process.
UNFINISHED = ("InProgress", "Stopping")

STATUS = {training.KIND: "TrainingJobStatus", transform.KIND: "TransformJobStatus"}


class JobEngine:
    """Starts, stops and remembers running jobs."""

    def __init__(self, resources: Resources, clients: Clients, folder: Path) -> None:
        """`folder` holds the running jobs' files; what an earlier run left is removed.

        A job that an earlier run left unfinished becomes Failed.
        """
        self._resources = resources
        self._clients = clients
        self._folder = folder
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str, str], Job] = {}
        self._pool = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="job")
        self._futures: set[Future] = set()
        self._closing = False
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._fail_unfinished()

    def _fail_unfinished(self) -> None:
        for kind, life in LIVES.items():
            for region, name, record in self._resources.all_records(kind):
                if record[STATUS[kind]] in UNFINISHED:
                    self._resources.update(region, kind, name, life.fail_internally)

    def start_training(self, region: str, name: str) -> None:
        """Run the training job of this name when a place is free."""
        self._start(training.KIND, region, name, training.run)

    def start_transform(self, region: str, name: str) -> None:
        """Run the transform job of this name when a place is free."""
        self._start(transform.KIND, region, name, transform.run)

    def _start(
        self, kind: str, region: str, name: str, run: Callable[[Job], None]
    ) -> None:
        folder = self._folder / self._resources.get(region, kind, name)["_id"]
        job = Job(kind, region, name, self._resources, self._clients, folder, 1)
        with self._lock:
            self._running[kind, region, name] = job
            self._futures.add(future := self._pool.submit(self._run, job, run))
        future.add_done_callback(self._futures.discard)

    def _run(self, job: Job, run: Callable[[Job], None]) -> None:
        try:
            if self._closing:
                return
            job.threads = self._thread_budget()
            job.folder.mkdir(mode=0o700)
            run(job)
        except ShuttingDown:
            log.info("%s %s was cut off by the end of the stand-in", job.kind, job.name)
        except Exception:
            # A fault of ours must reach the learner as a Failed job, not as a job
            # that is InProgress for ever; the traceback is in the stand-in's log.
            log.exception("%s %s broke", job.kind, job.name)
            self._resources.update(
                job.region, job.kind, job.name, LIVES[job.kind].fail_internally
            )
        finally:
            shutil.rmtree(job.folder, ignore_errors=True)
            with self._lock:
                # A job of the same name may have begun since this one was deleted.
                if self._running.get((job.kind, job.region, job.name)) is job:
                    del self._running[job.kind, job.region, job.name]

    def _thread_budget(self) -> int:
        """Cores shared among the jobs that run: more threads than cores make
        OpenMP's threads wait for each other by spinning.
        """
        with self._lock:
            return max(1, (os.cpu_count() or 1) // len(self._running))

    def stop(self, kind: str, region: str, name: str) -> None:
        """Tell a running job that it is to stop."""
        with self._lock:
            job = self._running.get((kind, region, name))
        if job is not None:
            job.events.put(("stop",))
            job.interrupt()

    def close(self) -> None:
        """End all jobs at once; those that ran become Failed."""
        self._closing = True
        with self._lock:
            jobs = list(self._running.values())
        for job in jobs:
            job.events.put(("close",))
            job.interrupt()
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(self._futures, CLOSE_SECONDS)
        self._fail_unfinished()
