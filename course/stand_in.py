"""A stand-in of one's own, for tests and benchmarks: started, used and ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_aws import lifetime
from local_aws.installation import (
    CHECKOUT,
    HOME_VARIABLE,
    REGION,
    Installation,
    client_environment,
    open_installation,
)

PATIENCE_S = 60


@dataclass(frozen=True)
class StandIn:
    """A running stand-in and what is needed to use it."""

    installation: Installation
    process: subprocess.Popen

    @property
    def home(self) -> Path:
        return self.installation.home

    @property
    def endpoint(self) -> str:
        return self.installation.endpoint

    @property
    def environment(self) -> dict[str, str]:
        """The sealed environment, for processes that use it."""
        return client_environment(self.installation, os.environ)

    def client(
        self,
        service: str,
        region: str = REGION,
        endpoint: str | None = None,
        **config: Any,
    ) -> Any:
        """A boto3 client in this process, which tries nothing twice.

        `endpoint`: another server's address. `config` goes to botocore's Config.
        """
        options: dict[str, Any] = {
            "s3": {"addressing_style": "path"},
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "proxies": {},
        }
        if service == "s3":
            options["signature_version"] = "s3v4"
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id=self.installation.access_key_id,
            aws_secret_access_key=self.installation.secret_access_key,
            config=Config(**(options | config)),
        )

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess:
        """Run a command in the sealed environment; returns text output."""
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )


def start_stand_in(
    home: Path, module: str = "local_aws", **environment: str
) -> StandIn:
    """Start `python -m module` on a state folder and wait until it responds.

    Raises lifetime.NotStarted with what it printed.
    """
    installation = open_installation(home)
    # Not a pipe: nobody would read it, and a full pipe stops the writer.
    with _printed(home).open("ab") as printed:
        begin = printed.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=CHECKOUT,
            env=os.environ | {HOME_VARIABLE: str(home)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )
    deadline = time.monotonic() + PATIENCE_S
    # Another one, whose last user has just gone, may still respond at the port.
    while b"until Ctrl-C" not in _printed(home).read_bytes()[begin:]:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            text = _printed(home).read_text(errors="replace")
            raise lifetime.NotStarted(f"The stand-in did not start:\n{text[-3000:]}")
        time.sleep(0.01)
    return StandIn(installation, process)


def stop_stand_in(stand_in: StandIn) -> str:
    """End it as Ctrl-C does; returns what it printed since the folder was made.

    Raises subprocess.TimeoutExpired, having killed it, when it does not end.
    """
    stand_in.process.terminate()
    try:
        stand_in.process.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        stand_in.process.kill()
        stand_in.process.wait()
        raise
    return _printed(stand_in.home).read_text(errors="replace")


def _printed(home: Path) -> Path:
    return home / "printed"


@contextmanager
def temporary_folder(prefix: str = "la-") -> Iterator[Path]:
    """An empty folder, for a state or anything else, deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
