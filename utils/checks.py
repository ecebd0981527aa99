"""What the exercises check their answers with."""

from utils import require_kernel

# An exercise imports this module before any other: the place to tell a wrong kernel.
require_kernel()


class WrongAnswer(AssertionError):
    """An answer is wrong. Jupyter shows the sentence and none of the check's code."""

    def _render_traceback_(self) -> list[str]:
        """Say what IPython shows in the place of a traceback."""
        return [str(self)]


def check(condition: object, sentence: str) -> None:
    """Raise WrongAnswer with the sentence unless the condition holds."""
    if not condition:
        raise WrongAnswer(sentence)
