"""Run one notebook and say what became of it, in a process of its own.

    python tests/headless_lesson.py '{"notebook": ..., "output": ...,
                                      "parameters": {...}, "compare": false,
                                      "watch": [...], "join": true}'

papermill runs it; with `compare`, nbval does, strictly, and leaves no output. Prints
one line of JSON: `error` (None or the text of it), `left` (what is there after the run
and was not before: in AWS, seen from outside by boto3, and in the folders `watch`),
`outside` (whether an address beyond loopback could be reached). With `join`, the
stand-in is started first, as `local_aws exec` does it; else the environment is used as
it is.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
import nbformat
from leftovers import snapshot

from course.execution import UnknownParameter, check_parameters
from course.sanitize import SANITIZE_FILE


def main(task: dict) -> dict:
    if task["join"]:
        from local_aws import lifetime

        sealed = lifetime.join()
        os.environ.clear()
        os.environ.update(sealed)
    folders = [Path(folder) for folder in task["watch"]]
    before = snapshot(boto3.client, *folders)
    error = compare(task) if task["compare"] else execute(task)
    left = sorted(snapshot(boto3.client, *folders) - before)
    return {"error": error, "left": left, "outside": reaches_outside()}


def execute(task: dict) -> str | None:
    """Run it by papermill; returns the text of an error."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    try:
        notebook = nbformat.read(task["notebook"], as_version=4)
        check_parameters(notebook, task["parameters"])
        papermill.execute_notebook(
            task["notebook"],
            task["output"],
            parameters=task["parameters"],
            cwd=str(Path(task["notebook"]).parent),
            progress_bar=False,
            execution_timeout=600,
        )
    except (PapermillExecutionError, UnknownParameter) as problem:
        return str(problem)
    return None


def compare(task: dict) -> str | None:
    """Compare its stored outputs with those of a run; returns what nbval found."""
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "--color=no"]
    command += ["--nbval-sanitize-with", str(SANITIZE_FILE), "-p", "no:cacheprovider"]
    command += ["--nbval-cell-timeout", "600", "--rootdir", os.getcwd()]
    command += ["-c", os.devnull, task["notebook"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else None


def reaches_outside() -> bool:
    """Whether there is a route to any address but loopback's (nothing is sent)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 80))  # TEST-NET-1: an address of nobody
        except OSError:
            return False
    return True


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
