"""The browser for tests of pages: one that is on the machine; none is downloaded.

Without one they are skipped, but not where CI is set: what nobody has looked at must
not pass for tested there. `.ci/browser` installs one.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from course.browsers import find_browser

MISSING = "no Chromium or Chrome on this machine"
# Other tests may keep the machine busy.
PATIENCE_MS = 120_000


def may_skip(browser: str | None, environment: Mapping[str, str]) -> bool:
    """Whether tests that need a browser are skipped."""
    return not browser and environment.get("CI", "").lower() in ("", "0", "false")


BROWSER = find_browser()
needs_browser = pytest.mark.skipif(may_skip(BROWSER, os.environ), reason=MISSING)


@contextmanager
def opened(executable: str | None) -> Iterator[Any]:
    """The browser, running. Fails the test if there is none."""
    if executable is None:
        pytest.fail(f"{MISSING}, and where CI is set that is no reason to skip a test")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()
