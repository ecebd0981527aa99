"""Model servers as processes of their own: ours without the stand-in, and the peer."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stand_in import end
from local_aws.installation import CHECKOUT

START_S = 60


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def ours(model: Path) -> Iterator[int]:
    """Our serving program over a model's file `.../model/xgboost-model`; its port."""
    port = free_port()
    process = start_ours(model, port)
    with _until_done(process, port):
        yield port


@contextmanager
def minimal(model: Path) -> Iterator[int]:
    """The Starlette server over the same file; its port."""
    port = free_port()
    process = start(["benchmarks.minimal_server", str(model), str(port)])
    with _until_done(process, port):
        yield port


def start_ours(model: Path, port: int) -> subprocess.Popen:
    """Start our serving program at `port`."""
    return start(
        ["local_aws.containers.xgboost", "serve"],
        SAGEMAKER_BASE_DIR=str(model.parent.parent),
        SAGEMAKER_BIND_TO_PORT=str(port),
        SAGEMAKER_IMAGE_TAG="3.2-0",
    )


def start(words: list[str], **environment: str) -> subprocess.Popen:
    """Start `python -m words ...` with one thread for predictions and no output."""
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def _until_done(process: subprocess.Popen, port: int) -> Iterator[None]:
    try:
        wait_until_healthy(process, port)
        yield
    finally:
        end(process)


def wait_until_healthy(
    process: subprocess.Popen, port: int, every_s: float = 0.005
) -> None:
    """Return at the first 200 of /ping; raises OSError or TimeoutError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(f"a model server ended with code {process.returncode}")
        try:
            with opener.open(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                if answer.status == 200:
                    return
        except urllib.error.URLError:
            time.sleep(every_s)
    raise TimeoutError("a model server did not come up")
