"""Run one notebook in a kernel of its own, from this process."""

from __future__ import annotations

import ast
import copy
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from course.lessons import UnreadableNotebook, heading_of, lesson_number, read

# No cell of a lesson takes a minute on a laptop; one that hangs must not hang `make`.
CELL_TIMEOUT = 600
# What a healthy kernel says too, such as a warning at its start, or an empty line.
CHATTER = re.compile(r"\[IPKernelApp\] (DEBUG|INFO|WARNING) |\s*$")


class UnknownParameter(Exception):
    """A parameter was passed that the notebook's parameters cell does not set."""


@dataclass
class Failure:
    """Where a notebook stopped.

    `cell` counts all cells from 1, as a reader goes down the page; `count` is the
    number that Jupyter shows beside the cell, In [count]. A notebook that could not be
    read stopped at cell 0.
    """

    cell: int
    count: int
    heading: str
    error: str

    def __str__(self) -> str:
        if self.cell == 0:
            return f"reading the file: {self.error}"
        where = f' under "{self.heading}"' if self.heading else ""
        return f"cell {self.cell}, In [{self.count}]{where}: {self.error}"


@dataclass
class Execution:
    """A run of one notebook, complete or up to the cell that failed."""

    path: Path
    notebook: NotebookNode
    seconds: float = 0.0
    failure: Failure | None = None
    heading: str = ""
    cells_done: int = 0


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with no outputs, counts or traces of an earlier run."""
    clean = copy.deepcopy(notebook)
    for cell in clean.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    clean.metadata.pop("papermill", None)
    clean.metadata.pop("widgets", None)
    return clean


def parameter_names(notebook: NotebookNode) -> set[str]:
    """Return the names that the cell tagged `parameters` assigns."""
    names: set[str] = set()
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.add(node.id)
    return names


def check_parameters(notebook: NotebookNode, parameters: Mapping[str, object]) -> None:
    """Raise UnknownParameter for a name that the notebook does not have.

    papermill only warns, and then runs the lesson with its defaults.
    """
    known = parameter_names(notebook)
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise UnknownParameter(
            f"{', '.join(unknown)}: not in the parameters cell, which sets "
            f"{', '.join(sorted(known)) or 'nothing'}"
        )


async def execute(
    path: Path,
    environment: Mapping[str, str],
    on_cell: Callable[[Execution], None] = lambda execution: None,
    cwd: Path | None = None,
) -> Execution:
    """Run a notebook from a clean state in the folder where it stands.

    `environment` is the kernel's whole environment. `on_cell` is called before each
    code cell and at the end. An error of the notebook is not raised: it is the result's
    `failure`, and the notebook holds what ran until then. So is a file that cannot be
    read; the notebook then is a page that says so.
    """
    try:
        execution = Execution(path, without_outputs(read(path)))
    except UnreadableNotebook as error:
        title = f"# {lesson_number(path)} {path.name} can't be read"
        execution = Execution(path, new_notebook(cells=[new_markdown_cell(title)]))
        execution.failure = Failure(0, 0, "", f"{path.name} {error}")
        on_cell(execution)
        return execution
    started = time.monotonic()

    def before_cell(cell: NotebookNode, cell_index: int) -> None:
        execution.cells_done = cell_index
        execution.heading = heading_of(execution.notebook, cell_index)
        execution.seconds = time.monotonic() - started
        on_cell(execution)

    client = NotebookClient(
        execution.notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(cwd or path.parent)}},
        on_cell_execute=before_cell,
        record_timing=False,
        coalesce_streams=True,
        shutdown_kernel="immediate",
    )
    # What the kernel's own machinery says (not the lesson's stderr, which is an output)
    # is of use only when the kernel dies.
    with tempfile.TemporaryFile("w+", errors="replace") as kernel_log:
        try:
            await client.async_execute(env=dict(environment), stderr=kernel_log)
        except CellExecutionError as error:
            execution.failure = _failure(execution, f"{error.ename}: {error.evalue}")
        except CellTimeoutError as error:
            execution.failure = _failure(execution, f"CellTimeoutError: {error}")
        except DeadKernelError as error:
            kernel_log.seek(0)
            last = [line for line in kernel_log if not CHATTER.match(line)][-1:]
            text = " ".join([f"DeadKernelError: {error}", *last])
            execution.failure = _failure(execution, text)
        else:
            execution.cells_done = len(execution.notebook.cells)
    execution.seconds = time.monotonic() - started
    on_cell(execution)
    return execution


def _failure(execution: Execution, text: str) -> Failure:
    cells = execution.notebook.cells[: execution.cells_done + 1]
    count = sum(cell.cell_type == "code" for cell in cells)
    first, *others = text.strip().splitlines()
    # The reason of a job that failed stands at the end, below a traceback.
    line = f"{first} ... {others[-1].strip()}" if others else first
    return Failure(len(cells), count, execution.heading, line)
