"""The program in a function's process: a client of the Lambda runtime interface.

It is run as a file, by an interpreter that sees no packages but those which AWS's
runtime brings, and imports nothing of the stand-in. The interface is the runtime API
that AWS documents ("Using the Lambda runtime API for custom runtimes"): HTTP, with its
paths and headers. It travels over a socket that the process has inherited and not over
a port, which every user and every web page of the machine could call.

What AWS's own client does (public source: aws/aws-lambda-python-runtime-interface-
client) sets the names of errors, the form of their payloads and of log records.
"""

import importlib
import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback

API = "/2018-06-01/runtime"
# How stack traces call the function's folder, and that of what AWS's runtime brings.
TASK_ROOT = "/var/task"
RUNTIME_DIR = "/var/runtime"
READ_BYTES = 65536
# A log record is one event, though it may have several lines: what stands between them
# is told from the end of a line that is printed.
INNER_BREAK = "\0\n"


class RuntimeApi:
    """The three calls of the interface that a runtime needs."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    def next(self) -> tuple[dict[str, str], bytes]:
        """Wait for the next event; headers by their names in lower case."""
        return self._call("GET", "/invocation/next", {}, b"")

    def respond(self, request_id: str, payload: bytes) -> None:
        self._call("POST", f"/invocation/{request_id}/response", {}, payload)

    def fail(self, request_id: str, error: dict) -> None:
        """Report an error of the function; without a request it is one of its start."""
        where = f"invocation/{request_id}" if request_id else "init"
        headers = {"Lambda-Runtime-Function-Error-Type": str(error["errorType"])}
        self._call("POST", f"/{where}/error", headers, json.dumps(error).encode())

    def _call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[dict[str, str], bytes]:
        lines = [f"{method} {API}{path} HTTP/1.1", "Host: runtime"]
        lines += [f"{name}: {_in_one_line(text)}" for name, text in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self._connection.sendall("\r\n".join(lines).encode() + body)
        return self._response()

    def _response(self) -> tuple[dict[str, str], bytes]:
        while b"\r\n\r\n" not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        headers = {}
        for line in head.decode().split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size = int(headers.get("content-length", "0"))
        while len(self._rest) < size:
            self._read()
        body, self._rest = self._rest[:size], self._rest[size:]
        return headers, body

    def _read(self) -> None:
        data = self._connection.recv(READ_BYTES)
        if not data:  # the stand-in has gone
            os._exit(1)
        self._rest += data


def _in_one_line(text: str) -> str:
    return text.encode("ascii", "replace").decode().translate({10: " ", 13: " "})


class Fault(Exception):
    """What is wrong with the handler itself, by the runtime's name for it."""

    def __init__(self, kind: str, message: str, trace: list[str]) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace


def find_handler(name: str) -> object:
    """The function that `module.function` names. Raises Fault, or what its module
    raises.
    """
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        text = f"Bad handler '{name}': {error}"
        raise Fault("Runtime.MalformedHandlerName", text, []) from None
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        text = f"Unable to import module '{module_name}': {error}"
        raise Fault("Runtime.ImportModuleError", text, []) from None
    except SyntaxError as error:
        text = f"Syntax error in module '{module_name}': {error}"
        where = f'  File "{_shown(error.filename or "")}" Line {error.lineno}'
        trace = [f"{where}\n    {(error.text or '').strip()}\n"]
        raise Fault("Runtime.UserCodeSyntaxError", text, trace) from None
    if not hasattr(module, function_name):
        text = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", text, [])
    return getattr(module, function_name)


def _shown(text: str) -> str:
    """Text with our folders as they are called on AWS."""
    text = text.replace(_FOLDERS[0], TASK_ROOT)
    return text.replace(_FOLDERS[1], RUNTIME_DIR)


def error_of(error: BaseException, request_id: str) -> dict:
    """The payload of an error, as Lambda's for Python are."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        kind = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        while frames and frames[0].filename in (__file__, *_IMPORT_SYSTEM):
            frames.pop(0)  # the runtime's own
        trace = [_shown(line) for line in traceback.format_list(frames)]
    return {
        "errorMessage": _shown(str(error)),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


_FOLDERS = sys.argv[3:5]
_IMPORT_SYSTEM = (importlib.__file__, "<frozen importlib._bootstrap>")
_IMPORT_SYSTEM += ("<frozen importlib._bootstrap_external>",)


class Output(io.TextIOWrapper):
    """Standard output or error, of which nothing waits in the process."""

    def __init__(self, descriptor: int) -> None:
        file = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - never closed
        super().__init__(file, "utf-8", "backslashreplace")

    def write(self, text: str) -> int:
        written = super().write(text)
        self.flush()
        return written


def log_error(error: dict) -> None:
    """Print an error as one event, as Lambda's runtime does."""
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    lines.append("Traceback (most recent call last):")
    lines += [part for line in error["stackTrace"] for part in line.split("\n") if part]
    write_record("\n".join(lines))


def write_record(text: str) -> None:
    """Print a text as one event."""
    sys.stdout.write(text.rstrip("\n").replace("\n", INNER_BREAK) + "\n")


class LogHandler(logging.Handler):
    """Where the records of logging go if the function does not say otherwise."""

    def emit(self, record: logging.LogRecord) -> None:
        write_record(self.format(record))


class RequestId(logging.Filter):
    """Gives each record the request that it belongs to."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


def set_up_logging() -> RequestId:
    """Let logging print records in Lambda's form."""
    logging.Formatter.converter = time.gmtime
    handler = LogHandler()
    handler.setFormatter(
        logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    )
    request_id = RequestId()
    handler.addFilter(request_id)
    logging.getLogger().addHandler(handler)
    return request_id


class _Members:
    """An object that has what a JSON object has, and None for what that lacks."""

    def __init__(self, kind: str, members: dict, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, members.get(name))
        self._kind = kind

    def __repr__(self) -> str:
        return f"{self._kind}([{_shown_members(self)}])"


def _shown_members(one: object) -> str:
    """What an object is made of, in the form in which Lambda's are printed."""
    members = vars(one).items()
    return ",".join(f"{k}={v}" for k, v in members if not k.startswith("_"))


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers: dict[str, str]) -> None:
        variables = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = variables["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = variables["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = variables["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = variables["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.tenant_id = None
        names = ("cognito_identity_id", "cognito_identity_pool_id")
        self.identity = _Members("CognitoIdentity", {}, names)
        self.client_context = None
        given = headers.get("lambda-runtime-client-context")
        if given:
            members = json.loads(given)
            names = ("custom", "env", "client")
            self.client_context = _Members("ClientContext", members, names)
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: str) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"LambdaContext([{_shown_members(self)}])"


def _as_json(value: object) -> float:
    """A Decimal, as DynamoDB's numbers are, in what JSON has."""
    if type(value).__name__ == "Decimal":
        return float(value)
    kind = type(value).__name__
    raise TypeError(f"Object of type {kind} is not JSON serializable")


def handle(
    handler: object, headers: dict[str, str], body: bytes
) -> tuple[bytes, dict | None]:
    """Call the handler; the payload, or the error."""
    request_id = headers["lambda-runtime-aws-request-id"]
    try:
        result = handler(json.loads(body), Context(headers))
    except Exception as error:  # noqa: BLE001 - it is the function's, and reported
        return b"", error_of(error, request_id)
    try:
        return json.dumps(result, default=_as_json).encode(), None
    except (TypeError, ValueError, RecursionError) as error:
        text = f"Unable to marshal response: {error}"
        return b"", error_of(Fault("Runtime.MarshalError", text, []), request_id)


def _limit() -> None:
    """A function that crashes leaves no core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_the_stand_in(life: int) -> None:
    os.read(life, 1)  # nothing is ever written: it returns at the end
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Serve events until the stand-in has no more; ends the process."""
    runtime_socket, life = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (runtime_socket, life):  # not for what the function starts
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_end_with_the_stand_in, args=(life,), daemon=True).start()
    _limit()
    sys.path[:0] = _FOLDERS
    sys.argv = [__file__]
    sys.stdout, sys.stderr = Output(1), Output(2)
    api = RuntimeApi(socket.socket(fileno=runtime_socket))
    request_id = set_up_logging()
    try:
        handler = find_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 - it is the function's, and reported
        failed = error_of(error, "")
        log_error(failed)
        api.fail("", failed)
        sys.exit(1)
    while True:
        headers, body = api.next()
        request_id.request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        payload, error = handle(handler, headers, body)
        if error is not None:
            log_error(error)
        if error is None:
            api.respond(request_id.request_id, payload)
        else:
            api.fail(request_id.request_id, error)


if __name__ == "__main__":
    main()
