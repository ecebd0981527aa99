"""Exercises: the students' copies are in step, and every check does what it should."""

import asyncio
import copy
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import permissions
import pytest
from bank_data import with_data
from conftest import StandIn
from exercise_fixture import WRONG, cell_of, good_exercises, write_exercises
from leftovers import snapshot
from lesson_fixture import small_notebook, write
from lesson_runs import NAME_OF_A_COPY, copy_of_the_course, run_again, run_in_aws_mode
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from rich.console import Console

from course import exercises, lessons
from course.execution import execute
from course.exercise_form import form_problems, hindrances
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
    return asyncio.run(prove(source, with_data(environment, source)))


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
    assert form_problems(source) == []


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
        number = lessons.lesson_number(source)
        assert permissions.not_allowed(run.calls, number) == []
        assert run.missed == []
        assert permissions.not_of_the_run(run.calls, run.run_id) == []


class TestCellsRunAgain:
    """The solutions, each cell twice."""

    @every_source
    def test_the_cells_can_be_run_again(
        self, source: Path, course: Path, tmp_path: Path
    ) -> None:
        solved = exercises.solved(lessons.read(source))
        run = run_again(write(solved, course / "exercises" / source.name), tmp_path)
        assert run.error is None, run.error
        assert run.stumbles == []


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
    assert form_problems(source) == []
    assert proven(source).problems == []


def to(name: str, *pairs: tuple[str, str]) -> Callable[[NotebookNode], None]:
    """Return an edit that replaces texts in a cell."""

    def edit(notebook: NotebookNode) -> None:
        cell = cell_of(notebook, name)
        for old, new in pairs:
            assert old in cell.source
            cell.source = cell.source.replace(old, new)

    return edit


def mark(name: str, **marks: object) -> Callable[[NotebookNode], None]:
    """Return an edit of a cell's marks; None takes a mark away."""

    def edit(notebook: NotebookNode) -> None:
        changed = cell_of(notebook, name).metadata["nbgrader"]
        changed.update(marks)
        for key in [key for key, value in marks.items() if value is None]:
            del changed[key]

    return edit


def without(*names: str) -> Callable[[NotebookNode], None]:
    """Return an edit that takes cells away."""

    def edit(notebook: NotebookNode) -> None:
        notebook.cells = [cell for cell in notebook.cells if cell.id not in names]

    return edit


def unfold(notebook: NotebookNode) -> None:
    del cell_of(notebook, "task-2-check").metadata["jupyter"]


def keep_a_count(notebook: NotebookNode) -> None:
    cell_of(notebook, "set-up").execution_count = 1


def keep_an_output(notebook: NotebookNode) -> None:
    cell_of(notebook, "set-up").outputs = [new_output("stream", text="1")]


def six_tasks(notebook: NotebookNode) -> None:
    for number in (4, 5, 6):
        for name in ("task-3-question", "task-3"):
            cell = copy.deepcopy(cell_of(notebook, name))
            cell.id = cell.id.replace("3", str(number))
            cell.source = cell.source.replace("## 3.", f"## {number}.")
            if name == "task-3":
                cell.metadata.nbgrader.grade_id = cell.id
            notebook.cells.insert(-1, cell)


FORM = [
    (to("title", ("# Exercises 01", "# Exercises 02")), "the title does not begin"),
    (to("title", ("notebooks/01", "notebooks/02")), "no link to the lesson"),
    (to("title", ("10 minutes", "Some time")), "minutes and the estimated cost"),
    (to("title", (", an estimate", "")), "minutes and the estimated cost"),
    (to("title", ("of September", "of")), "the month and year of the price list"),
    (to("task-2-check", ("Task 2 is", "It is")), 'does not print "Task 2 is correct"'),
    (to("set-up", ('"01"', '"02"')), 'connect(lesson="01"); its lesson is 02'),
    (to("set-up", ('connect(lesson="01")', "0")), "its lesson is none"),
    (keep_a_count, "cell 2 (set-up) holds outputs"),
    (keep_an_output, "cell 2 (set-up) holds outputs"),
    (
        to("task-1-check", ("check(", "### BEGIN HIDDEN TESTS\ncheck(")),
        "cell 5 (task-1-check) hides tests",
    ),
    (without("task-3-question", "task-3"), "there are 2 tasks, not 3 to 5"),
    (six_tasks, "there are 6 tasks, not 3 to 5"),
    (mark("task-1", grade_id="river"), "river: its grade id should be task-1"),
    (mark("task-1", grade_id="river"), "river: no wrong answer is given for it"),
    (mark("task-1", grade_id="river"), "task-1: has wrong answers, and there is no"),
    (to("task-2-question", ("2.", "3.")), 'task-2: its heading does not begin with "2'),
    (
        to("task-1", ("\nlength = 1230", "")),
        "task-1: there is nothing between ### BEGIN SOLUTION and ### END SOLUTION",
    ),
    (mark("task-3", points=0), "task-3: it gives no points"),
    (without("task-2-check"), "task-2: the cell after it is no check"),
    (to("task-1-check", ("task 1", "task 2")), "task-1: its check does not begin"),
    (mark("task-1-check", grade_id="check-1"), "grade_id should be task-1-check"),
    (mark("task-1-check", locked=False), "task-1: its check's locked should be True"),
    (unfold, "task-2: its check is not folded"),
    (to("clean-up", ("left_over(course)", "[]")), "the last cell does not show"),
]


@pytest.mark.parametrize(("edit", "problem"), FORM, ids=map(str, range(len(FORM))))
def test_every_departure_from_the_form_is_found(tmp_path: Path, edit, problem) -> None:
    notebook = good_exercises()
    edit(notebook)
    found = form_problems(write_exercises(tmp_path, notebook))
    assert [text for text in found if problem in text], found


def test_a_folder_of_another_name_is_found(tmp_path: Path) -> None:
    source = write_exercises(tmp_path)
    folder = source.parent.rename(source.parent.with_name("01_lakes"))
    (problem,) = form_problems(folder / source.name)
    assert problem == "its folder is called 01_lakes, not 01_rivers"


MISTAKES = [
    (to("task-1", ("\n### END SOLUTION", "")), "cell 4 (task-1): ### BEGIN", "write"),
    (to("task-1", ("### END", "x = 1  ### END")), "cell 4 (task-1): ### BEG", "write"),
    (mark("task-2", grade_id="task-1"), "(task-2) has the id task-1 of cell 4", "give"),
    (mark("task-1", grade_id=None), "cell 4 (task-1) has no id", "give it"),
    (mark("task-1-check", grade_id=None), "cell 5 (task-1-check) has no id", "give it"),
    (mark("task-1-check", points="?"), "(task-1-check) is graded and has no", "write"),
    (mark("task-3", points=None), "cell 10 (task-3) is graded and has no po", "write"),
    (mark("task-1", solution=False), "cell 4 (task-1) holds a solution", "Autograded"),
    (without(*(cell.id for cell in good_exercises().cells)), "has no cells", "git che"),
]


@pytest.mark.parametrize(
    ("edit", "told", "remedy"), MISTAKES, ids=map(str, range(len(MISTAKES)))
)
def test_an_author_s_usual_mistake_is_told_in_a_sentence(
    tmp_path: Path, edit, told, remedy
) -> None:
    notebook = good_exercises()
    edit(notebook)
    source = write_exercises(tmp_path, notebook)
    (problem,) = hindrances(source)
    assert told in problem
    assert remedy in problem
    assert "\n" not in problem
    assert form_problems(source) == [problem]
    assert len(exercises.solved(notebook).cells) == len(notebook.cells)  # make course


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("<<<<<<< ours\n", "01_rivers.toml is not TOML (Invalid statement (at line 1,"),
        ("[wrong]\ntask = 1\n", "01_rivers.toml: entry 1 has to be a [[wrong]]"),
        (WRONG.replace("told", "says"), "entry 1 has to be a [[wrong]] with three"),
        (WRONG + 'more = ""\n', "entry 2 has to be a [[wrong]] with three texts"),
        (WRONG.replace('"length = 12"', "1"), "entry 1 has to be a [[wrong]] with"),
        ("wrong = [1]\n", "entry 1 has to be a [[wrong]] with three texts"),
    ],
    ids=["conflict", "table", "missing", "extra", "number", "no-table"],
)
def test_a_broken_file_of_wrong_answers_is_told_in_a_sentence(
    tmp_path: Path, wrong: str, told: str
) -> None:
    (problem,) = hindrances(write_exercises(tmp_path, wrong=wrong))
    assert problem.startswith("wrong_answers/")
    assert told in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"locked": None}, "'locked' is a required property"),
        ({"schema_version": 9}, "use an newer version of the nbgrader metadata"),
    ],
    ids=["key", "version"],
)
def test_nbgrader_s_reason_is_shown(tmp_path: Path, marks: dict, reason: str) -> None:
    notebook = good_exercises()
    mark("task-1", **marks)(notebook)
    source = write_exercises(tmp_path, notebook)
    assert hindrances(source) == []
    with pytest.raises(exercises.UnusableExercises, match=reason) as caught:
        exercises.bring_up_to_date(source)
    assert "\n" not in str(caught.value)


def test_settings_that_can_t_be_run_are_named(tmp_path: Path) -> None:
    source = write_exercises(tmp_path)
    source.parents[2].joinpath("nbgrader_config.py").write_text("c = = 1")
    with pytest.raises(exercises.UnusableExercises, match=r"nbgrader_config.py can't"):
        exercises.students_copy(source)


def add_exercises(folder: Path, name: str, notebook: NotebookNode) -> Path:
    """Write a source beside the fixture's, with the same wrong answers."""
    source = folder / "exercises" / "source" / name / f"{name}.ipynb"
    source.parent.mkdir()
    nbformat.write(notebook, source)
    answers = folder / "exercises" / "wrong_answers"
    (answers / f"{name}.toml").write_text(WRONG, encoding="utf-8")
    return source


def command(folder: Path) -> tuple[int, str]:
    """Prove all exercises of a folder; return exit code and text."""
    console = Console(file=io.StringIO(), width=120)
    code = prove_exercises(
        folder=folder / "exercises",
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        console=console,
    )
    return code, console.file.getvalue()


def test_mistakes_in_some_sources_stop_no_other(tmp_path: Path) -> None:
    write_exercises(tmp_path)
    torn = add_exercises(tmp_path, "02_torn", good_exercises())
    torn.write_text(torn.read_text().replace('"cells"', '\n<<<<<<< ours\n"cells"', 1))
    refused = good_exercises()
    mark("task-1", locked=None)(refused)
    add_exercises(tmp_path, "03_refused", refused)
    code, text = command(tmp_path)
    assert code == 1
    assert re.search(r"^01_rivers +written +passed", text, re.MULTILINE), text
    for name in ("02_torn", "03_refused"):
        assert re.search(rf"^{name} +not made +failed", text, re.MULTILINE), text
    assert "02_torn: 02_torn.ipynb holds a merge conflict (line 3); take one" in text
    reason = "'locked' is a required property"
    assert f"03_refused: nbgrader makes no students' copy of it: {reason}\n" in text


def test_the_command_ends_well_when_nothing_can_be_proven(tmp_path: Path) -> None:
    write_exercises(tmp_path).write_text("")
    code, text = command(tmp_path)
    assert code == 1
    assert "01_rivers: 01_rivers.ipynb is not JSON" in text


def test_the_remedy_holds_the_path_from_the_course_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_exercises(tmp_path)
    source.write_text("")
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    (problem,) = hindrances(source)
    place = "exercises/source/01_rivers/01_rivers.ipynb"
    assert problem.endswith(f"`git checkout HEAD -- {place}`")


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
    assert problem == "without answers, cell 2 (set-up): Kernel died"


def test_the_command_writes_copies_proves_and_fails(tmp_path: Path) -> None:
    notebook = good_exercises()
    cell_of(notebook, "task-1-check").source = "pass"
    source = write_exercises(tmp_path, notebook)
    (tmp_path / "exercises" / "02_lakes.ipynb").write_text("{}")
    code, text = command(tmp_path)
    assert code == 1
    where = 'FAILED at cell 5, In [3] under "1. A river": task-1: its check passes'
    assert f"01 exercises: {where}" in text
    assert "01_rivers: task-1: its check passes without an answer" in text
    assert "02_lakes.ipynb has no source" in text
    assert exercises.copy_of(source).exists()
    assert exercises.bring_up_to_date(source) == "unchanged"
