"""Running a lesson as the proof gates want it, each time in a process of its own.

Each lesson runs twice on one state folder, and once more; its gates look at these runs:

first   nbval, strict, default parameters, with a dead proxy and in a network namespace
        without a way out
again   each cell twice, and whole sections, as tests/running_again.py has it, on a
        state folder of its own; a lesson on bank marketing runs with made-up data
second  papermill in AWS mode, other parameters; the stand-in has been started again in
        between

A kernel's working folder is the one in which the lesson stands, as in Jupyter. The
program that starts it runs in another one.
"""

import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat
import permissions
import pytest
from bank_data import uses_bank_data, why_not_real, with_data
from conftest import NAME, StandIn, start_stand_in, stop_stand_in, temporary_folder
from packaging.requirements import Requirement
from permissions import Call, recorded

from course import lessons
from course.install import LOCK, ROOT
from local_aws.installation import (
    HOME_VARIABLE,
    ROLE_ARN,
    ROLE_NAME,
    open_installation,
)
from local_aws.lifetime import try_server_lock

LESSONS = lessons.find_lessons()
TIMEOUT_S = 900
# The lessons run below such a folder: a learner's may be called anything.
NAME_OF_A_COPY = "Zoë\N{RIGHT SINGLE QUOTATION MARK}s kurs ☁"

# Other values for each lesson's parameters than those in its parameters cell.
OTHER_PARAMETERS = {
    "00": {"notebook_type": "ml.m5.xlarge"},
    "01": {"seed": 11, "test_fraction": 0.25, "num_round": 60},
    "02": {"seed": 11, "test_fraction": 0.25, "num_round": 60},
    "03": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "rows_per_request": 13},
    "04": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "rows_per_request": 13},
    "05": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "max_jobs": 6},
    "06": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "max_jobs": 6},
    "07": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "rounds": 2},
    "08": {"seed": 11, "test_fraction": 0.25, "num_round": 60, "call_cost": 8.0},
    "09": {
        "seed": 11,
        "test_fraction": 0.25,
        "target_recall": 0.7,
        "most_bothered": 0.2,
    },
    "10": {
        "seed": 11,
        "test_fraction": 0.25,
        "num_round": 60,
        "customers": 1500,
        "threads": 3,
    },
    "11": {
        "seed": 11,
        "test_fraction": 0.25,
        "num_round": 20,
        "call_cost": 8.0,
    },
    "12": {"seed": 11, "test_fraction": 0.25, "rounds": 20},
    "13": {
        "seed": 11,
        "num_round": 12,
        "more_regions": "eu-central-1",
        "monthly_limit": 8,
    },
    "A": {"seed": 11, "test_fraction": 0.25, "num_round": 20},
}
# And for the run of each cell twice, where the defaults take long.
QUICK_PARAMETERS = {"10": {"customers": 1500}}


@dataclass(frozen=True)
class Run:
    """What became of one run of a notebook; tests/headless_lesson.py says what is what.

    calls: what it called in AWS mode, its shell commands included.
    """

    error: str | None
    left: list[str]
    outside: bool = True
    notebook: nbformat.NotebookNode | None = None
    run_id: str | None = None
    missed: list[str] = field(default_factory=list)
    states: set[tuple[str, str]] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    stumbles: list[str] = field(default_factory=list)


def copy_of_the_course(folder: Path) -> Path:
    """Copy what a lesson needs: no other test and no learner gets in its way there."""
    for name in ("course", "data", "local_aws", "utils", "webapp"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "downloads"),
        )
    (folder / "notebooks").mkdir()
    scripts = Path("notebooks", "scripts")
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / scripts, folder / scripts, ignore=no_caches)
    for path in LESSONS:
        shutil.copy(path, folder / "notebooks")
    return folder


def run_notebook(
    path: Path,
    environment: dict[str, str],
    folder: Path,
    *,
    compare: bool = False,
    again: bool = False,
    parameters: dict | None = None,
    join: bool = False,
    calls: Path | None = None,
    prefix: tuple[str, ...] = (),
    made_up: bool = False,
) -> Run:
    """Run a notebook by papermill, or compare its outputs by nbval.

    `folder` takes the executed notebook; the program runs there. `again`: run each cell
    twice, and tell what a learner would stumble over. `join`: start the
    stand-in. `calls`: a file for the calls of AWS that papermill's kernel makes.
    `made_up`: the bank-marketing data is not the real one, even if it can be had.
    """
    output = folder / path.name
    task = {
        "notebook": str(path),
        "output": str(output),
        "compare": compare,
        "again": again,
        "parameters": parameters or {},
        # The copy of the course that the notebook belongs to.
        "watch": [str(path.parent.parent)],
        "join": join,
        "calls": str(calls) if calls else None,
    }
    script = str(ROOT / "tests" / "headless_lesson.py")
    done = subprocess.run(
        [*prefix, sys.executable, script, json.dumps(task)],
        # Nothing of the developer's own Jupyter and IPython may play a part.
        env=with_data(environment, path, made_up=made_up)
        | {
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"the run broke off:\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout.splitlines()[-1])
    notebook = lessons.read(output) if output.exists() else None
    result["states"] = {tuple(state) for state in result["states"]}
    noted = recorded(calls) if calls else []
    return Run(**result, notebook=notebook, calls=noted)


@functools.cache
def no_way_out() -> tuple[str, ...]:
    """Return the command that closes all ways but loopback, or () where not allowed."""
    prefix = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    if not shutil.which("unshare") or not shutil.which("ip"):
        return ()
    done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return () if done.returncode else prefix


def with_dead_proxy(environment: dict[str, str]) -> dict[str, str]:
    """Send what is not meant for loopback to a port where nobody listens."""
    dead = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    dead_ends = {name: dead for name in names} | {name.lower(): dead for name in names}
    loopback = "127.0.0.1,localhost"
    return environment | dead_ends | {"NO_PROXY": loopback, "no_proxy": loopback}


def run_cut_off(
    path: Path, folder: Path, *, compare: bool, home: Path | None = None
) -> Run:
    """Run a notebook with no way out, on a stand-in of its own.

    The stand-in's state is in `home`; without it, it is thrown away.
    """
    if home is None:
        with temporary_folder(NAME) as home:
            return run_cut_off(path, folder, compare=compare, home=home)
    environment = with_dead_proxy(dict(os.environ)) | {HOME_VARIABLE: str(home)}
    run = run_notebook(
        path, environment, folder, compare=compare, join=True, prefix=no_way_out()
    )
    if run.error is None:
        return run
    log = (home / "server.log").read_text(errors="replace")
    error = f"{run.error}\nThe end of the stand-in's log:\n{log[-3000:]}"
    return replace(run, error=error)


def wait_for_its_end(home: Path) -> None:
    """Return when the stand-in that a run has started has noticed that it is unused."""
    installation, deadline = open_installation(home), time.monotonic() + TIMEOUT_S
    while (lock := try_server_lock(installation)) is None:
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.1)
    os.close(lock)


def run_again(path: Path, folder: Path, parameters: dict | None = None) -> Run:
    """Run each cell of a notebook twice, on a stand-in of its own."""
    with temporary_folder(NAME) as home:
        environment = dict(os.environ) | {HOME_VARIABLE: str(home)}
        return run_notebook(
            path,
            environment,
            folder,
            again=True,
            parameters=parameters,
            join=True,
            made_up=True,
        )


def run_in_aws_mode(
    path: Path, stand_in: StandIn, folder: Path, parameters: dict | None = None
) -> Run:
    """Fake the file of a notebook instance, and point its clients at the stand-in."""
    sagemaker = stand_in.client("sagemaker")
    name = f"gate-{folder.name.replace('_', '-')}"[:63].rstrip("-")
    answer = sagemaker.create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=ROLE_ARN
    )
    metadata = folder / "resource-metadata.json"
    arn = answer["NotebookInstanceArn"]
    metadata.write_text(json.dumps({"ResourceArn": arn, "ResourceName": name}))
    environment = stand_in.environment | {
        "SAGEMAKER_COURSE_METADATA_FILE": str(metadata)
    }
    del environment[HOME_VARIABLE]  # which says that the environment is sealed
    # What the lesson tells its learners to attach, which it checks.
    iam = stand_in.client("iam")
    number = lessons.lesson_number(path)
    attached = [permissions.course_policy(), *permissions.policy_of(number)]
    for policy in attached:
        iam.put_role_policy(
            RoleName=ROLE_NAME,
            PolicyName=policy.source_id,
            PolicyDocument=json.dumps(policy.document),
        )
    try:
        return run_notebook(
            path,
            environment,
            folder,
            parameters=parameters,
            calls=folder / "calls.jsonl",
        )
    finally:
        for policy in attached:
            iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=policy.source_id)
        delete_notebook_instance(sagemaker, name)


def delete_notebook_instance(sagemaker: Any, name: str) -> None:
    named = {"NotebookInstanceName": name}
    sagemaker.get_waiter("notebook_instance_in_service").wait(**named)
    sagemaker.stop_notebook_instance(**named)
    sagemaker.get_waiter("notebook_instance_stopped").wait(**named)
    sagemaker.delete_notebook_instance(**named)


class Runs:
    """The runs of each lesson, made when the first gate asks for them."""

    def __init__(self, folder: Path, homes: ExitStack) -> None:
        self.folder, self.homes = folder, homes
        self.course = copy_of_the_course(folder / NAME_OF_A_COPY)
        self.home = functools.cache(self._new_home)
        self.first = functools.cache(self._first)
        self.second = functools.cache(self._second)
        self.again = functools.cache(self._again)

    def _new_home(self, name: str) -> Path:
        """The state folder of a lesson's two runs."""
        return self.homes.enter_context(temporary_folder(NAME))

    def _first(self, name: str) -> Run:
        """Default parameters, compared with what is stored where that is meaningful."""
        path, folder = self._places("first", name)
        compare = not why_not_compared(path)
        return run_cut_off(path, folder, compare=compare, home=self.home(name))

    def _second(self, name: str) -> Run:
        """Other parameters, in AWS mode."""
        self.first(name)
        path, folder = self._places("second", name)
        parameters = OTHER_PARAMETERS[lessons.lesson_number(path)]
        wait_for_its_end(self.home(name))
        stand_in = start_stand_in(self.home(name))
        try:
            return run_in_aws_mode(path, stand_in, folder, parameters)
        finally:
            stop_stand_in(stand_in)

    def _again(self, name: str) -> Run:
        """Each cell twice."""
        path, folder = self._places("again", name)
        parameters = QUICK_PARAMETERS.get(lessons.lesson_number(path))
        return run_again(path, folder, parameters)

    def _places(self, kind: str, name: str) -> tuple[Path, Path]:
        folder = self.folder / f"{kind}-{name[:2]}"
        folder.mkdir()
        return self.course / "notebooks" / name, folder


def why_not_compared(path: Path) -> str:
    """Say why this lesson's outputs can't be compared strictly here, or "".

    Those of a lesson on bank marketing are the real data's.
    """
    if uses_bank_data(path) and why_not_real():
        return f"stored outputs are those of the real data. {why_not_real()}"
    return why_not_strict()


@functools.cache
def why_not_strict() -> str:
    """Say why outputs can't be compared strictly here, or "".

    Numbers may differ in their last digits with another platform, Python or package.
    """
    if sys.version_info[:2] != (3, 11) or platform.system() != "Linux":
        return "stored outputs are those of Linux with Python 3.11"
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line.rstrip(" \\"))
            if requirement.marker and not requirement.marker.evaluate():
                continue
            try:
                installed = version(requirement.name)
            except PackageNotFoundError:
                return f"{requirement.name} of the lock is not installed"
            if not requirement.specifier.contains(installed, prereleases=True):
                return f"{requirement.name} {installed} is not the lock's"
    return ""
