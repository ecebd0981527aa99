"""Proofs that exercises do what they should: run with no, wrong and right answers."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.table import Table

from course import exercises, lessons
from course.execution import CELL_TIMEOUT, Execution, Failure
from course.exercise_form import form_problems, hindrances
from course.exercises import Task, WrongAnswer
from course.runner import (
    Progress,
    default_workers,
    run_all,
    stand_in_environment,
)
from course.terminal import Column, make_console, say, table_of
from course.writable import require_writable_files

# A sentence that fits under a cell.
LONGEST_SENTENCE = 200


@dataclass
class Proof:
    """What the proofs of one source found; `problems` is empty if all is well."""

    path: Path
    tasks: list[Task]
    wrong: list[WrongAnswer]
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Problem:
    """What is wrong, and the cell that said so, counted from 0."""

    cell: int
    text: str


@dataclass
class Kernel:
    """A kernel that runs a notebook's cells one by one, in whatever order."""

    client: NotebookClient
    running: str = ""  # the id of the cell that was last begun

    async def run(self, cell: NotebookNode, source: str | None = None) -> str | None:
        """Run a cell, or other code in its place; return "Error: text" or None."""
        cell = copy.deepcopy(cell)
        self.running = cell.id
        if source is not None:
            cell.source = source
        try:
            await self.client.async_execute_cell(cell, 0)
        except CellExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            return f"CellTimeoutError: it took more than {CELL_TIMEOUT} seconds"
        return None


@asynccontextmanager
async def started_kernel(
    notebook: NotebookNode, folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[Kernel]:
    """Start a kernel in a folder and end it."""
    client = NotebookClient(
        copy.deepcopy(notebook),
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        shutdown_kernel="immediate",
    )
    with open(os.devnull, "w") as nowhere:  # what the kernel's machinery says
        async with client.async_setup_kernel(env=dict(environment), stderr=nowhere):
            yield Kernel(client)


async def prove(
    path: Path,
    environment: Mapping[str, str],
    on_cell: Callable[[Execution], None] = lambda execution: None,
) -> Proof:
    """Run a source's exercises in one kernel, as a class would.

    First as they are handed out, all tasks unanswered: each check has to fail with one
    sentence, and no other cell may fail. Then, from the top, the wrong answers of each
    task and at last its solution: each wrong answer has to be told what was foreseen,
    and every solution has to pass. Where the students' copy stands, the cells run.
    """
    started = time.monotonic()
    source = lessons.read(path)
    handed_out = lessons.read(exercises.copy_of(path))
    proof = Proof(path, exercises.tasks(source), exercises.wrong_answers(path))
    execution = Execution(path, source)

    def tell(step: str) -> None:
        execution.heading, execution.seconds = step, time.monotonic() - started
        on_cell(execution)

    folder = exercises.copy_of(path).parent
    found: list[Problem] = []
    try:
        async with started_kernel(source, folder, environment) as kernel:
            tell("without answers")
            found += await _unanswered(kernel, handed_out)
            tell("wrong answers and solutions")
            found += await _answered(kernel, source, proof.wrong)
    except DeadKernelError as error:
        index = [cell.id for cell in source.cells].index(kernel.running)
        where = exercises.named(source.cells[index], index)
        found.append(Problem(index, f"{execution.heading}, {where}: {error}"))
    proof.seconds = time.monotonic() - started
    proof.problems = [problem.text for problem in found]
    if found:
        execution.failure = _failure(source, found[0])
    execution.cells_done = len(source.cells)
    tell("done")
    return proof


def _failure(notebook: NotebookNode, problem: Problem) -> Failure:
    cells = notebook.cells[: problem.cell + 1]
    count = sum(cell.cell_type == "code" for cell in cells)
    heading = lessons.heading_of(notebook, problem.cell)
    return Failure(len(cells), count, heading, problem.text)


async def _unanswered(kernel: Kernel, notebook: NotebookNode) -> list[Problem]:
    problems = []
    checks = {task.check: task.name for task in exercises.tasks(notebook)}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        said = await kernel.run(cell)
        text, name = "", checks.get(index)
        if name is None:
            if said is not None:
                text = f"without answers, {exercises.named(cell, index)} fails: {said}"
        elif said is None:
            text = f"{name}: its check passes without an answer"
        elif not _is_one_sentence(said):
            text = f"{name}: without an answer it is told no sentence but {said}"
        if text:
            problems.append(Problem(index, text))
    return problems


async def _answered(
    kernel: Kernel, notebook: NotebookNode, wrong: Sequence[WrongAnswer]
) -> list[Problem]:
    problems = []
    by_answer = {task.answer: task for task in exercises.tasks(notebook)}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if task := by_answer.get(index):
            for item in wrong:
                if item.task == task.name:
                    problems += await _wrong(kernel, notebook, task, item)
        said = await kernel.run(cell)
        if said is not None:
            text = f"with the solutions, {exercises.named(cell, index)} fails: {said}"
            problems.append(Problem(index, text))
    return problems


async def _wrong(
    kernel: Kernel, notebook: NotebookNode, task: Task, wrong: WrongAnswer
) -> list[Problem]:
    answer = " / ".join(wrong.answer.strip().splitlines())
    text = f"{task.name}: the wrong answer {answer}"
    said = await kernel.run(notebook.cells[task.answer], wrong.answer.strip())
    if said is not None:
        return [Problem(task.answer, f"{text} fails by itself: {said}")]
    check = task.check or task.answer
    for cell in notebook.cells[task.answer + 1 : check + 1]:
        if cell.cell_type == "code":
            said = await kernel.run(cell)
    if said is None:
        return [Problem(check, f"{text} passes")]
    if not _is_one_sentence(said) or wrong.told not in said:
        return [Problem(check, f"{text} is told {said}")]
    return []


def _is_one_sentence(said: str) -> bool:
    """Say whether an error is a check's own, in one sentence."""
    name, _, text = said.partition(": ")
    short = "\n" not in text and len(text) <= LONGEST_SENTENCE
    return name == "WrongAnswer" and short and text.endswith((".", "?", "!"))


def prove_exercises(
    names: Sequence[str] = (),
    workers: int | None = None,
    folder: Path = exercises.EXERCISES,
    environment: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> int:
    """Bring the students' copies up to date, run all proofs, print a table.

    Returns 0, 1 if something is wrong with an exercise, 2 if there is nothing to do.
    Without `environment` the proofs run against the stand-in for AWS.
    """
    console = console or make_console()
    try:
        sources = exercises.find_sources(names, folder)
    except lessons.NoSuchLesson as error:
        say(console, str(error))
        return 2
    if not sources:
        say(console, f"There are no exercises in {folder}.")
        return 2
    require_writable_files(
        [copy for copy in map(exercises.copy_of, sources) if copy.exists()]
    )
    copies: dict[Path, str] = {}
    problems: dict[Path, list[str]] = {}
    for source in sources:
        if found := hindrances(source):
            problems[source] = found
            continue
        try:
            copies[source] = exercises.bring_up_to_date(source)
            problems[source] = form_problems(source) + _leaks(source)
        except exercises.UnusableExercises as error:
            problems[source] = [str(error)]
    ready = [source for source in sources if source in copies]
    if environment is None and ready:
        environment = stand_in_environment()
    proofs = run_all(
        ready,
        environment or {},
        workers or default_workers(),
        Progress(ready, console),
        prove,
    )
    for proof in proofs:
        problems[proof.path] += proof.problems
    console.print(_table(console.width, proofs, copies, problems))
    for source, found in problems.items():
        for text in found:
            say(console, f"{source.stem}: {text}")
    alone = exercises.strays(folder)
    for path in alone:
        say(console, f"{path.name} has no source: delete it.")
    return 1 if alone or any(problems.values()) else 0


def _leaks(source: Path) -> list[str]:
    """Say which lines of the solutions a student would find in the copy."""
    handed_out = lessons.read(exercises.copy_of(source))
    return [
        f"the students' copy shows a line of the solution of {line}"
        for line in exercises.leaks(lessons.read(source), handed_out)
    ]


def _table(
    width: int,
    proofs: Sequence[Proof],
    copies: Mapping[Path, str],
    problems: Mapping[Path, list[str]],
) -> Table:
    """Return a row for each source, those that could not be proven at the end."""
    rows = [
        (
            proof.path.stem,
            copies[proof.path],
            "failed" if problems[proof.path] else "passed",
            str(len(proof.tasks)),
            str(sum(task.points for task in proof.tasks)),
            str(len(proof.wrong)),
            f"{proof.seconds:.0f} s",
        )
        for proof in proofs
    ]
    for source in [source for source in problems if source not in copies]:
        rows.append((source.stem, "not made", "failed", *4 * "-"))
    names, *cells = zip(*rows, strict=True)
    headers = ("students' copy", "result", "tasks", "points", "wrong answers", "time")
    columns = [
        Column(header, cells[number], is_number=number > 1)
        for number, header in enumerate(headers)
    ]
    failed = [number for number, row in enumerate(rows) if row[2] == "failed"]
    return table_of(width, "exercises", names, columns, failed)
