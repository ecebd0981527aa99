"""What exercises say of the table of searches is what their solutions find in it."""

import re
from numbers import Real

import pytest

from course import exercises, lessons
from utils.checks import check
from utils.data import load_tuning_comparison


def printed(number: str, task: str, capsys: pytest.CaptureFixture) -> list[str]:
    """Run the solution of a task and its check; return the lines that are printed."""
    (source,) = exercises.find_sources([number])
    cells = {
        cell.id: cell.source for cell in exercises.solved(lessons.read(source)).cells
    }
    names = {"check": check, "Real": Real, "runs": load_tuning_comparison()}
    exec(cells[task], names)
    exec(cells[f"{task}-check"], names)
    return capsys.readouterr().out.splitlines()


def test_only_a_search_instead_of_a_random_draw_gains_more_than_chance(
    capsys: pytest.CaptureFixture,
) -> None:
    *intervals, correct = printed("05", "task-4", capsys)
    assert correct == "Task 4 is correct."
    assert [line[0] for line in intervals] == ["A", "B", "C"]
    gained, *others = intervals
    assert gained.endswith("more than chance")
    assert gained.startswith("A: 0.")
    assert all(line.endswith("it can't be told") for line in others)


def test_with_little_patience_a_search_stops_before_it_has_learned(
    capsys: pytest.CaptureFixture,
) -> None:
    _, _, *rows, correct = printed("06", "task-5", capsys)
    assert correct == "Task 5 is correct."
    found = [[float(number) for number in re.findall(r"[\d.]+", row)] for row in rows]
    assert [row[0] for row in found] == [3, 5, 8]
    assert found[0][1] < 20 / 3
    loss_shows = [loss > two_errors for *_, loss, two_errors in found]
    assert loss_shows == [True, False, False]
    assert found[0][3] < 1.2 * found[0][4]
