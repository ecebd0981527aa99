"""kill -9 at random moments loses nothing that was acknowledged (see crash/)."""

import random

from crash.run import run


def test_nothing_acknowledged_is_lost(home) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown if it fails
    report = run(home, kills=4, seed=seed)
    assert report.problems == [], f"seed {seed}"
    assert report.operations > 0


def test_the_test_notices_a_stand_in_that_forgets(home) -> None:
    """The negative control: with the write-through off, one kill is enough."""
    report = run(home, kills=1, seed=1, forgetful=True, least=3)
    lost = {problem.partition("-")[0] for problem in report.problems}
    assert len(lost) >= 3, report.problems
    assert "objects" in lost
