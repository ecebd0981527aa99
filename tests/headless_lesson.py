"""Run one notebook by papermill and say what became of it, in a process of its own.

    python tests/headless_lesson.py '{"notebook": ..., "output": ..., "cwd": ...,
                                      "parameters": {...}, "watch": [...],
                                      "join": true}'

Prints one line of JSON: `error` (None or the text of it), `left` (what is there after
the run and was not before: in AWS, seen from outside by boto3, and in the folders
`watch`), `outside` (whether an address
beyond loopback could be reached). With `join`, the stand-in is started first, as
`local_aws exec` does it; else the environment is used as it is.
"""

import json
import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
import nbformat
import papermill
from leftovers import snapshot
from papermill.exceptions import PapermillExecutionError

from course.execution import UnknownParameter, check_parameters


def main(task: dict) -> dict:
    if task["join"]:
        from local_aws import lifetime

        sealed = lifetime.join()
        os.environ.clear()
        os.environ.update(sealed)
    folders = [Path(folder) for folder in task["watch"]]
    before = snapshot(boto3.client, *folders)
    error = None
    try:
        notebook = nbformat.read(task["notebook"], as_version=4)
        check_parameters(notebook, task["parameters"])
        papermill.execute_notebook(
            task["notebook"],
            task["output"],
            parameters=task["parameters"],
            cwd=task["cwd"],
            progress_bar=False,
            execution_timeout=600,
        )
    except (PapermillExecutionError, UnknownParameter) as problem:
        error = str(problem)
    left = sorted(snapshot(boto3.client, *folders) - before)
    return {"error": error, "left": left, "outside": reaches_outside()}


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
