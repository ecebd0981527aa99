"""Starts container processes and learns how they ended, on one thread.

On Linux a fork server has imported what the containers need, so that a process is
ready in a few hundredths of a second. It has never trained or predicted: a process
that is forked from one where OpenMP's threads ran hangs. Elsewhere processes are
spawned. One thread does it all, since starting and joining processes of a fork
server from several threads now and then loses an exit status.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

from local_aws.containers.images import PRELOADED

log = logging.getLogger(__name__)

METHOD = "forkserver" if sys.platform == "linux" else "spawn"

# What a new process runs before it is a container: our first code in it, and what the
# stand-in's own main module imports, which multiprocessing runs once more in it.
OWN = ("runpy", "argparse", "local_aws.lifetime", "local_aws.runtime.container_main")

# Threads of one process that wait for work give up the core to another's.
PATIENT_THREADS = {"OMP_WAIT_POLICY": "passive"}


class Dispatcher:
    """The one thread that starts processes and waits for their ends."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context(METHOD)
        self._requests: SimpleQueue = SimpleQueue()
        self._wake_reader, self._wake_writer = multiprocessing.Pipe(duplex=False)
        self._on_exit: dict[int, tuple[BaseProcess, Callable[[int, int], None]]] = {}
        if METHOD == "forkserver":
            self._start_fork_server()
        threading.Thread(target=self._run, daemon=True, name="dispatcher").start()

    def _start_fork_server(self) -> None:
        """Start it now: its imports are done by the time the first job comes."""
        from multiprocessing import forkserver

        self._context.set_forkserver_preload([*PRELOADED, *OWN])
        before = {name: os.environ.get(name) for name in PATIENT_THREADS}
        os.environ.update(PATIENT_THREADS)
        try:
            with _interrupt_ignored():
                forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def start(
        self, target: Callable, arguments: tuple, on_exit: Callable[[int, int], None]
    ) -> int:
        """Run `target(*arguments)` in a process of its own; returns its id.

        `on_exit` is called on the dispatcher's thread with the process's id and its
        exit code (negative: the signal), perhaps before this returns. Raises what
        starting the process raised.
        """
        started: Future[int] = Future()
        process = self._context.Process(target=target, args=arguments)
        self._requests.put((process, on_exit, started))
        self._wake_writer.send_bytes(b".")
        return started.result()

    def _run(self) -> None:
        while True:
            for ready in wait([self._wake_reader, *self._on_exit]):
                if ready is self._wake_reader:
                    self._wake_reader.recv_bytes()
                    self._start_one()
                else:
                    self._end_one(*self._on_exit.pop(ready))

    def _start_one(self) -> None:
        process, on_exit, started = self._requests.get()
        try:
            process.start()
        except Exception as error:  # noqa: BLE001 - handed to the caller of start
            started.set_exception(error)
            return
        self._on_exit[process.sentinel] = (process, on_exit)
        started.set_result(process.pid)

    def _end_one(
        self, process: BaseProcess, on_exit: Callable[[int, int], None]
    ) -> None:
        process.join()
        try:
            on_exit(process.pid, process.exitcode)
        except Exception:
            # All other processes still need this thread.
            log.exception("noting the end of process %s", process.pid)


@contextmanager
def _interrupt_ignored() -> Iterator[None]:
    """What is started meanwhile is deaf to Ctrl-C from its first moment on.

    The fork server ignores it anyway, but only once it has imported something.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def dispatcher() -> Dispatcher:
    """The dispatcher, started at the first call: there is one for this process, as
    multiprocessing has one fork server for it.
    """
    return Dispatcher()
