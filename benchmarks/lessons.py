"""(6) The whole course, against kernel starts, imports and jobs alone."""

import ast
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import boto3
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from rich.console import Console

from benchmarks import deployment
from benchmarks.figures import Figure
from benchmarks.measuring import Run, wait_for
from benchmarks.stand_in import (
    artifact,
    boston_model,
    running,
    temporary_folder,
)
from local_aws import lifetime
from local_aws.installation import (
    CHECKOUT,
    Installation,
    client_environment,
    open_installation,
)

TARGET = 1.3
LIMIT_S = 1200


def measure(run: Run) -> list[Figure]:
    """What `python -m course run` does, into a folder of its own, once.

    One lesson after the other, so that the parts of the sum don't overlap either.
    """
    with temporary_folder() as home, temporary_folder() as build:
        installation = open_installation(home)
        environment = client_environment(installation, os.environ)
        names = ["00"] if run.quick else []
        subprocess.run(
            [sys.executable, "-m", "benchmarks.lessons", str(build), *names],
            cwd=CHECKOUT,
            env=environment,
            check=True,
            timeout=LIMIT_S,
        )
        found = json.loads((build / "found.json").read_text())
        wait_for(lambda: _has_ended(installation), 0.1, 30)
    loading = _loading_seconds() if found["endpoints"] else 0.0
    parts = {
        "kernel starts and imports": found["imports"],
        "jobs": found["jobs"],
        "model servers": found["endpoints"] * loading,
    }
    run.say(
        f"(6) {found['lessons']} lessons {found['course']:.1f} s; "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    )
    return [
        Figure(
            6,
            f"the course, {found['lessons']} lessons one by one",
            found["course"],
            sum(parts.values()),
            "kernel starts, imports, jobs",
            "s",
            TARGET,
        )
    ]


def _has_ended(installation: Installation) -> bool:
    descriptor = lifetime.try_server_lock(installation)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def _loading_seconds() -> float:
    """How long one model server takes to come up by itself."""
    with running() as stand_in, temporary_folder() as folder:
        file = artifact(stand_in, boston_model(stand_in), folder)
        return deployment.load(file)


def only_imports(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook of the first cell, which finds the course, and one of all imports."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    imports = []
    for source in cells[1:]:
        # Lines like `!aws s3 ls` are IPython's; as Python they are function calls.
        tree = ast.parse(TransformerManager().transform_cell(source))
        imports += [
            ast.unparse(node)
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
    sources = [*cells[:1], "\n".join(imports)]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata=notebook.metadata,
    )


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """How much time the spans (start, end) cover; what overlaps counts once."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _job_spans() -> list[tuple[float, float]]:
    """Creation and end of all jobs that the stand-in of this environment has run."""
    sagemaker = boto3.client("sagemaker")
    spans = []
    for operation, answer, end in (
        ("list_training_jobs", "TrainingJobSummaries", "TrainingEndTime"),
        ("list_transform_jobs", "TransformJobSummaries", "TransformEndTime"),
    ):
        for page in sagemaker.get_paginator(operation).paginate():
            for job in page[answer]:
                if end in job:
                    spans.append(
                        (job["CreationTime"].timestamp(), job[end].timestamp())
                    )
    return spans


def _endpoints() -> int:
    """How many endpoint instances have written a log."""
    logs = boto3.client("logs")
    prefix = "/aws/sagemaker/Endpoints/"
    groups = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    return sum(
        len(logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"])
        for group in groups
    )


def main() -> int:
    """Run the course into the folder named first; write found.json there.

    In a process of its own, since it becomes a user of the stand-in for its life.
    """
    build, names = Path(sys.argv[1]), sys.argv[2:]
    found = {"course": 0.0, "imports": 0.0}
    began = time.perf_counter()
    from course import lessons, runner
    from course.execution import execute

    console = Console(stderr=True, highlight=False, width=120)
    paths = lessons.find_lessons(names)
    for path in paths:
        code = runner.run_lessons([str(path)], workers=1, build=build, console=console)
        if code:
            return code
        found["course"] += time.perf_counter() - began
        # Each lesson's floor right after it, so that a busy spell hits both.
        shorter = build / path.name
        nbformat.write(only_imports(lessons.read(path)), shorter)
        environment = runner.stand_in_environment()
        done = asyncio.run(execute(shorter, environment, cwd=path.parent))
        if done.failure:
            print(f"{path.name}: {done.failure}", file=sys.stderr)
            return 1
        found["imports"] += done.seconds
        began = time.perf_counter()
    found["jobs"] = covered_seconds(_job_spans())
    found["endpoints"] = _endpoints()
    found["lessons"] = len(paths)
    (build / "found.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
