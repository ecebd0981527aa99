"""Invoking functions: their processes, how many there are, and when they end.

Other services use this too: `responders.of(named("lambda")).functions` is `Functions`.
"""

import base64
import json
import logging
import math
import platform
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from local_aws.access.credentials import RoleSession
from local_aws.clients import Clients
from local_aws.functions import configuration, permissions
from local_aws.functions.bootstrap import RUNTIME_DIR, TASK_ROOT
from local_aws.functions.configuration import KIND, refused
from local_aws.functions.instance import (
    MEGABYTE,
    TEMPORARY,
    Instance,
    Outcome,
)
from local_aws.functions.logs import Destination, InvocationLog, LogWriter
from local_aws.functions.packages import CodeStore, link_brought_packages
from local_aws.installation import REGION
from local_aws.persistence.resources import NotFound, Resources
from local_aws.runtime import left_behind

log = logging.getLogger(__name__)

# Each is a process. New accounts of AWS start with a quota of 10 ("Lambda quotas").
MOST_CONCURRENT = 20
# A process without events is ended after so long, and each one after an hour; on AWS
# both are some minutes to some hours.
IDLE_SECONDS = 300.0
LONGEST_LIFE_SECONDS = 3600.0
SWEEP_SECONDS = 5.0

# "Lambda quotas": 6 MB for an event and as much for a response.
LARGEST_EVENT = 6 * MEGABYTE

Key = tuple[str, str]  # Region and name


@dataclass(frozen=True)
class Caller:
    """A service that invokes a function, by right of the function's own policy."""

    principal: str  # "apigateway.amazonaws.com"
    source_arn: str = ""


@dataclass(frozen=True)
class Result:
    """What an invocation came to.

    Args:
        payload: JSON, of the function's result or of its error.
        function_error: None, or "Unhandled".
        log_tail: the last 4 KB of what was printed.
    """

    payload: bytes
    function_error: str | None
    log_tail: bytes


class Functions:
    """All functions of the stand-in, and what runs of them."""

    def __init__(self, resources: Resources, clients: Clients, folder: Path) -> None:
        """`folder` holds all files of functions."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self.resources = resources
        self.clients = clients
        self.code = CodeStore(folder / "code")
        self.logs = LogWriter(clients)
        self._brought = link_brought_packages(folder / "runtime")
        self._processes = folder / "processes"
        if self._processes.exists() and any(self._processes.iterdir()):
            left_behind.end(TEMPORARY, self._processes)  # by a stand-in that was killed
        shutil.rmtree(self._processes, ignore_errors=True)
        self._processes.mkdir(mode=0o700)
        self._threads = ThreadPoolExecutor(MOST_CONCURRENT, "functions")
        self._lock = threading.Lock()
        self._running = 0
        self._idle: dict[Key, list[Instance]] = defaultdict(list)
        self._busy: set[Instance] = set()
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None

    # For other services:

    def submit(
        self,
        function: str,
        event: object,
        caller: Caller | None = None,
        region: str = REGION,
    ) -> "Future[Result]":
        """Invoke a function; for an event loop, `asyncio.wrap_future` what comes of it.

        Args:
            function: its name or its ARN.
            event: what JSON can have.
            caller: a service that needs a permission in the function's policy.
            region: of a function that is given by its name.

        Raises AwsError: ResourceNotFoundException, AccessDeniedException,
        TooManyRequestsException, RequestTooLargeException, ResourceConflictException.
        """
        region, name = configuration.place_of(function, region)
        record = self.get(region, name)
        if caller is not None and not permissions.allows(
            record, caller.principal, caller.source_arn
        ):
            raise refused(
                "AccessDeniedException",
                f"{caller.principal} is not authorized to perform: "
                f"{permissions.INVOKE} on resource: {record['FunctionArn']} because no "
                f"resource-based policy allows the {permissions.INVOKE} action",
            )
        return self.start(record, json.dumps(event).encode(), str(uuid.uuid4()))

    # For Lambda's operations:

    def get(self, region: str, name: str) -> dict:
        """A function's record. Raises AwsError: ResourceNotFoundException."""
        try:
            return self.resources.get(region, KIND, name)
        except NotFound:
            raise configuration.not_found(region, name) from None

    def start(
        self, record: dict, event: bytes, request_id: str, client_context: str = ""
    ) -> "Future[Result]":
        """Run an invocation on a thread. Raises AwsError."""
        if record["State"] != "Active":
            raise refused(
                "ResourceConflictException",
                "The operation cannot be performed at this time. The function is "
                f"currently in the following state: {record['State']}",
            )
        if len(event) > LARGEST_EVENT:
            raise configuration.too_large("InvokeFunction", LARGEST_EVENT)
        with self._lock:
            if self._closed.is_set() or self._running == MOST_CONCURRENT:
                raise refused(
                    "TooManyRequestsException",
                    "Rate Exceeded.",
                    Reason="ConcurrentInvocationLimitExceeded",
                )
            self._running += 1
        return self._threads.submit(
            self._run, record, event, request_id, client_context
        )

    def end_processes(self, region: str, name: str) -> None:
        """End those of a function's processes that have nothing to do."""
        with self._lock:
            ended = self._idle.pop((region, name), [])
        for instance in ended:
            instance.close()

    def discard_code(self, code: str) -> None:
        """Remove the code that no function has any more; what still runs keeps it, and
        the next start removes it.
        """
        with self._lock:
            is_used = any(instance.revision[0] == code for instance in self._busy)
        if not is_used:
            self.code.remove(code)

    def forget(self, record: dict) -> None:
        """A function has been deleted: what it has printed is written before this
        returns, and what still runs of it writes nothing more.
        """
        key = _key(record)
        self.logs.flush()
        with self._lock:
            streams = [
                i.log_stream for i in self._busy if i.revision == _revision(record)
            ]
        self.logs.forget(streams)
        self.end_processes(*key)
        self.discard_code(record["_code"])

    def close(self) -> None:
        """End all processes at once."""
        self._closed.set()
        with self._lock:
            busy, idle = list(self._busy), list(self._idle.values())
            self._idle.clear()
        for instance in busy:
            instance.kill()
        for instances in idle:
            for instance in instances:
                instance.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.logs.flush()

    # One invocation:

    def _check_open(self) -> None:
        """Raise AwsError if it is the stand-in that has ended a process."""
        if self._closed.is_set():
            raise refused("ServiceException", "The local stand-in for AWS is stopping.")

    def _run(
        self, record: dict, event: bytes, request_id: str, client_context: str
    ) -> Result:
        try:
            try:
                instance = self._instance(record)
            except FileNotFoundError:  # its code has just been replaced, or deleted
                record = self.get(*_key(record))
                instance = self._instance(record)
            try:
                said = self._log_of(record, instance)
                outcome = self._outcome(
                    record, instance, said, event, request_id, client_context
                )
            except BaseException:
                instance.close()
                raise
            finally:
                with self._lock:
                    self._busy.discard(instance)
            if outcome.is_over:
                instance.close()
                self._check_open()
            else:
                self._keep(record, instance)
            return Result(outcome.payload, outcome.function_error, said.tail)
        finally:
            with self._lock:
                self._running -= 1

    def _log_of(self, record: dict, instance: Instance) -> InvocationLog:
        """The log of an invocation that a process of the function handles."""
        folders = {
            self.code.task(record["_code"]): TASK_ROOT,
            self._brought: RUNTIME_DIR,
        }
        where = self._destination(record, instance.log_stream)
        return InvocationLog(self.logs, where, folders)

    def _outcome(
        self,
        record: dict,
        instance: Instance,
        said: InvocationLog,
        event: bytes,
        request_id: str,
        client_context: str,
    ) -> Outcome:
        """Let a process handle an event; what it prints is logged."""
        if instance.is_new:
            said.say_of_start(_init_line(record))
            instance.initialize(said.output)
        said.say(f"START RequestId: {request_id} Version: $LATEST")
        outcome = instance.invoke(
            event,
            request_id,
            record["FunctionArn"],
            record["Timeout"],
            said.output,
            client_context,
        )
        said.end_output()
        self._report(record, outcome, request_id, said)
        return outcome

    def _instance(self, record: dict) -> Instance:
        """A warm process of the function as it is now, or a new one."""
        key = _key(record)
        old: list[Instance] = []
        try:
            with self._lock:
                idle = self._idle[key]
                while idle:
                    instance = idle.pop()
                    if instance.revision == _revision(record) and instance.is_running:
                        self._busy.add(instance)
                        return instance
                    old.append(instance)
        finally:
            for instance in old:
                instance.close()
        instance = self._new_instance(record)
        with self._lock:
            self._busy.add(instance)
        if self._closed.is_set():
            instance.kill()
        return instance

    def _new_instance(self, record: dict) -> Instance:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        session = self.clients.credentials.of_role(
            record["Role"], record["FunctionName"]
        )
        end_session = partial(self.clients.credentials.end, session)
        try:
            return Instance(
                self._environment(record, stream, session),
                [self.code.task(record["_code"]), self._brought],
                record["MemorySize"] * MEGABYTE,
                stream,
                _revision(record),
                self._processes / uuid.uuid4().hex,
                end_session,
            )
        except BaseException:
            end_session()
            raise

    def _keep(self, record: dict, instance: Instance) -> None:
        """Keep a process warm, if the function is still what it was."""
        key = _key(record)
        try:
            now = self.get(*key)
            is_current = _revision(now) == instance.revision
        except Exception:  # noqa: BLE001 - deleted, or the state can't be read
            is_current = False
        with self._lock:
            if is_current and not self._closed.is_set():
                self._idle[key].append(instance)
                if self._sweeper is None:
                    self._sweeper = threading.Thread(
                        target=self._sweep, daemon=True, name="idle functions"
                    )
                    self._sweeper.start()
                return
        instance.close()

    def _sweep(self) -> None:
        """End processes that have been idle for long, or are old."""
        while not self._closed.wait(SWEEP_SECONDS):
            now = time.monotonic()
            ended = []
            with self._lock:
                for key, idle in list(self._idle.items()):
                    kept = [one for one in idle if not _is_done(one, now)]
                    ended += [one for one in idle if one not in kept]
                    self._idle[key] = kept
                    if not kept:
                        del self._idle[key]
            for instance in ended:
                instance.close()

    def _environment(
        self, record: dict, stream: str, session: RoleSession
    ) -> Mapping[str, str]:
        """What a function's process finds in its environment.

        Source: Lambda Developer Guide, "Working with Lambda environment variables".
        What the function's own configuration says can be the first two of these.
        """
        name, region = record["FunctionName"], record["_region"]
        return {
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **record.get("Environment", {}).get("Variables", {}),
            "_HANDLER": record["Handler"],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{record['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(record["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": record["LoggingConfig"]["LogGroup"],
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            **self.clients.environment_of(session, region),
            "LAMBDA_TASK_ROOT": str(self.code.task(record["_code"])),
            "LAMBDA_RUNTIME_DIR": str(self._brought),
        }

    def _destination(self, record: dict, stream: str) -> Destination:
        group = record["LoggingConfig"]["LogGroup"]
        return Destination(record["_region"], group, stream, record["Role"])

    def _report(
        self, record: dict, outcome: Outcome, request_id: str, said: InvocationLog
    ) -> None:
        """The platform's last lines on an invocation."""
        if outcome.notes:
            said.say(outcome.notes)
        said.say(f"END RequestId: {request_id}")
        init = outcome.init_duration
        millis = outcome.duration * 1000
        # Since August 2025 the start of a function is billed as well (AWS Compute
        # Blog, "AWS Lambda standardizes billing for INIT Phase").
        billed = math.ceil(millis + (init or 0.0) * 1000)
        used = math.ceil(outcome.max_memory / MEGABYTE)
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {millis:.2f} ms",
            f"Billed Duration: {billed} ms",
            f"Memory Size: {record['MemorySize']} MB",
            f"Max Memory Used: {min(used, record['MemorySize'])} MB",
        ]
        if init is not None:
            parts.append(f"Init Duration: {init * 1000:.2f} ms")
        if outcome.status:
            parts.append(f"Status: {outcome.status}")
        said.say("\t".join(parts) + "\t")


def _init_line(record: dict) -> str:
    """What the log says of the start of a process, in Lambda's form."""
    version = platform.python_version()
    return (
        f"INIT_START Runtime Version: python:{version} of this installation, where the "
        f"function asks for {record['Runtime']}"
    )


def tail_of(result: Result) -> str:
    """The end of the log as Invoke shows it."""
    return base64.b64encode(result.log_tail).decode()


def _key(record: dict) -> Key:
    return record["_region"], record["FunctionName"]


def _revision(record: dict) -> tuple[str, str]:
    """What must be the same for a warm process to be used: all but tags and policy."""
    return record["_code"], record["_configured"]


def _is_done(instance: Instance, now: float) -> bool:
    return (
        now - instance.last_used > IDLE_SECONDS
        or now - instance.started > LONGEST_LIFE_SECONDS
        or not instance.is_running
    )
