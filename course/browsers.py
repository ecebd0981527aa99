"""The browser of this machine: for the tests of pages and the picture of one."""

from __future__ import annotations

import shutil
from pathlib import Path

# What .ci/browser looks for, too.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def find_browser(path: str | None = None) -> str | None:
    """A Chromium or Chrome on PATH, or on `path`, or where macOS has it."""
    found = [shutil.which(name, path=path) for name in NAMES]
    found += [file for file in ON_MACOS if Path(file).exists()]
    return next(filter(None, found), None)
