"""The form of exercises, which exercises/README.md describes: what a source lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from course import lessons
from course.exercises import (
    SOLUTION,
    Task,
    UnusableExercises,
    named,
    solution_lines,
    tasks,
    wrong_answers,
)

PRICES = re.compile(r"price\s+list\s+of\s+[A-Z][a-z]+\s+\d{4}")
EFFORT = re.compile(r"\d+ minutes.*Cost on AWS.*estimate", re.DOTALL)
# nbgrader's mark, wherever it stands in a line.
MARK = re.compile(r"### (BEGIN|END) SOLUTION")
CONNECT = re.compile(r"""\bconnect\(\s*lesson=["'](?P<number>[^"']*)["']""")
PANEL = "in JupyterLab's side bar, under Create Assignment"


def hindrances(source: Path) -> list[str]:
    """Return what an author has to mend before there can be a students' copy."""
    try:
        notebook = lessons.read(source)
    except lessons.UnreadableNotebook as error:
        return [f"{source.name} {error}"]
    found = list(_mark_problems(notebook))
    if not notebook.cells:
        found.append(
            f"{source.name} has no cells; write them, or get back what was last "
            "committed with `git checkout HEAD -- " + lessons.place(source) + "`"
        )
    try:
        wrong_answers(source)
    except UnusableExercises as error:
        found.append(str(error))
    return found


def _mark_problems(notebook: NotebookNode) -> Iterator[str]:
    by_id: dict[str, str] = {}
    for index, cell in enumerate(notebook.cells):
        where = named(cell, index)
        marks = cell.metadata.get("nbgrader", {})
        pairs = MARK.findall(cell.source)
        alone = sum(bool(SOLUTION.match(line)) for line in cell.source.splitlines())
        if pairs != ["BEGIN", "END"] * (alone // 2):
            yield (
                f"{where}: ### BEGIN SOLUTION and ### END SOLUTION are no pair; write "
                "each in a line of its own, before and after the solution"
            )
        if pairs and not marks.get("solution"):
            yield (
                f"{where} holds a solution that students would see; choose "
                f"Autograded answer for it {PANEL}"
            )
        if not any(marks.get(key) for key in ("solution", "grade", "locked")):
            continue
        name = marks.get("grade_id")
        if not name:
            yield f"{where} has no id; give it one, such as task-1, {PANEL}"
        elif name in by_id:
            yield f"{where} has the id {name} of {by_id[name]}; give it another {PANEL}"
        else:
            by_id[name] = where
        if marks.get("grade") and not isinstance(marks.get("points"), (int, float)):
            yield f"{where} is graded and has no points; write them {PANEL}"


def form_problems(source: Path) -> list[str]:
    """Return in what a source departs from the form; its hindrances, if it has any."""
    if found := hindrances(source):
        return found
    notebook = lessons.read(source)
    problems = list(_head_problems(notebook, lessons.lesson_number(source)))
    if source.parent.name != source.stem:
        problems.append(f"its folder is called {source.parent.name}, not {source.stem}")
    for index, cell in enumerate(notebook.cells):
        if cell.get("outputs") or cell.get("execution_count"):
            problems.append(f"{named(cell, index)} holds outputs")
        if "HIDDEN TESTS" in cell.source:
            problems.append(
                f"{named(cell, index)} hides tests: students get the same ones"
            )
    every = tasks(notebook)
    if not 3 <= len(every) <= 5:
        problems.append(f"there are {len(every)} tasks, not 3 to 5")
    told = {wrong.task for wrong in wrong_answers(source)}
    for number, task in enumerate(every, start=1):
        problems += [
            f"{task.name}: {text}" for text in _task_problems(notebook, task, number)
        ]
        if task.check is not None and task.name not in told:
            problems.append(f"{task.name}: no wrong answer is given for it")
    for name in sorted(told - {task.name for task in every if task.check is not None}):
        problems.append(f"{name}: has wrong answers, and there is no such checked task")
    if "left_over(course)" not in notebook.cells[-1].source:
        problems.append("the last cell does not show that nothing is left over")
    return problems


def _head_problems(notebook: NotebookNode, number: str) -> Iterator[str]:
    head = notebook.cells[0].source
    if not head.startswith(f"# Exercises {number} "):
        yield f'the title does not begin with "# Exercises {number} "'
    if not re.search(rf"\]\(\.\./notebooks/{number}_\w+\.ipynb\)", head):
        yield "the first cell has no link to the lesson"
    if not EFFORT.search(head):
        yield "the first cell does not tell minutes and the estimated cost on AWS"
    if not PRICES.search(head):
        yield "the first cell does not tell the month and year of the price list"
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    given = {match["number"] for match in CONNECT.finditer(code)}
    if given != {number}:
        told = ", ".join(sorted(given)) or "none"
        yield f'the set-up has to call connect(lesson="{number}"); its lesson is {told}'


def _task_problems(notebook: NotebookNode, task: Task, number: int) -> Iterator[str]:
    answer = notebook.cells[task.answer]
    if task.name != f"task-{number}":
        yield f"its grade id should be task-{number}"
    if not lessons.heading_of(notebook, task.answer).startswith(f"{number}. "):
        yield f'its heading does not begin with "{number}. "'
    if not solution_lines(answer):
        yield "there is nothing between ### BEGIN SOLUTION and ### END SOLUTION"
    if task.points < 1:
        yield "it gives no points"
    if task.check is None:
        if answer.cell_type != "markdown":
            yield "the cell after it is no check"
        return
    marks = {"grade_id": f"{task.name}-check", "solution": False, "locked": True}
    first = f"# Run this cell to check task {number}."
    if not notebook.cells[task.check].source.startswith(f"{first}\n"):
        yield f'its check does not begin with "{first}"'  # all that is seen of it
    last = f"Task {number} is correct"
    if last not in notebook.cells[task.check].source:
        yield f'its check does not print "{last}"'
    check = notebook.cells[task.check].metadata
    for key, value in marks.items():
        if check["nbgrader"].get(key) != value:
            yield f"its check's {key} should be {value}"
    if not check.get("jupyter", {}).get("source_hidden"):
        yield "its check is not folded (source_hidden in the metadata)"
