"""Exercises: the students' copies are in step, and every check does what it should."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import permissions
import pytest
from conftest import StandIn
from exercise_fixture import WRONG, cell_of, good_exercises, write_exercises
from leftovers import snapshot
from lesson_fixture import small_notebook, write
from lesson_runs import NAME_OF_A_COPY, copy_of_the_course, run_in_aws_mode
from nbgrader.api import Gradebook
from rich.console import Console

from course import exercises, lessons
from course.execution import execute
from course.exercise_proofs import Proof, prove, prove_exercises
from course.install import ROOT
from utils.checks import WrongAnswer

SOURCES = exercises.find_sources()
every_source = pytest.mark.parametrize(
    "source", SOURCES, ids=[source.stem for source in SOURCES]
)


def proven(source: Path, environment: dict[str, str] | None = None) -> Proof:
    """Prove exercises; without an environment, in one where `utils` is found."""
    if environment is None:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        exercises.bring_up_to_date(source)
    return asyncio.run(prove(source, environment))


# --- the course's own -----------------------------------------------------------------


def test_each_belongs_to_a_lesson() -> None:
    stems = {path.stem for path in lessons.find_lessons()}
    assert {source.stem for source in SOURCES} <= stems
    assert all(source.parent.name == source.stem for source in SOURCES)


@every_source
def test_the_students_copy_is_in_step(source: Path) -> None:
    """If this fails: `python -m course exercises`, and commit what it wrote."""
    copy = exercises.copy_of(source)
    assert copy.read_text(encoding="utf-8") == exercises.students_copy(source)
    assert exercises.leaks(lessons.read(source), lessons.read(copy)) == []


def test_there_is_no_copy_without_a_source() -> None:
    assert exercises.strays() == []


@every_source
def test_the_form_is_the_one_described(source: Path) -> None:
    assert exercises.form_problems(source) == []


# Classes, since the tests of a class run in one process and others beside them.


class TestProofs:
    """Every check, in a kernel for each notebook."""

    @every_source
    def test_no_wrong_and_right_answers_are_told_apart(
        self, source: Path, stand_in: StandIn
    ) -> None:
        before = snapshot(stand_in.client)
        proof = proven(source, stand_in.environment)
        assert proof.problems == []
        assert len(proof.wrong) >= sum(task.check is not None for task in proof.tasks)
        assert snapshot(stand_in.client) - before == set()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course, to run solved exercises in."""
    folder = copy_of_the_course(tmp_path_factory.mktemp("solved") / NAME_OF_A_COPY)
    (folder / "exercises").mkdir()
    return folder


class TestSolutions:
    """The solutions alone."""

    @every_source
    def test_the_solutions_alone_pass_in_aws_mode(
        self, source: Path, stand_in: StandIn, course: Path, tmp_path: Path
    ) -> None:
        """From a fresh kernel, headless, by papermill."""
        solved = Path(shutil.copy(source, course / "exercises"))
        run = run_in_aws_mode(solved, stand_in, tmp_path)
        assert run.error is None, run.error
        assert run.left == []
        # The gates of a lesson's calls and of a run that is broken off.
        assert permissions.not_allowed(run.calls) == []
        assert run.missed == []
        assert permissions.not_of_the_run(run.calls, run.run_id) == []


def test_jupyter_shows_the_sentence_and_nothing_else(tmp_path: Path) -> None:
    notebook = small_notebook(
        "from utils.checks import check", 'check(1, "No.")', 'check(0, "It is two.")'
    )
    path = write(notebook, tmp_path / "01_a.ipynb")
    ran = asyncio.run(execute(path, os.environ | {"PYTHONPATH": str(ROOT)}))
    *others, last = ran.notebook.cells
    assert not any(cell.outputs for cell in others)
    (shown,) = last.outputs
    assert shown.traceback == ["It is two."]
    assert issubclass(WrongAnswer, AssertionError)


# --- a teacher's nbgrader -------------------------------------------------------------


def nbgrader(*arguments: str, folder: Path, environment: dict[str, str]) -> None:
    programs = Path(sys.executable).parent  # nbgrader starts alembic
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        env=environment
        | {"PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def solved_by_a_student(source: Path) -> nbformat.NotebookNode:
    """Return the students' copy with the solutions written into its answer cells."""
    copy = lessons.read(exercises.copy_of(source))
    notebook = exercises.solved(lessons.read(source))
    for task in exercises.tasks(notebook):
        copy.cells[task.answer].source = notebook.cells[task.answer].source
    return copy


def test_a_teacher_s_own_course_takes_a_source_as_it_is(
    stand_in: StandIn, tmp_path: Path
) -> None:
    """In nbgrader's own layout, with its default settings but for patience."""
    source = exercises.find_sources(["00"])[0]
    name = source.stem
    settings = "c = get_config()\nc.Execute.timeout = 600\n"
    (tmp_path / "nbgrader_config.py").write_text(settings)
    shutil.copytree(source.parent, tmp_path / "source" / name)
    with_stand_in = {"folder": tmp_path, "environment": stand_in.environment}
    nbgrader("generate_assignment", name, **with_stand_in)
    empty = lessons.read(tmp_path / "release" / name / source.name)
    for student, notebook in (("e", empty), ("s", solved_by_a_student(source))):
        submitted = tmp_path / "submitted" / student / name
        submitted.mkdir(parents=True)
        nbformat.write(notebook, submitted / source.name)
    nbgrader("autograde", name, **with_stand_in)
    checked = [task for task in exercises.tasks(empty) if task.check is not None]
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        nothing = gradebook.find_submission(name, "e")
        everything = gradebook.find_submission(name, "s")
        assert nothing.score == 0
        assert not nothing.needs_manual_grade
        assert everything.score == sum(task.points for task in checked)
        assert everything.needs_manual_grade


def test_our_own_settings_release_the_students_copy(tmp_path: Path) -> None:
    source = exercises.find_sources(["00"])[0]
    folder = tmp_path / "exercises"
    shutil.copytree(
        exercises.EXERCISES, folder, ignore=shutil.ignore_patterns("release")
    )
    nbgrader(
        "generate_assignment", source.stem, folder=folder, environment=dict(os.environ)
    )
    released = folder / "release" / source.stem / source.name
    assert released.read_text().strip() == exercises.copy_of(source).read_text().strip()
    assert [path.name for path in released.parent.iterdir()] == [source.name]


# --- negative controls ----------------------------------------------------------------


def test_good_exercises_have_no_problem(tmp_path: Path) -> None:
    source = write_exercises(tmp_path)
    assert exercises.form_problems(source) == []
    assert proven(source).problems == []


def test_a_solved_cell_has_neither_marks_nor_dots() -> None:
    notebook = exercises.solved(good_exercises())
    assert cell_of(notebook, "task-1").source == "length = 1230"
    assert "..." not in cell_of(notebook, "task-2").source
    assert "..." in cell_of(good_exercises(), "task-2").source


def test_a_solution_in_a_students_copy_is_found(tmp_path: Path) -> None:
    source = write_exercises(tmp_path)
    notebook = lessons.read(source)
    copy = nbformat.reads(exercises.students_copy(source), as_version=4)
    assert exercises.leaks(notebook, copy) == []
    cell_of(copy, "task-1").source = "length = 1230"
    assert exercises.leaks(notebook, copy) == ["task-1: length = 1230"]
    cell_of(copy, "task-3").source += cell_of(notebook, "task-3").source
    assert len(exercises.leaks(notebook, copy)) == 1
    cell_of(copy, "task-3").source = cell_of(notebook, "task-3").source
    assert len(exercises.leaks(notebook, copy)) == 2


@pytest.mark.parametrize(
    ("name", "code", "problem"),
    [
        ("task-1-check", "pass", "task-1: its check passes without an answer"),
        ("task-1-check", "assert length > 1", "task-1: without an answer it is told"),
        ("task-1-check", 'check(0, "No\\nway.")', "task-1: without an answer it is"),
        ("task-1-check", 'check(0, "Never.")', "(task-1-check) fails: WrongAnswer"),
        ("task-2", "mouth = ...", "task-2: without an answer it is told"),
        (
            "set-up",
            "from utils.checks import chalk",
            "without answers, cell 2 (set-up)",
        ),
        ("clean-up", "assert length is ...", "with the solutions, cell 11 (clean-up)"),
    ],
    ids=["passes", "assert", "two-lines", "never", "stub", "set-up", "clean-up"],
)
def test_what_a_proof_finds(tmp_path: Path, name, code, problem) -> None:
    notebook = good_exercises()
    if name == "task-2":
        code += "\n### BEGIN SOLUTION\nmouth = {'Rhine': 'North Sea'}.get\n"
        code += "### END SOLUTION"
    cell_of(notebook, name).source = code
    problems = proven(write_exercises(tmp_path, notebook)).problems
    assert [text for text in problems if problem in text], problems


def test_a_solution_that_fails_is_found(tmp_path: Path) -> None:
    notebook = good_exercises()
    answer = cell_of(notebook, "task-1")
    answer.source = answer.source.replace("1230", "123")
    (problem,) = proven(write_exercises(tmp_path, notebook)).problems
    assert problem.startswith("with the solutions, cell 5 (task-1-check) fails: Wrong")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"length = 12"', '"length = 5000"', "length = 5000 passes"),
        ('told = "longer"', 'told = "shorter"', "length = 12 is told WrongAnswer: The"),
        ('"length = 12"', '"length = 1 / 0"', "fails by itself: ZeroDivisionError"),
    ],
    ids=["passes", "another-sentence", "fails"],
)
def test_a_wrong_answer_that_is_not_told_is_found(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in WRONG
    (found,) = proven(write_exercises(tmp_path, wrong=WRONG.replace(old, new))).problems
    assert problem in found
    assert found.startswith("task-1: the wrong answer")


def test_a_kernel_that_dies_is_a_problem_and_no_hang(tmp_path: Path) -> None:
    notebook = good_exercises()
    cell_of(notebook, "set-up").source += "\nimport os\nos._exit(3)"
    (problem,) = proven(write_exercises(tmp_path, notebook)).problems
    assert problem == "without answers: Kernel died"


def test_the_command_writes_copies_proves_and_fails(tmp_path: Path) -> None:
    notebook = good_exercises()
    cell_of(notebook, "task-1-check").source = "pass"
    source = write_exercises(tmp_path, notebook)
    (tmp_path / "exercises" / "02_lakes.ipynb").write_text("{}")
    console = Console(file=io.StringIO(), width=120)
    code = prove_exercises(
        folder=tmp_path / "exercises",
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        console=console,
    )
    text = console.file.getvalue()
    assert code == 1
    assert "01_rivers: task-1: its check passes without an answer" in text
    assert "02_lakes.ipynb has no source" in text
    assert exercises.copy_of(source).exists()
    assert exercises.bring_up_to_date(source) == "unchanged"
