"""Processes are started and their ends noted, whatever the one who notes them does."""

import os
import signal
import threading
from queue import Queue

import pytest

from local_aws.runtime.dispatcher import dispatcher


def run(target, *arguments, on_exit=None):
    """Start a process; a queue that gets (pid, exit code), and what start returned."""
    ends = Queue()
    return ends, dispatcher().start(
        target, arguments, on_exit or (lambda pid, code: ends.put((pid, code)))
    )


def test_exit_codes_and_ids():
    for code in (0, 3):
        ends, pid = run(os._exit, code)
        assert ends.get(timeout=60) == (pid, code)


def test_a_signal_is_a_negative_code():
    ends, pid = run(signal.pause)
    os.kill(pid, signal.SIGKILL)
    assert ends.get(timeout=60) == (pid, -signal.SIGKILL)


def test_a_callback_that_raises_stops_nobody():
    called = threading.Event()

    def broken(pid, code):
        called.set()
        raise RuntimeError("the callback's own mistake")

    run(os._exit, 0, on_exit=broken)
    assert called.wait(60)
    ends, pid = run(os._exit, 5)
    assert ends.get(timeout=60) == (pid, 5)


def test_what_can_not_be_started_is_the_callers_error():
    with pytest.raises(Exception, match=r"pickle|local object"):
        run(lambda: None)
    ends, pid = run(os._exit, 0)
    assert ends.get(timeout=60) == (pid, 0)


def test_many_from_many_threads():
    ends = Queue()

    def start(code):
        dispatcher().start(os._exit, (code,), lambda pid, found: ends.put(found))

    threads = [threading.Thread(target=start, args=(code,)) for code in range(40)]
    for thread in threads:
        thread.start()
    assert sorted(ends.get(timeout=60) for _ in threads) == list(range(40))
    for thread in threads:
        thread.join()
