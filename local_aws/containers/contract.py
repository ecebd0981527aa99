"""What a container owes the platform, whatever its algorithm.

It is run with the argument train or serve. Everything that it reads and writes is below
SAGEMAKER_BASE_DIR (/opt/ml without it): input/config and input/data, model,
output/failure. An exit code other than 0 is a failure. A server responds to /ping
and /invocations.

Sources: AWS pages "How Amazon SageMaker Runs Your Training Image" and "Use Your Own
Inference Code with Hosting Services".
"""

import importlib
import json
import logging
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import MemoryHandler
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from local_aws.containers import tracebacks

if TYPE_CHECKING:
    from local_aws.containers.asgi import Response

Model = TypeVar("Model")

_OPT_ML = "/opt/ml"

# Where checkpoints are written if the request does not say.
CHECKPOINTS = "/opt/ml/checkpoints"

_PROGRAMS = {"train": "training", "serve": "serving"}


def run(package: str, arguments: list[str]) -> int:
    """Run a package's program `train` or `serve`; returns the process's exit code."""
    if len(arguments) != 1 or arguments[0] not in _PROGRAMS:
        print(f"usage: python -m {package} train|serve", file=sys.stderr)
        return 2
    warnings.showwarning = _show_warning
    try:
        # Imported late: serving needs a web server, training does not.
        program = importlib.import_module(f"{package}.{_PROGRAMS[arguments[0]]}")
        return program.main()
    except Exception as error:  # noqa: BLE001  the log shows no path of this machine
        print(tracebacks.text(error), end="", file=sys.stderr, flush=True)
        return 1


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """In a line, without the file that it comes from."""
    print(f"{category.__name__}: {message}", file=sys.stderr, flush=True)


def base_folder() -> Path:
    """The folder that stands for /opt/ml."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", _OPT_ML))


def place(folder: Path, path: str) -> Path:
    """Where a path of a container is, below the folder that stands for /opt/ml.

    A path outside of /opt/ml gets a folder of its own.
    """
    inside = PurePosixPath(path)
    if inside.is_relative_to(_OPT_ML):
        return folder / inside.relative_to(_OPT_ML)
    return folder / "elsewhere" / inside.relative_to("/")


def configure_log(
    logger: logging.Logger, line_format: str, time_format: str | None = None
) -> None:
    """Make a logger write to today's sys.stdout and nowhere else.

    line_format, time_format: as logging.Formatter has them. Times are UTC, as in a
    container. A StreamHandler flushes after every record.
    """
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(line_format, datefmt=time_format)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class ToolkitError(Exception):
    """Base of the kinds of failure that AWS's algorithms tell apart.

    message: what went wrong; without one it is that of `caused_by`. caused_by: the
    error behind it, whose class is named after the message.
    """

    def __init__(
        self, message: str | None = None, caused_by: Exception | None = None
    ) -> None:
        if message is None:
            message = getattr(caused_by, "message", str(caused_by))
        if caused_by is not None:
            message += f" (caused by {type(caused_by).__name__})"
        super().__init__(message)
        self.caused_by = caused_by


# Training -------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """How a training that failed ends.

    text: of output/failure; the platform shows its first 1024 characters, with a word
    of its own in front. exit_code: of the process.
    """

    text: str
    exit_code: int


def train(
    program: Callable[[Path], None], describe_failure: Callable[[Exception], Failure]
) -> int:
    """Train; returns the exit code.

    program: is given the base folder. describe_failure: of an error that it raised;
    writes the log's last lines.
    """
    folder = base_folder()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        program(folder)
    except Exception as error:  # noqa: BLE001  every failure goes into the file
        failure = describe_failure(error)
        _write_failure(folder, failure.text)
        return failure.exit_code
    return 0


def read_configuration(folder: Path, name: str) -> dict[str, Any]:
    """The document input/config/`name`.json below the base folder."""
    path = folder / "input" / "config" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def checkpoint_folder(folder: Path) -> Path | None:
    """Where to save checkpoints, and to look for those of earlier; None if nowhere."""
    try:
        path = read_configuration(folder, "checkpointconfig").get("LocalPath")
    except FileNotFoundError:
        return None
    return place(folder, path) if path else None


def read_hosts(folder: Path) -> tuple[str, list[str]]:
    """This host's name, and the names of all hosts of the job."""
    try:
        resources = read_configuration(folder, "resourceconfig")
    except FileNotFoundError:
        return "algo-1", ["algo-1"]
    return resources["current_host"], resources["hosts"]


# Serving --------------------------------------------------------------------------


class ModelNotLoaded(Exception):
    """The model folder holds nothing that the program can read; says why."""


def serve(
    load: Callable[[Path], Model],
    invoke: Callable[[Model, bytes, str | None, str | None], "Response"],
    logger: logging.Logger,
    longest_body: float = math.inf,
) -> int:
    """Serve the base folder's `model` until SIGTERM; returns the exit code.

    load: the model of a folder; raises ModelNotLoaded. invoke: the response to one
    POST /invocations, of the model, the body and the headers Content-Type and Accept
    (None without). A body above MAX_CONTENT_LENGTH of the environment, or above
    longest_body, gets 413.

    Without a model there is no server, as in AWS's image of XGBoost: the log and
    output/failure say why.
    """
    from local_aws.containers import asgi

    asked = int(os.environ.get("MAX_CONTENT_LENGTH", asgi.MAX_CONTENT_LENGTH))
    limit = int(min(asked, longest_body))
    folder = base_folder()
    try:
        model = load(folder / "model")
    except ModelNotLoaded as error:
        logger.error(f"Unable to load model: {error}")
        _write_failure(folder, str(error))
        return 1

    def respond(*request: Any) -> asgi.Response:
        try:
            return invoke(model, *request)
        except Exception as error:  # noqa: BLE001  the server goes on
            trace = tracebacks.with_causes(error)
            logger.error(f"Exception on /invocations [POST]\n{trace}")
            return asgi.INTERNAL_ERROR

    logger.handlers = [_Gathering(handler) for handler in logger.handlers]
    try:
        asgi.serve(asgi.Application(respond, limit), os.environ)
    finally:
        for handler in logger.handlers:
            handler.flush()
    return 0


class _Gathering(MemoryHandler):
    """Holds back what is less than a warning for a second at most, and then writes all
    of it together: a write for each request would take longer than the request.
    """

    def __init__(self, target: logging.Handler) -> None:
        super().__init__(1000, logging.WARNING, target)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, or write all."""
        if not self.buffer:
            timer = threading.Timer(1, self.flush)
            timer.daemon = True
            timer.start()
        super().emit(record)

    def flush(self) -> None:
        """Write what there is in one piece, which reaches the platform as one."""
        with self.lock:
            text = "".join(
                self.target.format(record) + self.target.terminator
                for record in self.buffer
            )
            self.buffer.clear()
            if text:
                self.target.stream.write(text)
                self.target.flush()


def _write_failure(folder: Path, text: str) -> None:
    (folder / "output").mkdir(parents=True, exist_ok=True)
    (folder / "output" / "failure").write_text(
        text, encoding="utf-8", errors="backslashreplace"
    )
