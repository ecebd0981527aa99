"""Running lessons, what a run leaves, storing outputs, installing."""

import ast
import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from botocore.exceptions import EndpointConnectionError
from exercise_fixture import cell_of, good_exercises, write_exercises
from lesson_fixture import good_lesson, small_notebook, write, write_course
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from rich.console import Console

from course import install, lessons, outputs, pythons, runner, site
from course.billing import EndpointMeter, estimate, used
from course.execution import (
    Execution,
    UnknownParameter,
    check_parameters,
    execute,
    parameter_names,
)
from course.exercises import bring_up_to_date
from course.install import ROOT, SetupError, check_version, uv_settings
from course.linter import FIRST_CELL


def plain_console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False)


def run(
    folder: Path, *names: str, workers: int = 2, pages: bool = False
) -> tuple[int, str]:
    console = plain_console()
    code = runner.run_lessons(
        names,
        workers=workers,
        folder=folder,
        build=folder / "build",
        environment=os.environ | {"PYTHONPATH": str(ROOT)},  # for utils
        console=console,
        pages=pages,
    )
    return code, console.file.getvalue()


def with_heading(text: str, *sources: str) -> nbformat.NotebookNode:
    notebook = small_notebook(*sources)
    notebook.cells.insert(1, new_markdown_cell(f"# {text}\n\n## 4 Train"))
    return notebook


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """Two lessons that pass (run at the same time) and one that fails."""
    folder = tmp_path_factory.mktemp("lessons") / "notebooks"
    for path in write_course(folder):
        notebook = lessons.read(path)
        # The picture comes from the run itself: take matplotlib's.
        for cell in notebook.cells:
            if "display(Image" in cell.source:
                cell.source = (
                    "import matplotlib.pyplot as plt\n"
                    "figure, axes = plt.subplots()\n"
                    "axes.plot([1, 2, 3])\nprint(3)\nplt.show()"
                )
        write(notebook, path)
    failing = with_heading("Broken", "print('kept')", "{}['no [such] key']\nx", "1")
    write(failing, folder / "03_broken.ipynb")
    code, text = run(folder)
    return folder, code, text


def test_a_failing_lesson_fails_the_run_and_stops_no_other(built) -> None:
    _, code, text = built
    assert code == 1
    assert re.search(r"01_rivers +passed", text)
    assert re.search(r"02_rivers +passed", text)
    assert re.search(r"03_broken +failed", text)
    assert re.search(r"^3 lessons ran in \d+ seconds; 1 of the", text, re.MULTILINE)


def test_the_failing_cell_is_named(built) -> None:
    _, _, text = built
    expected = (
        '03_broken failed at cell 4, In [3] under "4 Train": '
        "KeyError: 'no [such] key'"
    )
    assert expected in text.splitlines()


def test_what_a_failing_lesson_did_is_kept(built) -> None:
    folder, _, _ = built
    notebook = lessons.read(folder / "build" / "notebooks" / "03_broken.ipynb")
    printed = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert printed[1][0].text == "kept\n"
    assert printed[2][0].ename == "KeyError"
    assert printed[3] == []
    ran = site.results(folder / "build")["notebooks/03_broken.ipynb"]
    assert ran.failure.startswith("cell 4, In [3]")


def test_without_a_terminal_only_starts_and_ends_are_told(built) -> None:
    _, _, text = built
    told = [line for line in text.splitlines() if re.match(r" *\d+\.\d s  ", line)]
    for name in ("01_rivers", "02_rivers"):
        lines = [line.split("s  ", 1)[1] for line in told if name in line]
        assert lines[0] == f"{name}: started"
        assert re.fullmatch(rf"{name}: done in \d+ s", lines[-1])
    assert [x for x in told if "03_broken: FAILED at cell 4, In [3] under" in x]
    # A busy machine may make a step of these lessons a long one.
    others = [line for line in told if not re.search("started|done|FAILED|still", line)]
    assert others == []


class Clock:
    """Says what time it is when it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_step_that_takes_long_is_told_once() -> None:
    path, console, clock = Path("01_rivers.ipynb"), plain_console(), Clock()
    progress = runner.Progress([path, Path("02_rivers.ipynb")], console, clock)
    execution = Execution(path, small_notebook("1", "2"), heading="1 Train")

    def told() -> list[str]:
        progress.look()
        return console.file.getvalue().splitlines()

    progress.begin(path)
    clock.now = 9
    progress.update(execution)
    clock.now = 18
    progress.update(execution)
    assert told() == ["   0.0 s  01_rivers: started"]
    clock.now = 20
    assert told()[1:] == ['  20.0 s  01_rivers: still at "1 Train"']
    clock.now = 50
    assert len(told()) == 2
    execution.heading = "2 Test"
    progress.update(execution)
    assert len(told()) == 2
    clock.now = 61
    assert told()[2:] == ['  61.0 s  01_rivers: still at "2 Test"']
    execution.cells_done, execution.seconds = len(execution.notebook.cells), 62
    progress.update(execution)
    clock.now = 100
    assert told()[3:] == ["  61.0 s  01_rivers: done in 62 s"]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_live_table_fits_and_breaks_no_word(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # where CI is set there is no live table
    stems = (
        "01_boston_batch_transform_high_level",
        "02_boston_batch_transform_low_level",
    )
    paths = [Path(f"{stem}.ipynb") for stem in stems]
    paths.append(Path(f"exercises/source/{stems[0]}/{stems[0]}.ipynb"))
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None
    )
    progress = runner.Progress(paths, console, Clock())
    heading = "4. Ask for the predictions of all tracts, and look at the residuals"
    progress.begin(paths[0])
    progress.update(Execution(paths[0], small_notebook("1"), heading=heading))
    console.print(progress)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    names, steps = zip(*(re.split(" {2,}", line)[:2] for line in lines), strict=True)
    assert names[1].startswith("01_")
    assert names[2] == "01 exercises"
    assert steps[2:] == ("waiting", "waiting")
    assert_whole_words(names[1], stems[0])
    assert_whole_words(names[3], stems[1])
    assert_whole_words(steps[1], heading)


def assert_whole_words(text: str, full: str) -> None:
    """Say whether each word of a shortened text is one of the full text."""
    words = re.split("[ _]+", text.strip("… "))
    assert set(words) - {"…"} <= set(re.split("[ _]+", full)), text


def test_progress_is_told_before_each_code_cell_and_at_the_end(tmp_path: Path) -> None:
    """Each time costs a request about endpoints, which no text changes."""
    notebook = small_notebook("1", "2")
    for place in (3, 1, 1, 0):
        notebook.cells.insert(place, new_markdown_cell("Read this."))
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    write(notebook, tmp_path / "01_rivers.ipynb")
    told = []
    run = execute(
        tmp_path / "01_rivers.ipynb",
        os.environ,
        on_cell=lambda execution: told.append(execution.cells_done),
    )
    assert asyncio.run(run).failure is None
    assert told == [*code, len(notebook.cells)]


def test_executed_notebooks_are_left(built) -> None:
    folder, _, _ = built
    notebook = lessons.read(folder / "build" / "notebooks" / "01_rivers.ipynb")
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == list(range(1, 8))


def test_a_run_of_one_lesson_keeps_what_became_of_the_others(built) -> None:
    folder, _, _ = built
    before = site.results(folder / "build")
    code, text = run(folder, "02")
    assert code == 0
    assert "01_rivers" not in text
    after = site.results(folder / "build")
    changed = [name for name, ran in after.items() if ran != before[name]]
    assert changed == ["notebooks/02_rivers.ipynb"]
    assert len(after) == 3


def test_what_a_run_left_and_somebody_deleted_did_not_run(tmp_path: Path) -> None:
    write_course(tmp_path)
    code, text = run(tmp_path)
    assert code == 0, text
    (tmp_path / "build" / "notebooks" / "01_rivers.ipynb").unlink()
    assert list(site.results(tmp_path / "build")) == ["notebooks/02_rivers.ipynb"]


@pytest.mark.skipif(
    not site.DOCS_PYTHON.exists(), reason="what makes pages is not installed"
)
def test_a_run_ends_with_its_pages(tmp_path: Path) -> None:
    write(with_heading("Rivers", "print(1)"), tmp_path / "01_rivers.ipynb")
    code, text = run(tmp_path, pages=True)
    assert code == 0, text
    index = tmp_path / "build" / "index.html"
    assert f"Read them: {index}" in text.splitlines()
    assert index.exists()
    assert (tmp_path / "build" / "run" / "lessons" / "01_rivers.html").exists()


def test_a_run_that_can_make_no_pages_has_failed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(site, "DOCS_PYTHON", tmp_path / "python")
    write(with_heading("Rivers", "print(1)"), tmp_path / "01_rivers.ipynb")
    code, text = run(tmp_path, pages=True)
    assert code == 1
    assert re.search(r"01_rivers +passed", text)
    assert "There are no pages of this run. The folder .venv-docs is not there" in text


def test_the_longest_lesson_starts_first_and_stays_in_its_place(
    tmp_path: Path,
) -> None:
    """A lesson that goes through the SDK takes longest."""
    paths = []
    for name, imports in (("01_short", 1), ("02_long", 3), ("03_middle", 2)):
        source = "if False:\n" + "    from sagemaker.core import shapes\n" * imports
        note = f"print('{name}', file=open('begun', 'a'))"
        paths.append(tmp_path / f"{name}.ipynb")
        write(small_notebook(source, note), paths[-1])
    executions = runner.run_all(
        paths, os.environ, 1, runner.Progress(paths, plain_console())
    )
    begun = (tmp_path / "begun").read_text().split()
    assert begun == ["02_long", "03_middle", "01_short"]
    assert [execution.path for execution in executions] == paths


def run_with_exercises(
    folder: Path, notebook: nbformat.NotebookNode, pages: bool = False
) -> tuple:
    """Run two lessons, one of which has exercises; return exit code and text."""
    (folder / "notebooks").mkdir()
    write_course(folder / "notebooks")
    bring_up_to_date(write_exercises(folder, notebook))
    console = plain_console()
    code = runner.run_lessons(
        folder=folder / "notebooks",
        build=folder / "build",
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        console=console,
        pages=pages,
    )
    return code, console.file.getvalue()


def test_a_clone_of_the_course_may_be_called_source(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    code, text = run_with_exercises(folder, good_exercises())
    assert code == 0, text
    assert re.search(r"^01_rivers  passed +\d+ s  passed +\d+ s$", text, re.MULTILINE)
    assert (folder / "build" / "exercises" / "01_rivers.ipynb").exists()


def test_a_run_ends_with_the_lines_that_the_readme_shows(
    tmp_path: Path, monkeypatch
) -> None:
    """In its last lines, and in this order; only the numbers are those of the run."""
    page = ROOT / "build" / "index.html"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(site, "build_run", lambda folder, build: (page, []))
    code, text = run_with_exercises(tmp_path, good_exercises(), pages=True)
    assert code == 0, text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"ends with\n\n```\n(.*?)```", readme, re.DOTALL)[1]

    def numberless(lines: str) -> list[str]:
        return [re.sub(r"\d+", "N", line) for line in lines.splitlines()]

    assert numberless(text)[-3:] == numberless(shown)


def test_solved_exercises_are_left_without_marks(tmp_path: Path) -> None:
    code, text = run_with_exercises(tmp_path, good_exercises())
    assert code == 0, text
    assert re.search(r"^01_rivers  passed +\d+ s  passed +\d+ s$", text, re.MULTILINE)
    assert re.search(r"^02_rivers  passed +\d+ s +-$", text, re.MULTILINE)
    assert "2 lessons and their solved exercises ran in" in text
    notebook = lessons.read(tmp_path / "build" / "exercises" / "01_rivers.ipynb")
    answer = cell_of(notebook, "task-1")
    assert "1230" in answer.source
    assert "BEGIN SOLUTION" not in answer.source
    assert answer.execution_count


def test_exercises_whose_solution_fails_fail_the_run(tmp_path: Path) -> None:
    notebook = good_exercises()
    answer = cell_of(notebook, "task-1")
    answer.source = answer.source.replace("1230", "123")
    code, text = run_with_exercises(tmp_path, notebook)
    assert code == 1
    assert re.search(r"^01_rivers  passed +\d+ s  failed +\d+ s$", text, re.MULTILINE)
    assert "1 of the notebooks failed" in text
    assert "exercises/01_rivers failed at cell 5" in text
    ran = site.results(tmp_path / "build")["exercises/01_rivers.ipynb"]
    assert "The Rhine is longer than that." in ran.failure


def test_an_unknown_lesson_is_an_error(tmp_path: Path) -> None:
    write_course(tmp_path)
    code, text = run(tmp_path, "17")
    assert code == 2
    assert "There is no lesson '17'. Lessons: 01, 02." in text


def test_the_end_of_a_long_error_is_shown_too(tmp_path: Path) -> None:
    """A job's FailureReason holds a traceback, and what was wrong after it."""
    reason = (
        "AlgorithmError: framework error: \\nTraceback\\n  File\\nnum_round, code 1"
    )
    notebook = with_heading("Fails", f"raise ValueError('Failed. {reason}')")
    write(notebook, tmp_path / "01_fails.ipynb")
    _, text = run(tmp_path)
    (line,) = re.findall("^01_fails failed at .*$", text, re.MULTILINE)
    assert line.endswith(
        "ValueError: Failed. AlgorithmError: framework error:  ... num_round, code 1"
    )


def test_a_dead_kernel_is_a_failure_and_no_hang(tmp_path: Path) -> None:
    notebook = with_heading(
        "Dies", "import os, sys\nos.write(2, b'why it died\\n')\nos._exit(3)"
    )
    write(notebook, tmp_path / "01_dies.ipynb")
    code, text = run(tmp_path)
    assert code == 1
    assert 'cell 3, In [2] under "4 Train": DeadKernelError' in text
    assert "why it died" in text


def test_a_dead_kernel_s_reason_is_not_jupyter_s_warning(tmp_path: Path) -> None:
    write(with_heading("Dies", "import os\nos._exit(3)"), tmp_path / "01_dies.ipynb")
    _, text = run(tmp_path)
    (line,) = re.findall("^01_dies failed at .*$", text, re.MULTILINE)
    assert line.endswith("DeadKernelError: Kernel died")
    failure = site.results(tmp_path / "build")["notebooks/01_dies.ipynb"].failure
    assert "Kernel died" in failure
    assert "IPKernelApp" not in text + failure


CONFLICT = """{
 "cells": [
<<<<<<< HEAD
 ],
=======
  {}],
>>>>>>> theirs
"""


def test_a_merge_conflict_fails_one_lesson_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "01_torn.ipynb").write_text(CONFLICT)
    write(small_notebook("print(1)"), tmp_path / "02_good.ipynb")
    code, text = run(tmp_path)
    assert code == 1
    assert re.search(r"01_torn +failed", text)
    assert re.search(r"02_good +passed", text)
    (line,) = re.findall("^01_torn failed at .*$", text, re.MULTILINE)
    assert "01_torn.ipynb holds a merge conflict (line 3)" in line
    assert "git checkout --ours" in line
    failure = site.results(tmp_path / "build")["notebooks/01_torn.ipynb"].failure
    assert "01_torn.ipynb holds a merge conflict" in failure
    page = lessons.read(tmp_path / "build" / "notebooks" / "01_torn.ipynb")
    assert lessons.title(page) == "01 01_torn.ipynb can't be read"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff", "is not text in UTF-8"),
        (b"[1]", "is not a valid notebook"),
        (b"{}", "is not a valid notebook"),
        (b'{"cells": 3, "nbformat": 4}', "is not a valid notebook"),
        (
            b'{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
            "is not a valid notebook",
        ),
    ],
)
def test_what_is_no_notebook_is_named_with_a_remedy(
    text: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "01_torn.ipynb"
    path.write_bytes(text)
    with pytest.raises(lessons.UnreadableNotebook, match=reason) as caught:
        lessons.read(path)
    assert "git checkout HEAD" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "01_gone.ipynb").symlink_to(tmp_path / "nowhere")
    code, text = run(tmp_path)
    assert code == 1
    assert "01_gone.ipynb can't be opened (No such file or directory)" in text


def test_ctrl_c_ends_run_and_kernels(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    source = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(300)"
    )
    write(small_notebook(source), tmp_path / "01_slow.ipynb")
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom course import runner\n"
        "folder = Path(sys.argv[1])\n"
        "try:\n"
        "    runner.run_lessons(folder=folder, build=folder / 'build',"
        " environment=os.environ)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            wait_for(lambda: pid_file.exists() and pid_file.read_text())
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in output
    kernel = int(pid_file.read_text())
    wait_for(lambda: not is_running(kernel))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)


def test_parameters_are_read_from_the_tagged_cell() -> None:
    notebook = small_notebook("other = 1", parameters="size = 3\nname: str = 'a'")
    assert parameter_names(notebook) == {"size", "name"}
    check_parameters(notebook, {"size": 4})
    with pytest.raises(UnknownParameter, match=r"other.*which sets name, size"):
        check_parameters(notebook, {"other": 2})


class FakeSageMaker:
    """Answers as boto3's client does, for jobs of two lessons."""

    def __init__(self, jobs: dict[str, dict]) -> None:
        self.jobs = jobs

    def get_paginator(self, operation: str):
        self.operation = operation
        return self

    def paginate(self, NameContains: str, CreationTimeAfter: datetime):
        kind = "Training" if "training" in self.operation else "Transform"
        key = f"{kind}JobName"
        names = [
            name
            for name, job in self.jobs.items()
            if NameContains in name and f"{kind}JobStatus" in job
        ]
        yield {f"{kind}JobSummaries": [{key: name} for name in names]}

    def describe_training_job(self, TrainingJobName: str) -> dict:
        return self.jobs[TrainingJobName]

    def describe_transform_job(self, TransformJobName: str) -> dict:
        return self.jobs[TransformJobName]


def test_cost_is_billed_seconds_times_prices() -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    training = {"TrainingJobStatus": "Completed", "ResourceConfig": resources}
    transform = {
        "TransformJobStatus": "Completed",
        "TransformResources": resources,
        "TransformStartTime": datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC),
        "TransformEndTime": datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC),
    }
    client = FakeSageMaker(
        {
            "lesson01-abcdef-a": {**training, "BillableTimeInSeconds": 60},
            "lesson01-abcdef-b": transform,
            "lesson01-abcdef-stopped": training,
            "lesson02-abcdef-a": {**training, "BillableTimeInSeconds": 3600},
        }
    )
    cost = estimate(used(client, "01", datetime.now(UTC)))
    assert cost.seconds == (60 + 30) * 2
    assert cost.usd == pytest.approx((60 + 30) * 2 * 0.115 / 3600)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cost.read_on)
    assert estimate(used(client, "05", datetime.now(UTC))).usd == 0


class FakeEndpoints:
    """Answers as boto3's client does, for endpoints that come and go."""

    def __init__(self) -> None:
        self.created: dict[str, datetime] = {}

    def get_paginator(self, operation: str):
        assert operation == "list_endpoints"
        return self

    def paginate(self, NameContains: str):
        yield {
            "Endpoints": [
                {"EndpointName": name, "CreationTime": created}
                for name, created in self.created.items()
                if NameContains in name
            ]
        }

    def describe_endpoint(self, EndpointName: str) -> dict:
        return {"EndpointConfigName": EndpointName}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict:
        variant = {"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 2}
        return {"ProductionVariants": [variant]}


def test_an_endpoint_costs_from_its_creation_to_its_last_sight() -> None:
    client = FakeEndpoints()
    meter = EndpointMeter(client)
    meter.look()
    assert estimate(meter.used("03")).usd == 0
    client.created["lesson03-abcdef-a"] = datetime.now(UTC) - timedelta(hours=1)
    client.created["lesson04-abcdef-a"] = datetime.now(UTC) - timedelta(hours=5)
    meter.look()
    client.created.clear()
    meter.look()
    assert estimate(meter.used("03")).usd == pytest.approx(2 * 0.23, rel=0.01)


def test_a_stand_in_that_is_gone_leaves_the_cost_unknown(monkeypatch) -> None:
    """And is no error of its own: the lesson that needs it fails by itself."""
    client = FakeEndpoints()
    meter = EndpointMeter(client)
    path = Path("03_a.ipynb")
    monkeypatch.setattr(runner.boto3, "client", lambda service: FakeSageMaker({}))
    meter.look()
    assert runner._cost([path], meter, datetime.now(UTC)) == "This run cost nothing."

    def refuse(operation: str):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(client, "get_paginator", refuse)
    meter.look()
    text = runner._cost([path], meter, datetime.now(UTC))
    assert "out of reach" in text
    assert "make status" in text


def test_the_cost_is_rounded_up_to_a_cent(monkeypatch) -> None:
    client = FakeEndpoints()
    meter = EndpointMeter(client)
    client.created["lesson03-abcdef-a"] = datetime.now(UTC) - timedelta(seconds=10)
    monkeypatch.setattr(runner.boto3, "client", lambda service: FakeSageMaker({}))
    meter.look()
    text = runner._cost([Path("03_a.ipynb")], meter, datetime.now(UTC))
    # Two instances for ten seconds, and for as long as it takes to look.
    assert re.search(r"\([2-9]\d seconds\) would cost at most 0\.01 USD by the", text)


# --- storing --------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    source = (
        "import matplotlib.pyplot as plt, time\n"
        "stamp = time.strftime('%Y-%m-%d:%H:%M:%S')\n"
        "print(f'[{stamp}:INFO] Running')\nprint(3)\n"
        "plt.plot([1, 2])\nplt.show()"
    )
    notebook = small_notebook(source)
    notebook.cells[1].metadata["execution"] = {"iopub.status.busy": "now"}
    notebook.metadata["papermill"] = {"duration": 1}
    write(notebook, tmp_path / "01_a.ipynb")
    assert outputs.store_lessons(folder=tmp_path, environment=os.environ) == 0
    return tmp_path / "01_a.ipynb"


def test_stored_outputs_hold_nothing_of_one_run(stored: Path) -> None:
    notebook = lessons.read(stored)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata.language_info
    assert [dict(c.metadata) for c in notebook.cells] == [{"tags": ["parameters"]}, {}]
    (_, png), *_ = lessons.figures(notebook)
    assert b"matplotlib" not in png
    assert outputs.without_texts(png) == png


def test_storing_again_changes_no_bytes(stored: Path) -> None:
    before = stored.read_bytes()
    assert b":INFO] Running" in before
    time.sleep(1.1)  # so that the printed time is another one
    assert outputs.store_lessons(folder=stored.parent, environment=os.environ) == 0
    assert stored.read_bytes() == before


def test_a_changed_number_is_stored(stored: Path) -> None:
    stored.write_text(stored.read_text().replace("print(3)", "print(4)"))
    outputs.store_lessons(folder=stored.parent, environment=os.environ)
    assert "4\\n" in stored.read_text()


def test_a_changed_cell_is_stored_with_the_run_id_of_the_others(tmp_path: Path) -> None:
    """Or a reader meets two of them in one lesson."""

    def a_run(run_id: str, last: str) -> NotebookNode:
        notebook = small_notebook(f"print('Run id: {run_id}')")
        notebook.cells.append(nbformat.v4.new_code_cell("print(key)", id="key"))
        for cell, text in zip(
            notebook.cells[1:], (f"Run id: {run_id}", last), strict=True
        ):
            cell.outputs = [nbformat.v4.new_output("stream", text=f"{text}\n")]
        return notebook

    before = a_run("k1yxpq", "a/k1yxpq")
    now = outputs.normalise(a_run("nikaob", "b/nikaob/hello.txt"), before)
    assert [cell.outputs[0].text for cell in now.cells[1:]] == [
        "Run id: k1yxpq\n",
        "b/k1yxpq/hello.txt\n",
    ]


def test_a_failing_lesson_is_left_as_it_was(tmp_path: Path) -> None:
    path = write(small_notebook("1 / 0"), tmp_path / "01_a.ipynb")
    before = path.read_bytes()
    assert outputs.store_lessons(folder=tmp_path, environment=os.environ) == 1
    assert path.read_bytes() == before


def test_made_up_data_is_not_stored(tmp_path: Path, monkeypatch, capsys) -> None:
    """Nor is a notebook run whose neighbour needs it; `course run` says so and runs."""
    monkeypatch.setenv("COURSE_DATA_MIRROR", "synthetic")
    needs_it = "import utils.bank_marketing\nprint('ran')"
    path = write(small_notebook(needs_it), tmp_path / "01_a.ipynb")
    before = path.read_bytes()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert outputs.store_lessons(folder=tmp_path, environment=environment) == 1
    text = capsys.readouterr().out
    assert "Nothing is stored: it would be of made-up data." in text
    assert "COURSE_DATA_MIRROR" in text
    assert path.read_bytes() == before
    code, text = run(tmp_path)
    assert code == 0
    assert "The lessons on bank marketing run with made-up data." in text
    # The control: other lessons don't care.
    write(small_notebook("print('ran')"), path)
    assert outputs.store_lessons(folder=tmp_path, environment=environment) == 0
    assert lessons.read(path).cells[-1].outputs[0].text == "ran\n"
    code, text = run(tmp_path)
    assert "made-up" not in text


def test_a_merge_conflict_is_left_and_the_others_are_stored(
    tmp_path: Path, capsys
) -> None:
    torn = tmp_path / "01_torn.ipynb"
    torn.write_text(CONFLICT)
    good = write(small_notebook("print('new')"), tmp_path / "02_good.ipynb")
    assert outputs.store_lessons(folder=tmp_path, environment=os.environ) == 1
    assert torn.read_text() == CONFLICT
    assert lessons.read(good).cells[1].outputs[0].text == "new\n"
    text = " ".join(capsys.readouterr().out.split())
    assert "01_torn.ipynb: failed at reading the file: 01_torn.ipynb holds a" in text


def test_a_picture_without_texts_is_the_same_picture() -> None:
    from PIL import Image, PngImagePlugin

    image = Image.new("RGB", (3, 2), "navy")
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", "Some program 1.2")
    file = io.BytesIO()
    image.save(file, "png", pnginfo=texts)
    bare = outputs.without_texts(file.getvalue())
    assert b"Software" not in bare
    assert Image.open(io.BytesIO(bare)).tobytes() == image.tobytes()


# --- installing -----------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_these_pythons_are_accepted(version) -> None:
    check_version(version)


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15), (4, 0)])
def test_other_pythons_are_refused_with_a_sentence(version) -> None:
    dotted = ".".join(map(str, version))
    with pytest.raises(
        SetupError, match=rf"needs Python 3.11 to 3.14; this is {dotted}"
    ):
        check_version(version)


def test_a_refusal_names_a_python_that_will_do(monkeypatch) -> None:
    names = {"python3.13", "python3.12"}
    monkeypatch.setattr(pythons, "on_path", lambda name: name in names)
    with pytest.raises(SetupError, match=r"PYTHON=python3\.13"):
        check_version((3, 10))


def test_uv_gets_the_settings_that_pip_has() -> None:
    listing = (
        ":env:.index-url='https://first.example/simple'\n"
        "global.index-url='https://second.example/simple'\n"
        "global.extra-index-url='https://a.example https://b.example'\n"
        "install.find-links='wheels\\nmore'\n"
        "global.cert='ca.pem'\n"
        "global.disable-pip-version-check='1'\n"
        "list.format='columns'\n"
    )
    assert uv_settings(listing, {"SSL_CERT_FILE": "mine.pem"}) == {
        "UV_DEFAULT_INDEX": "https://first.example/simple",
        "UV_INDEX": "https://a.example https://b.example",
        "UV_FIND_LINKS": "wheels,more",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert uv_settings("", {}) == {}


def test_nothing_is_done_when_the_lock_is_installed(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "requirements.lock").write_text("a==1\n")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", ".venv"],
        cwd=tmp_path,
        check=True,
    )
    stamp = tmp_path / ".venv" / "installed-lock.txt"
    made = install.fingerprint(tmp_path / "requirements.lock", tmp_path / ".venv")
    stamp.write_text(f"requirements.lock {made}\n")
    calls = []
    monkeypatch.setattr(install, "_run", lambda *args, **kw: calls.append(args[2]))
    install.install(tmp_path)
    assert calls == []
    (tmp_path / "requirements.lock").write_text("a==2\n")
    install.install(tmp_path)
    assert calls[1:3] == ["Installing uv", "Installing 1 packages"]
    assert made not in stamp.read_text()
    calls.clear()
    install.install(tmp_path)
    assert calls == []


def test_utils_is_importable_from_any_folder_and_a_copy_s_own_comes_first(
    tmp_path: Path, monkeypatch
) -> None:
    """Whatever the folder is called, and also after it was moved."""
    monkeypatch.setattr(install, "_run", lambda *args, **kw: None)
    course = tmp_path / "Zoë's kurs ☁"
    for folder in (course, tmp_path / "copy"):
        (folder / "utils").mkdir(parents=True)
        (folder / "utils" / "__init__.py").write_text("")
        (folder / "notebooks").mkdir()
    (course / "requirements.lock").write_text("a==1\n")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=course, check=True
    )

    shown = "print(os.fsencode(u.__file__))"

    def imported(folder: Path, course: Path, first: str = "pass") -> Path:
        done = subprocess.run(
            [course / ".venv" / "bin" / "python", "-P", "-c"]
            + [f"import os, sys; {first}; import utils as u; {shown}"],
            cwd=folder,
            env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(os.fsdecode(ast.literal_eval(done.stdout))).parent.parent

    with pytest.raises(subprocess.CalledProcessError) as failed:
        imported(tmp_path, course)
    assert "No module named 'utils'" in failed.value.stderr
    install.install(course)
    assert imported(tmp_path, course) == course
    own = 'sys.path.insert(0, "..")'
    assert imported(tmp_path / "copy" / "notebooks", course, own).resolve() == (
        tmp_path / "copy"
    )
    course = course.rename(tmp_path / "moved")
    install.install(course)
    assert imported(tmp_path, course) == course


def test_what_is_installed_is_compiled_but_for_what_nobody_imports(
    tmp_path: Path,
) -> None:
    """Also where Python is told not to, and though some file is for another Python."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", ".venv"],
        cwd=tmp_path,
        check=True,
    )
    (packages,) = (tmp_path / ".venv").glob("lib/python*/site-packages")
    for name in ("rivers/__init__.py", "rivers/tests/test_rivers.py"):
        file = packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("length = 1\n")
    (packages / "rivers" / "other.py").write_text("print 'two'\n")
    subprocess.run(
        [tmp_path / ".venv" / "bin" / "python", "-c", install.COMPILE_BYTECODE]
        + [install.NOT_COMPILED.pattern],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )
    (made,) = packages.rglob("*.pyc")
    assert made.parent.parent == packages / "rivers"
    assert made.stem.startswith("__init__.")


def test_a_failing_installation_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError, match=r"(?s)why it failed.*pip config list.*--require"
    ):
        install._run(
            [sys.executable, "-c", "import sys; sys.exit('why it failed')"],
            os.environ,
            "Installing",
            cwd=tmp_path,
        )


def test_the_set_up_can_be_read_by_old_pythons() -> None:
    """An older Python must get as far as the sentence that refuses it."""
    import ast

    for name in ("__init__.py", "pythons.py"):
        text = (ROOT / "course" / name).read_text(encoding="utf-8")
        ast.parse(text, feature_version=(3, 8))


def test_make_refuses_a_python_that_is_not_there() -> None:
    done = subprocess.run(
        ["make", "install", "PYTHON=python3.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "python3.0 is not on this machine" in done.stderr


def test_make_help_lists_every_command() -> None:
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert "exercises" in " ".join(phony)
    for name in " ".join(phony).split():
        if "-" not in name:  # a step of others
            assert f"make {name} " in done.stdout


def test_the_good_lesson_runs_as_it_is_stored(tmp_path: Path) -> None:
    """The linter's good lesson is a real one: its code prints what it stores."""
    notebook = good_lesson()
    for cell in notebook.cells:
        cell.source = cell.source.replace("display(Image(data=b''))", "")
    write(notebook, tmp_path / "01_rivers.ipynb")
    code, _ = run(tmp_path)
    assert code == 0
    ran = lessons.read(tmp_path / "build" / "notebooks" / "01_rivers.ipynb")
    for cell, executed in zip(notebook.cells, ran.cells, strict=True):
        if cell.source == FIRST_CELL:  # prints the versions of packages
            continue
        texts = [out.text for out in cell.get("outputs", []) if "text" in out]
        assert [o.text for o in executed.get("outputs", []) if "text" in o] == texts
