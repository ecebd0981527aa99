"""Run one notebook and say what became of it, in a process of its own.

    python tests/headless_lesson.py '{"notebook": ..., "output": ...,
                                      "parameters": {...}, "compare": false,
                                      "watch": [...], "join": true, "calls": ...}'

papermill runs it; with `compare`, nbval does, strictly, and leaves no output; with
`again`, each cell runs twice, as tests/running_again.py has it. Prints
one line of JSON: `error` (None or the text of it), `left` (what is there after the run
and was not before: in AWS, seen from outside by boto3, and in the folders `watch`),
`outside` (whether an address beyond loopback could be reached), `run_id`, `missed` and
`states` (see Cells; with `calls` only), `stumbles` (with `again`: what is wrong with
running cells again). With `join`, the stand-in is started first, as
`local_aws exec` does it; else the environment is used as it is. `calls`: a file in
which papermill's kernel notes its calls of AWS, or None.
"""

import functools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
import nbformat
from leftovers import local_files, snapshot
from permissions import recording
from running_again import FirstRunFails, what_is_wrong

from course.execution import UnknownParameter, check_parameters
from course.sanitize import SANITIZE_FILE
from local_aws.installation import ACCOUNT_ID, BUCKET
from utils import cleanup, inventory
from utils.inventory import OBJECTS, Item, doubtful_runs, take_inventory


def main(task: dict) -> dict:
    if task["join"]:
        from local_aws import lifetime

        sealed = lifetime.join()
        os.environ.clear()
        os.environ.update(sealed)
    folders = [Path(folder) for folder in task["watch"]]
    before = snapshot(boto3.client, *folders)
    cells = Cells(task, folders, before)
    stumbles: list[str] = []
    if task["again"]:
        error = run_again(task, stumbles)
    else:
        error = compare(task) if task["compare"] else execute(task, cells)
    left = sorted(snapshot(boto3.client, *folders) - before)
    return {
        "error": error,
        "left": left,
        "outside": reaches_outside(),
        "run_id": cells.run_id,
        "missed": cells.missed,
        "states": sorted(cells.states),
        "stumbles": stumbles,
    }


class Cells:
    """Looks after each cell of a lesson: would a clean-up find all that there is now?

    A cell that has neither called AWS nor made or removed a file is passed over; what
    comes by itself (a tuning job's next job, say) is seen after the next one that has.

    run_id: what the lesson printed. missed: for each cell after which something was
    there that `course cleanup` without a run id would not find to be this run's, its id
    and what it was.
    states: the kinds and statuses of all resources that were there after any cell.
    """

    def __init__(self, task: dict, folders: list[Path], before: set[str]) -> None:
        # A copy of the course has a scratch folder of its own.
        course = Path(task["notebook"]).parent.parent
        cleanup.SCRATCH = course / "notebooks" / "scratch"
        self._calls = Path(task["calls"]) if task["calls"] else None
        self._last: tuple[int, set[str]] | None = None
        self.run_id: str | None = None
        self.missed: list[str] = []
        self.states: set[tuple[str, str]] = set()
        self._folders, self._before = folders, before
        self._session = boto3.Session()
        self._session.client = functools.cache(self._session.client)

    def look(self, cell: nbformat.NotebookNode, **_: object) -> None:
        """Take a look; what passes by while one looks is looked at again."""
        printed = "".join(output.get("text", "") for output in cell.get("outputs", []))
        if match := re.search("^Run id: (.*)$", printed, re.MULTILINE):
            self.run_id = match[1]
        if not self._has_done_something():
            return
        if missed := self._exists() - self._found():
            missed &= self._exists()
        self.missed += [f"after {cell.id}: {item}" for item in sorted(missed)]

    def _has_done_something(self) -> bool:
        """Tell whether AWS has been called since the last time, or files are others."""
        noted = self._calls.stat().st_size if self._calls.exists() else 0
        files = set[str]().union(*(local_files(folder) for folder in self._folders))
        last, self._last = self._last, (noted, files)
        return self._last != last

    def _exists(self) -> set[str]:
        seen = snapshot(self._session.client, *self._folders)
        # connect makes the default bucket once, and it stays.
        return seen - self._before - {f"bucket: {BUCKET}"}

    def _found(self) -> set[str]:
        """What `course cleanup` would remove of this run, if it removed all runs."""
        items = take_inventory(self._session, ACCOUNT_ID).items
        doubtful = doubtful_runs(items)
        found = set()
        for item in items:
            if item.run_id == self.run_id and item.run_id not in doubtful:
                found |= set(self._parts_of(item))
        return found

    def _parts_of(self, item: Item) -> Iterator[str]:
        """An item, and what is in it, as `snapshot` calls them."""
        if isinstance(item.source, cleanup.Resource):
            kind = item.source.kind
            self.states.add((kind.noun, item.status))
            listed = kind.operation("List").removeprefix("list_").replace("_", " ")
            yield f"{listed[:-1]}: {item.name}"
        elif isinstance(item.source, Path):
            inside = item.source.relative_to(self._folders[0])
            yield f"file: {inside}"
            for path in item.source.rglob("*"):
                yield f"file: {inside / path.relative_to(item.source)}"
        else:
            yield f"{item.what}: {item.name}"
        if item.what in (OBJECTS, inventory.BUCKET):
            bucket, _, prefix = item.name.removeprefix("s3://").partition("/")
            for each in cleanup.objects_of(self._session, bucket, prefix.rstrip("/")):
                yield f"object: {each['Key']}"


def execute(task: dict, cells: Cells) -> str | None:
    """Run it by papermill; returns the text of an error."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if task["calls"]:  # from now on: of the kernel, and not of this process
        os.environ.update(recording(os.environ, Path(task["calls"])))
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
            # Not after each cell, twice: that takes as long as the cells do.
            request_save_on_cell_execute=False,
            on_cell_executed=cells.look if task["calls"] else None,
        )
    except (PapermillExecutionError, UnknownParameter, DeadKernelError) as problem:
        return str(problem)
    return None


def run_again(task: dict, stumbles: list[str]) -> str | None:
    """Run its cells twice; returns the text of an error in their first run."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(task["notebook"])
    try:
        if task["parameters"]:
            check_parameters(notebook, task["parameters"])
            notebook = parameterize_notebook(notebook, task["parameters"])
        stumbles += what_is_wrong(notebook, str(Path(task["notebook"]).parent))
    except (FirstRunFails, UnknownParameter) as problem:
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
