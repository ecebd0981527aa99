"""Invocations of the type Event: accepted now, handled later, and again on failure.

An accepted event is on the disk until it has been handled, so that it survives the end
of the process. As on AWS a function may see an event more than once.

Source: Lambda Developer Guide, "Invoking a Lambda function asynchronously".
"""

import base64
import heapq
import logging
import threading
import time
from concurrent.futures import Future
from functools import partial

from local_aws.errors import AwsError, StorageError
from local_aws.functions.configuration import refused
from local_aws.functions.invocations import Functions, Result
from local_aws.persistence.resources import NotFound

log = logging.getLogger(__name__)

KIND = "function-event"
LARGEST_EVENT = 2**20
# A function that fails is tried again twice, after one minute and after two more.
RETRY_SECONDS = (60.0, 120.0)
# Too many invocations at once, or a function that is not ready: soon again.
THROTTLED_SECONDS = 1.0
# What is kept of an event can't be read or written: once there is a place on the disk.
UNSTORED_SECONDS = 60.0
LONGEST_AGE_SECONDS = 6 * 3600.0


class Events:
    """The events to be handled, and the thread that starts their invocations."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._due: list[tuple[float, str, str]] = []  # time, Region, id
        self._handled: set[str] = set()  # ids of those that are still to be forgotten
        self._has_work = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def restore(self) -> None:
        """Go on with what an earlier process had accepted."""
        for region, name, record in self._functions.resources.all_records(KIND):
            self._schedule(record["due"], region, name)

    def accept(self, function: dict, event: bytes, request_id: str) -> None:
        """Keep an event; it is handled soon after. Raises AwsError."""
        if len(event) > LARGEST_EVENT:
            raise refused(
                "RequestTooLargeException",
                f"{len(event)} byte payload is too large for the Event invocation type "
                f"(limit {LARGEST_EVENT} bytes)",
            )
        now = time.time()
        record = {
            "function": function["FunctionName"],
            "event": base64.b64encode(event).decode(),
            "accepted": now,
            "due": now,
            "failures": 0,
        }
        region = function["_region"]
        self._functions.resources.create(region, KIND, request_id, record)
        self._schedule(now, region, request_id)

    def close(self) -> None:
        """Start no more invocations."""
        with self._has_work:
            self._is_closed = True
            self._has_work.notify()

    def _schedule(self, due: float, region: str, request_id: str) -> None:
        with self._has_work:
            heapq.heappush(self._due, (due, region, request_id))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, daemon=True, name="function events"
                )
                self._thread.start()
            self._has_work.notify()

    def _run(self) -> None:
        while (place := self._next()) is not None:
            try:
                self._start(*place)
            except NotFound:
                log.error("the event %s has gone", place[1])
            except Exception:  # the other events' turn comes all the same
                log.exception("can't start the invocation %s", place[1])
                self._schedule(time.time() + UNSTORED_SECONDS, *place)

    def _next(self) -> tuple[str, str] | None:
        """Wait for an event that is due: Region and id; None at the end."""
        with self._has_work:
            while not self._is_closed:
                left = self._due[0][0] - time.time() if self._due else None
                if left is not None and left <= 0:
                    _, region, request_id = heapq.heappop(self._due)
                    return region, request_id
                self._has_work.wait(left)
        return None

    def _start(self, region: str, request_id: str) -> None:
        if request_id in self._handled:
            self._forget(region, request_id)
            return
        record = self._functions.resources.get(region, KIND, request_id)
        event = base64.b64decode(record["event"])
        try:
            function = self._functions.get(region, record["function"])
            running = self._functions.start(function, event, request_id)
        except AwsError as error:
            self._not_started(region, request_id, record, error)
            return
        running.add_done_callback(partial(self._ended, region, request_id))

    def _not_started(
        self, region: str, request_id: str, record: dict, error: AwsError
    ) -> None:
        is_gone = error.code == "ResourceNotFoundException"
        if is_gone or time.time() - record["accepted"] > LONGEST_AGE_SECONDS:
            log.warning("the event %s is dropped: %s", request_id, error)
            self._forget(region, request_id)
        else:
            self._schedule(time.time() + THROTTLED_SECONDS, region, request_id)

    def _ended(self, region: str, request_id: str, ended: "Future[Result]") -> None:
        """An invocation has ended; called on its thread."""
        if self._is_closed:
            return  # the next process goes on with it
        try:
            error = ended.exception()
            if error is None and ended.result().function_error is None:
                self._handled.add(request_id)
                self._forget(region, request_id)
            else:
                self._failed(region, request_id)
        except NotFound:
            log.error("the event %s has gone", request_id)
        except StorageError as problem:
            log.error("the event %s: %s", request_id, problem)
            self._schedule(time.time() + UNSTORED_SECONDS, region, request_id)

    def _failed(self, region: str, request_id: str) -> None:
        def change(record: dict) -> None:
            record["failures"] += 1
            if record["failures"] <= len(RETRY_SECONDS):
                record["due"] = time.time() + RETRY_SECONDS[record["failures"] - 1]

        record = self._functions.resources.update(region, KIND, request_id, change)
        if record["failures"] > len(RETRY_SECONDS):
            self._forget(region, request_id)
        else:
            self._schedule(record["due"], region, request_id)

    def _forget(self, region: str, request_id: str) -> None:
        self._functions.resources.delete(region, KIND, request_id)
        self._handled.discard(request_id)
