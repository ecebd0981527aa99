"""Fixtures for everything that talks to the stand-in."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_aws import lifetime
from local_aws.installation import (
    HOME_VARIABLE,
    Installation,
    client_environment,
    open_installation,
)

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 30


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
        """The sealed environment, for processes that a test starts."""
        return client_environment(self.installation, os.environ)

    def client(self, service: str, region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client in this process; `config` goes to botocore's Config."""
        options: dict[str, Any] = {
            "s3": {"addressing_style": "path"},
            "retries": {"mode": "standard", "total_max_attempts": 1},
        }
        if service == "s3":
            options["signature_version"] = "s3v4"
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
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
            timeout=120,
            **options,
        )


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_developers() -> Iterator[None]:
    """No AWS variable of the developer's shell reaches a test.

    boto3 clients in this process are given endpoint and keys, and no instance
    metadata, profile or proxy may play a part either.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(("AWS_", "SAGEMAKER_", "MOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty state folder. Short, since sockets' paths have to fit into 104 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="la-")).resolve()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def start_stand_in(home: Path, **environment: str) -> StandIn:
    """Start `python -m local_aws` on a state folder and wait until it answers."""
    installation = open_installation(home)
    # Not a pipe: nobody would read it, and a full pipe stops the writer.
    with open(installation.home / "printed", "w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_aws"],
            cwd=CHECKOUT,
            env=os.environ | {HOME_VARIABLE: str(home)} | environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + PATIENCE_S
    while not lifetime.is_answering(installation):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            text = (installation.home / "printed").read_text()
            pytest.fail(f"The stand-in did not start:\n{text}")
        time.sleep(0.02)
    return StandIn(installation, process)


def stop_stand_in(stand_in: StandIn) -> str:
    """End it as Ctrl-C does; returns what it printed."""
    stand_in.process.terminate()
    try:
        stand_in.process.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        stand_in.process.kill()
        raise
    return (stand_in.home / "printed").read_text()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandIn]:
    """One stand-in on a state folder of its own for the whole test run."""
    folder = Path(tempfile.mkdtemp(prefix="la-")).resolve()
    running = start_stand_in(folder)
    yield running
    print(stop_stand_in(running))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(stand_in: StandIn) -> str:
    """A fresh bucket; the managed policy wants "sagemaker" in its name."""
    name = f"sagemaker-test-{uuid.uuid4().hex[:12]}"
    stand_in.client("s3").create_bucket(Bucket=name)
    return name
