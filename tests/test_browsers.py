"""Where the browser for tests comes from, and that CI never goes without."""

import shutil
import subprocess
from pathlib import Path

import browsers
import pytest

from course.browsers import NAMES, ON_MACOS, find_browser
from course.install import ROOT

BASH = shutil.which("bash")
# As apt-get: notes how it was called, and installs what the test lets it.
APT = """#!{bash}
echo "$DEBIAN_FRONTEND ${{*: -1}} as ${{ROOT_BY:-root}}" >> {folder}/called
[ "${{*: -1}}" = update ] && exit {update}
{install}
"""
INSTALLS = "echo '#!/bin/sh' > {folder}/chromium && /bin/chmod +x {folder}/chromium"
BROKEN = "echo 'E: Unable to locate package chromium' >&2; exit 100"


def run(folder: Path, **programs: str) -> subprocess.CompletedProcess:
    """Run .ci/browser where these are all programs that there are."""
    for name, text in programs.items():
        file = folder / name.replace("_", "-")
        file.write_text(text.replace("{folder}", str(folder)))
        file.chmod(0o755)
    (folder / "env").symlink_to("/usr/bin/env")
    return subprocess.run(
        [BASH, ROOT / ".ci" / "browser"],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def apt(folder: Path, install: str = INSTALLS, update: int = 0) -> str:
    text = APT.format(bash=BASH, folder=folder, install=install, update=update)
    return text


def says(number: int) -> str:
    return f"#!{BASH}\necho {number}\n"


SUDO = f'#!{BASH}\nshift\n[ "$1" = true ] && exit 0\nROOT_BY=sudo exec "$@"\n'
REFUSES = f"#!{BASH}\necho 'sudo: a password is required' >&2; exit 1\n"
without_macs = pytest.mark.skipif(
    any(Path(file).exists() for file in ON_MACOS), reason="has a browser"
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_is_taken(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, **{name: says(0)}, apt_get=apt(tmp_path), id=says(0))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / name) in done.stdout
    assert not (tmp_path / "called").exists()
    assert find_browser(str(tmp_path)) == str(tmp_path / name)


@without_macs
@pytest.mark.parametrize(
    ("who", "by", "update"),
    [(0, "root", 0), (1000, "sudo", 0), (0, "root", 100)],
    ids=["root", "sudo", "old lists"],
)
def test_it_is_installed(tmp_path: Path, who: int, by: str, update: int) -> None:
    programs = {"apt_get": apt(tmp_path, update=update), "id": says(who), "sudo": SUDO}
    done = run(tmp_path, **programs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{tmp_path / 'chromium'}\n")
    assert (tmp_path / "called").read_text().splitlines() == [
        f"noninteractive update as {by}",
        f"noninteractive chromium as {by}",
    ]


@without_macs
@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ({"id": says(0)}, "this machine has no apt-get"),
        ({"id": says(1000), "apt_get": INSTALLS}, "this user may not install one"),
        (
            {"id": says(1000), "apt_get": INSTALLS, "sudo": REFUSES},
            "this user may not install one",
        ),
        ({"id": says(0), "apt_get": BROKEN}, "apt-get can't install chromium"),
        ({"id": says(0), "apt_get": ":"}, "but it is not on PATH"),
    ],
    ids=["no apt-get", "no right", "sudo asks", "no network", "elsewhere"],
)
def test_why_there_is_none_is_said(
    tmp_path: Path, programs: dict[str, str], why: str
) -> None:
    if "apt_get" in programs:
        programs = programs | {"apt_get": apt(tmp_path, programs["apt_get"])}
    done = run(tmp_path, **programs)
    assert done.returncode == 1
    assert why in done.stderr
    assert done.stderr.endswith("The tests that need one will fail.\n")
    assert not (tmp_path / "chromium").exists()


@pytest.mark.parametrize(
    ("browser", "ci", "skipped"),
    [
        (None, "", True),
        (None, "false", True),
        (None, "true", False),
        ("/usr/bin/chromium", "", False),
        ("/usr/bin/chromium", "true", False),
    ],
)
def test_only_outside_ci_tests_are_skipped(
    browser: str | None, ci: str, skipped: bool
) -> None:
    assert browsers.may_skip(browser, {"CI": ci}) is skipped


def test_a_missing_browser_fails_a_test() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="no Chromium or Chrome"),
        browsers.opened(None),
    ):
        pass
