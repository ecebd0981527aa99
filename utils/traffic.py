"""Many calls: in batches, or in the background while a lesson does other things.

`endpoint_call` makes a call for the background; a lesson may write its own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True)
class Call:
    """One call: when it began and ended (time.monotonic(), in seconds), and its fate.

    answer: what the call returned; None if it failed. error: None if it did not fail.
    """

    began: float
    ended: float
    answer: object
    error: ClientError | BotoCoreError | None


def endpoint_call(
    boto_session: boto3.Session, endpoint_name: str, body: str
) -> Callable[[], str]:
    """Give a function that sends a body, as csv, and returns the name of the variant
    that answered. It never tries a call twice, so that each failure is seen.
    """
    once = Config(retries={"total_max_attempts": 1})
    runtime = boto_session.client("sagemaker-runtime", config=once)

    def call() -> str:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint_name, Body=body, ContentType="text/csv"
        )
        response["Body"].read()
        return response["InvokedProductionVariant"]

    return call


def around_last(
    calls: Sequence[Call], answer: object, before: int, after: int
) -> tuple[list[object], list[object]]:
    """Give the answers up to the last call with this answer, and those after it.

    At most `before` and `after` of them; calls that failed are left out. ValueError if
    no call had this answer.
    """
    answers = [call.answer for call in calls if call.error is None]
    if answer not in answers:
        raise ValueError(f"no call was answered by {answer}")
    end = len(answers) - answers[::-1].index(answer)
    return answers[max(0, end - before) : end], answers[end : end + after]


def send_all(
    call: Callable[[Any], object],
    items: Sequence[Any],
    threads: int = 1,
    batch: int = 2000,
) -> list[Call]:
    """Make one call for each item, and print how many have been made after each batch.

    threads: how many calls may be under way at a time. Gives a Call for each item, in
    their order. A call that AWS refuses, or that does not get through, is noted and the
    others go on; any other error is a mistake in the call itself and is raised.
    """

    def make(item: Any) -> Call:
        return _noted(lambda: call(item))

    calls: list[Call] = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), batch):
            calls += pool.map(make, items[start : start + batch])
            print(f"{len(calls):,} of {len(items):,} calls made", flush=True)
    return calls


def _noted(call: Callable[[], object]) -> Call:
    """Make a call; note when it began and ended and what came of it."""
    began = time.monotonic()
    answer = error = None
    try:
        answer = call()
    except (ClientError, BotoCoreError) as caught:
        error = caught
    return Call(began, time.monotonic(), answer, error)


class BackgroundCaller:
    """Repeats a call from a thread of its own until the `with` block ends.

    A call that AWS refuses, or that does not get through, is noted and the next one
    follows. Any other error is a mistake in the call itself: it ends the thread, and is
    raised where the caller is used next.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._calls: list[Call] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._mistake: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    @property
    def calls(self) -> list[Call]:
        """All calls that have ended so far, oldest first."""
        with self._changed:
            return list(self._calls)

    def wait_for(self, count: int) -> None:
        """Wait until `count` calls that began after now have ended."""
        now = time.monotonic()
        with self._changed:
            first = len(self._calls)
            # The one under way, if any, began before now.
            while sum(call.began > now for call in self._calls[first:]) < count:
                self._raise_mistake()
                if not self._thread.is_alive():
                    raise RuntimeError("nobody is calling: use it in a `with` block")
                self._changed.wait(timeout=1)

    def wait_until_all_answer(
        self, answer: object, in_a_row: int = 100, timeout_s: float = 300
    ) -> None:
        """Wait until so many calls in a row, begun after now, have had this answer.

        A change of an endpoint need not reach all requests at the same moment.
        TimeoutError if it has not happened after timeout_s seconds.
        """
        now = time.monotonic()
        while True:
            self.wait_for(1)
            last = self.calls[-in_a_row:]
            if (
                len(last) == in_a_row
                and last[0].began > now
                and all(call.answer == answer for call in last)
            ):
                return
            if time.monotonic() > now + timeout_s:
                raise TimeoutError(
                    f"after {timeout_s} seconds not all calls are answered by {answer}"
                )

    def __enter__(self) -> "BackgroundCaller":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End after the call under way; raise the call's own mistake, if any."""
        self._stopping = True
        self._thread.join()
        if error is None:
            self._raise_mistake()

    def _raise_mistake(self) -> None:
        if self._mistake is not None:
            raise self._mistake

    def _run(self) -> None:
        try:
            while not self._stopping:
                call = _noted(self._call)
                with self._changed:
                    self._calls.append(call)
                    self._changed.notify_all()
        except BaseException as mistake:  # noqa: BLE001 - raised in the user's thread
            with self._changed:
                self._mistake = mistake
                self._changed.notify_all()
