"""Run lessons against the stand-in, show how far they are, leave pages to read."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import boto3
from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.table import Table

from course import exercises, lessons, site
from course.billing import EndpointMeter, Estimate, estimate, used
from course.execution import Execution, execute
from course.install import ROOT

BUILD = ROOT / "build"


class HasPath(Protocol):
    """What became of one notebook."""

    path: Path


Ran = TypeVar("Ran", bound=HasPath)


class Progress:
    """What each lesson is doing: a live table on a terminal, plain lines elsewhere."""

    def __init__(self, paths: Sequence[Path], console: Console) -> None:
        self.console = console
        self.started = time.monotonic()
        self.rows = {path: ["waiting", 0.0] for path in paths}
        self.shown: dict[Path, str] = {}
        self.begun: dict[Path, float] = {}
        self.meter: EndpointMeter | None = None

    def update(self, execution: Execution) -> None:
        """Take in where a lesson is now (before each code cell, at the end)."""
        path, cells = execution.path, len(execution.notebook.cells)
        self.begun.setdefault(path, time.monotonic() - execution.seconds)
        if self.meter is not None:
            self.meter.look()
        if execution.failure:
            step = f"FAILED at {execution.failure}"
        elif execution.cells_done == cells:
            step = "done"
        else:
            step = execution.heading or "starting"
        if step == "done" or execution.failure:
            self.rows[path] = [step, execution.seconds]
        else:
            self.rows[path] = [step, None]
        if not self.console.is_terminal and self.shown.get(path) != step:
            elapsed = time.monotonic() - self.started
            # markup=False: an error text may hold square brackets.
            self.console.print(
                f"{elapsed:6.1f} s  {_label(path)}: {step}",
                markup=False,
                soft_wrap=True,
            )
        self.shown[path] = step

    def __rich__(self) -> Table:
        """Draw the live table."""
        table = Table("lesson", "step", "elapsed", box=None)
        for path, (step, seconds) in self.rows.items():
            if seconds is None:
                seconds = time.monotonic() - self.begun[path]
            style = "bold red" if step.startswith("FAILED") else None
            table.add_row(
                _label(path), step.replace("[", r"\["), f"{seconds:.0f} s", style=style
            )
        return table


def _label(path: Path) -> str:
    """Name a notebook, exercises otherwise than the lesson of the same name."""
    return f"exercises/{path.stem}" if exercises.is_source(path) else path.stem


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
        Live(progress, console=progress.console, refresh_per_second=4)
        if progress.console.is_terminal
        else nullcontext()
    )
    future: Future[list[Ran]] = asyncio.run_coroutine_threadsafe(run_every(), loop)
    try:
        with live:
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
        console.print(str(error), markup=False)
        return 2
    if not paths:
        console.print(f"There are no notebooks in {folder}.", markup=False)
        return 2
    sources = [
        source
        for source in exercises.find_sources((), folder.parent / "exercises")
        if source.stem in {path.stem for path in paths}
    ]
    every = [*paths, *sources]
    costs: dict[Path, Estimate] = {}
    started = datetime.now(UTC)
    on_stand_in = environment is None
    if environment is None:
        environment = stand_in_environment()
    progress = Progress(every, console)
    if on_stand_in:
        progress.meter = EndpointMeter(boto3.client("sagemaker"))
    executions = run_all(
        every, environment, workers or default_workers(), progress, _execute
    )
    site.keep(executions, build)
    if on_stand_in:
        client = boto3.client("sagemaker")
        for path in paths:
            number = lessons.lesson_number(path)
            jobs = used(client, number, started)
            costs[path] = estimate([*jobs, *progress.meter.used(number)])
    console.print(_summary(executions, costs))
    dates = [cost.read_on for cost in costs.values() if cost.read_on]
    if dates:
        console.print(
            "Cost: the seconds for which this run's jobs and endpoints ran here, at "
            f"AWS's prices in us-east-1 as of {min(dates)}, with the exercises. An "
            "estimate: on AWS they take minutes.",
            soft_wrap=True,
        )
    failed = [item for item in executions if item.failure]
    for item in failed:
        console.print(
            f"{_label(item.path)} failed at {item.failure}",
            markup=False,
            soft_wrap=True,
        )
    made = not pages or _make_pages(folder, build, console)
    return 0 if made and not failed else 1


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


def make_console() -> Console:
    """Return a console: colours on a terminal, plain lines of full length elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def _make_pages(folder: Path, build: Path, console: Console) -> bool:
    """Make the pages of a run, and say where they begin, or why there are none."""
    try:
        with console.status("Making the pages"):
            page = site.build_run(folder, build)
    except site.NoSite as error:
        text = f"There are no pages of this run. {error}"
        console.print(text, markup=False, soft_wrap=True)
        return False
    console.print(f"Read the lessons: {_shown(page)}", markup=False)
    return True


def _summary(executions: Sequence[Execution], costs: Mapping[Path, Estimate]) -> Table:
    table = Table("lesson", "result", box=SIMPLE)
    table.add_column("seconds", justify="right")
    table.add_column("cost on AWS, USD", justify="right")
    for item in executions:
        result = "[bold red]failed[/]" if item.failure else "passed"
        cost = f"{costs[item.path].usd:.4f}" if item.path in costs else "-"
        table.add_row(_label(item.path), result, f"{item.seconds:.1f}", cost)
    return table


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
