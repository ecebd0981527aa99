"""Fixtures for everything that talks to the stand-in."""

import os
import uuid
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import browsers
import pytest

from course.stand_in import StandIn, start_stand_in, stop_stand_in, temporary_folder

# How the names of state folders begin: a learner's folder may be called anything.
NAME = "la é ☁ "


# With `--dist loadscope` all tests of a class, or of a module, run in one process, in
# the order of collection. The long ones come first, so that no process is left with one
# at the end while the others have nothing to do.
LONG = (
    "test_lessons",
    "test_exercises",
    "test_endpoint_faults",
    "test_endpoint_restarts",
)
LONG += (
    "test_waiting",
    "test_lifetime",
    "test_crash",
    "test_interruptions",
    "test_course_runner",
)
LONG += ("test_xgboost_training", "test_linear_learner_training", "test_job_ends")
LONG += ("test_web_app_in_browser",)
LONG += ("test_tuning_jobs", "test_tuning_restarts")
LONG += ("test_maintenance", "test_moto_services", "test_training_jobs", "test_sdk")
LONG += ("test_cleanup", "test_state_files", "test_utils", "test_xgboost_serving")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the long modules first."""

    def place(item: pytest.Item) -> int:
        return LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG)

    items.sort(key=place)


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
        # Or each process that a test starts would compile the course's modules again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty state folder."""
    with temporary_folder(NAME) as folder:
        yield folder


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandIn]:
    """One stand-in on a state folder of its own for the whole test run."""
    with temporary_folder(NAME) as folder:
        running = start_stand_in(folder)
        yield running
        print(stop_stand_in(running))


def session_of(stand_in: StandIn) -> boto3.Session:
    """A boto3 session as `connect` gives it: its clients reach the stand-in alone."""
    session = boto3.Session(
        aws_access_key_id=stand_in.installation.access_key_id,
        aws_secret_access_key=stand_in.installation.secret_access_key,
        region_name="us-east-1",
    )
    make_client = session.client
    session.client = cache(partial(make_client, endpoint_url=stand_in.endpoint))
    return session


@pytest.fixture
def bucket(stand_in: StandIn) -> str:
    """A fresh bucket; the managed policy wants "sagemaker" in its name."""
    name = f"sagemaker-test-{uuid.uuid4().hex[:12]}"
    stand_in.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without windows, for tests that are marked `browsers.needs_browser`."""
    with browsers.opened(browsers.BROWSER) as running:
        yield running
