"""nbval's sanitise file: what may differ between two runs of a lesson.

The file is the one that nbval itself reads, so that `course outputs` and the tests
agree with it on what counts as a change.
"""

from __future__ import annotations

import re
from pathlib import Path

from course.install import ROOT

SANITIZE_FILE = ROOT / "tests" / "nbval_sanitize.cfg"


def patterns(path: Path = SANITIZE_FILE) -> list[tuple[re.Pattern, str]]:
    """Read the (regex, replacement) pairs, in order, as nbval does."""
    text = path.read_text(encoding="utf-8")
    pairs = re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)
    return [(re.compile(regex), replacement) for regex, replacement in pairs]


def sanitize(text: str, pairs: list[tuple[re.Pattern, str]] | None = None) -> str:
    """Put each pattern's replacement in the place of what it matches."""
    for pattern, replacement in patterns() if pairs is None else pairs:
        text = pattern.sub(replacement, text)
    return text
