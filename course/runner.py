"""Run lessons against the stand-in, show how far they are, leave pages to read."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.table import Table

from course import exercises, lessons, site
from course.bank_data import why_made_up
from course.billing import EndpointMeter, estimate, used
from course.execution import Execution, execute
from course.install import ROOT
from course.terminal import (
    GAP,
    Column,
    first_words,
    make_console,
    say,
    shows_live,
    table_of,
)
from course.writable import require_writable, told

BUILD = ROOT / "build"
# A step is told, where no live table shows it, once it has lasted so long.
LONG_STEP_S = 10.0
LOOK_S = 1.0
SECONDS_WIDTH = len("1234 s")


class HasPath(Protocol):
    """What became of one notebook."""

    path: Path


Ran = TypeVar("Ran", bound=HasPath)


class Progress:
    """What each lesson is doing: a live table on a terminal, a few lines elsewhere.

    The lines tell a lesson's start, its end, and each step that takes long, once.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Exercises stand below their lesson.
        ordered = sorted(paths, key=lambda path: (path.stem, exercises.is_source(path)))
        self.console = console
        self.is_live = shows_live(console)
        self.meter: EndpointMeter | None = None
        self.rows = {path: Row() for path in ordered}
        self._clock = clock
        self._started = clock()

    def begin(self, path: Path) -> None:
        """Take in that a lesson's turn has come."""
        row = self.rows[path]
        row.begun = self._clock()
        self._step(row, "starting", row.begun)
        self._tell(path, "started")

    def update(self, execution: Execution) -> None:
        """Take in where a lesson is now (before each code cell, at the end)."""
        if self.meter is not None:
            self.meter.look()
        row, now = self.rows[execution.path], self._clock()
        if execution.failure:
            row.seconds = execution.seconds
            self._step(row, f"FAILED at {execution.failure}", now)
            self._tell(execution.path, row.step)
        elif execution.cells_done == len(execution.notebook.cells):
            row.seconds = execution.seconds
            self._step(row, "done", now)
            self._tell(execution.path, f"done in {row.seconds:.0f} s")
        else:
            self._step(row, execution.heading or "starting", now)

    def look(self) -> None:
        """Tell which steps take long. Call it often."""
        now = self._clock()
        for path, row in self.rows.items():
            waits = row.begun is not None and row.seconds is None and not row.is_told
            if waits and now - row.since > LONG_STEP_S:
                row.is_told = True
                self._tell(path, f'still at "{row.step}"')

    def _step(self, row: Row, step: str, now: float) -> None:
        if row.step != step:
            row.step, row.since, row.is_told = step, now, False

    def _tell(self, path: Path, what: str) -> None:
        if not self.is_live:
            seconds = self._clock() - self._started
            say(self.console, f"{seconds:6.1f} s  {_short_label(path)}: {what}")

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[Table]:
        """Draw the live table, with room at the right for the "^C" of Ctrl-C."""
        width = options.max_width - 3
        labels = [_short_label(path) for path in self.rows]
        room = width - SECONDS_WIDTH - 2 * GAP
        name_width = max(min(room // 2, max(map(len, labels))), len("lesson"))
        step_width = room - name_width
        now = self._clock()
        seconds = [
            "" if row.begun is None else f"{row.elapsed(now):.0f} s"
            for row in self.rows.values()
        ]
        steps = [first_words(row.step, step_width) for row in self.rows.values()]
        failed = [i for i, step in enumerate(steps) if step.startswith("FAILED")]
        yield table_of(
            width,
            "lesson",
            labels,
            [
                Column("step", [f"{step:{step_width}}" for step in steps]),
                Column("time", seconds, is_number=True),
            ],
            failed,
        )


@dataclass
class Row:
    """Where one lesson is: the step, since when, and how long it took in the end."""

    step: str = "waiting"
    since: float = 0.0
    begun: float | None = None
    seconds: float | None = None
    is_told: bool = False  # that this step takes long

    def elapsed(self, now: float) -> float:
        """Return how long the lesson has run."""
        return now - self.begun if self.seconds is None else self.seconds


def _label(path: Path) -> str:
    """Name a notebook, exercises otherwise than the lesson of the same name."""
    return f"exercises/{path.stem}" if exercises.is_source(path) else path.stem


def _short_label(path: Path) -> str:
    if exercises.is_source(path):
        return f"{lessons.lesson_number(path)} exercises"
    return path.stem


def default_workers() -> int:
    """Return how many lessons to run at once: one for each core, at most 4."""
    return max(1, min(4, os.cpu_count() or 1))


def run_all(
    paths: Sequence[Path],
    environment: Mapping[str, str],
    workers: int,
    progress: Progress,
    run: Callable[..., Awaitable[Ran]] = execute,
) -> list[Ran]:
    """Run notebooks by `run`, `workers` at a time, each in its own kernel.

    A failing notebook does not stop the others. On Ctrl-C the kernels are ended before
    KeyboardInterrupt is raised. The longest start first, so that none is left alone
    with the machine at the end; what is returned is in the order of `paths`.
    """

    async def run_one(path: Path, gate: asyncio.Semaphore) -> Ran:
        async with gate:
            progress.begin(path)
            return await run(path, environment, progress.update)

    async def run_every() -> list[Ran]:
        gate = asyncio.Semaphore(workers)
        begin = sorted(paths, key=_imports_of_the_sdk, reverse=True)
        done = await asyncio.gather(*(run_one(path, gate) for path in begin))
        return sorted(done, key=lambda item: paths.index(item.path))

    # The event loop lives in a thread of its own: in the main thread each notebook
    # client would put its own handler in the place of Ctrl-C's.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lessons", daemon=True)
    thread.start()
    live = (
        Live(progress, console=progress.console, refresh_per_second=4, transient=True)
        if progress.is_live
        else nullcontext()
    )
    future: Future[list[Ran]] = asyncio.run_coroutine_threadsafe(run_every(), loop)
    try:
        with live:
            while not wait([future], timeout=LOOK_S).done:
                progress.look()
        return future.result()
    except BaseException:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout=30)
        raise
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _execute(
    path: Path,
    environment: Mapping[str, str],
    on_cell: Callable[[Execution], None],
) -> Execution:
    """Run a lesson where it stands, and exercises where their students' copy does."""
    place = exercises.copy_of(path) if exercises.is_source(path) else path
    return await execute(path, environment, on_cell, cwd=place.parent)


def _imports_of_the_sdk(path: Path) -> int:
    """How often a notebook imports from the SDK, which is what takes a lesson long."""
    try:
        return path.read_bytes().count(b"from sagemaker.")
    except OSError:
        return 0  # `execute` reads it again and says what is wrong


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_lessons(
    names: Sequence[str] = (),
    workers: int | None = None,
    folder: Path = lessons.NOTEBOOKS,
    build: Path = BUILD,
    environment: Mapping[str, str] | None = None,
    console: Console | None = None,
    pages: bool = True,
) -> int:
    """Run lessons and build their pages; return 0 if all went through, else 1.

    Their exercises, which stand beside `folder`, run with them, with their solutions.
    Without `pages` only the executed notebooks are left, and what became of them.
    `environment` is the kernels' environment; without it the stand-in for AWS is
    started (or the one that runs is used) for as long as the lessons take.
    """
    console = console or make_console()
    try:
        paths = lessons.find_lessons(names, folder)
    except lessons.NoSuchLesson as error:
        say(console, str(error))
        return 2
    if not paths:
        say(console, f"There are no notebooks in {folder}.")
        return 2
    require_writable(build)
    sources = [
        source
        for source in exercises.find_sources((), folder.parent / "exercises")
        if source.stem in {path.stem for path in paths}
    ]
    every = [*paths, *sources]
    meter = None
    started, began = datetime.now(UTC), time.monotonic()
    if environment is None:
        require_writable(folder / "scratch")
        environment = stand_in_environment()
        meter = EndpointMeter(boto3.client("sagemaker"))
    if reason := why_made_up(every):
        say(console, f"The lessons on bank marketing run with made-up data. {reason}")
    progress = Progress(every, console)
    progress.meter = meter
    executions = run_all(
        every, environment, workers or default_workers(), progress, _execute
    )
    seconds = time.monotonic() - began
    with told(build):
        site.keep(executions, build)
    console.print(_summary(console.width, paths, executions))
    failed = [item for item in executions if item.failure]
    for item in failed:
        say(console, f"{_label(item.path)} failed at {item.failure}")
    console.print()
    if meter is not None:
        say(console, _cost(paths, meter, started))
    say(console, _result(len(paths), len(sources), len(failed), seconds))
    made = not pages or _make_pages(folder, build, console)
    say(console, "Run them yourself: make lab")
    return 0 if made and not failed else 1


def _result(count: int, exercises_count: int, failed: int, seconds: float) -> str:
    """Say how many lessons ran, in how many seconds, and whether all went well."""
    several = count > 1
    what = f"{count} lessons" if several else "1 lesson"
    if exercises_count:
        what += f" and {'their' if several else 'its'} solved exercises"
    how = f"{failed} of the notebooks failed" if failed else "all passed"
    return f"{what} ran in {seconds:.0f} seconds; {how}."


def _cost(paths: Sequence[Path], meter: EndpointMeter, since: datetime) -> str:
    """Say what the run's instances would have cost on AWS."""
    numbers = sorted({lessons.lesson_number(path) for path in paths})
    client = boto3.client("sagemaker")
    try:
        parts = [[*used(client, n, since), *meter.used(n)] for n in numbers]
    except BotoCoreError:
        meter.was_blind = True
    if meter.was_blind:
        return (
            "The stand-in for AWS was out of reach meanwhile, so what this would have "
            "cost on AWS is not known. `make status` says how it is now."
        )
    cost = estimate(itertools.chain.from_iterable(parts))
    if cost.read_on is None:
        return "This run cost nothing."
    dollars = math.ceil(cost.usd * 100) / 100
    return (
        "This run cost nothing. On AWS, its jobs and endpoints "
        f"({cost.seconds:.0f} seconds) would cost at most {dollars:.2f} USD by the "
        f"prices of {cost.read_on}; "
        "working through a lesson there takes longer, and the lesson says what it "
        "costs."
    )


def stand_in_environment() -> dict[str, str]:
    """Become a user of the stand-in, starting it if need be; return its environment.

    This process' own environment becomes the same, so that its clients reach nothing
    else either.
    """
    from local_aws import lifetime

    # On a SageMaker notebook instance a lesson would otherwise take itself to AWS.
    sealed = {**lifetime.join(), "SAGEMAKER_COURSE_RUNS_ON": "local"}
    os.environ.clear()
    os.environ.update(sealed)
    return sealed


def _make_pages(folder: Path, build: Path, console: Console) -> bool:
    """Make the pages of a run, and say where they begin, or why there are none."""
    try:
        with console.status("Making the pages"), told(build):
            page, warnings = site.build_run(folder, build)
    except site.NoSite as error:
        say(console, f"There are no pages of this run. {error}")
        return False
    for line in warnings:
        say(console, f"About the pages: {line}")
    say(console, f"Read them: {_shown(page)}")
    return True


def _summary(
    width: int, paths: Sequence[Path], executions: Sequence[Execution]
) -> Table:
    """Return a row for each lesson: how it ended and, beside it, its exercises."""
    by_path = {item.path: item for item in executions}
    solved = {
        item.path.stem: item for item in executions if exercises.is_source(item.path)
    }
    pairs = [(by_path[path], solved.get(path.stem)) for path in paths]
    columns = [Column("result", [_ended(item) for item, _ in pairs], is_number=True)]
    if solved:
        cells = [_ended(item) if item else "-" for _, item in pairs]
        columns.append(Column("exercises", cells, is_number=True))
    failed = [
        row
        for row, pair in enumerate(pairs)
        if any(item.failure for item in pair if item)
    ]
    return table_of(width, "lesson", [path.stem for path in paths], columns, failed)


def _ended(item: Execution) -> str:
    return f"{'failed' if item.failure else 'passed'} {item.seconds:4.0f} s"


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
