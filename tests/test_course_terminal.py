"""What the course's commands print in a narrow window, and where they can't write."""

import errno
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lesson_fixture import small_notebook, write
from rich.console import Console
from terminal import Terminal, too_long

from benchmarks.figures import Figure, table
from course import outputs, runner, writable
from course.__main__ import _told
from course.terminal import Column, first_words, say, shortened, shows_live, table_of
from course.writable import (
    NotWritable,
    require_writable,
    require_writable_files,
    write_text,
)
from local_aws import maintenance
from local_aws.installation import InstallationError, open_installation, what_helps

NOBODY = 65534
LESSON = "01_boston_batch_transform_high_level"


def terminal_console(width: int, **options: object) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system="standard",
        highlight=False,
        _environ={"TERM": "xterm"},
        **options,
    )


def printed(console: Console) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


def test_text_is_broken_between_words_on_a_terminal_only() -> None:
    path = "/a/folder/with/a/name/that/is/longer/than/the/window/build/index.html"
    text = f"Read them in a [browser], please: {path}"
    console = terminal_console(30)
    say(console, text)
    assert printed(console) == ["Read them in a [browser],", "please:", path]
    plain = Console(file=io.StringIO(), width=30)
    say(plain, text)
    assert plain.file.getvalue() == text + "\n"


@pytest.mark.parametrize(
    ("width", "short"),
    [
        (36, LESSON),
        (35, "01_boston_…_transform_high_level"),
        (30, "01_boston_batch_…_high_level"),
        (24, "01_boston_…_high_level"),
        (20, "01_…_high_level"),
        (12, "01_boston_…"),
        (3, "01"),
    ],
)
def test_a_long_name_keeps_its_number_and_its_end(width: int, short: str) -> None:
    assert shortened(LESSON, width) == short
    assert len(short) <= width


def test_first_words() -> None:
    assert first_words("Train a model", 13) == "Train a model"
    assert first_words("Train a model", 12) == "Train a …"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_fits_and_breaks_no_word(width: int) -> None:
    console = terminal_console(width)
    columns = [
        Column("students' copy", ["unchanged", "written"]),
        Column("wrong answers", ["15", "3"], is_number=True),
    ]
    console.print(table_of(width, "exercises", [LESSON, "00_start_here"], columns, [1]))
    lines = printed(console)
    assert max(map(len, lines)) <= width
    words = set(re.split("[ _…]+", " ".join(lines))) - {""}
    whole = {"exercises", "students'", "copy", "wrong", "answers", "unchanged"}
    assert words <= whole | {"written", "15", "3"} | set(re.split("_", LESSON)) | {
        "00",
        "start",
        "here",
    }
    assert "\x1b[1;31m" in console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_of_the_benchmarks_fits_and_breaks_no_word(width: int) -> None:
    figure = Figure(
        4,
        "batch transform of a million rows, memory at its most",
        123_456.0,
        99_999.0,
        "kernel starts, imports, jobs",
        "requests/s",
        0.8,
        more_is_better=True,
    )
    console = terminal_console(width)
    console.print(table([figure], width))
    lines = printed(console)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    shown = [*figure.what.split(), "123,456", "1.23", ">=", "0.8", "met"]
    shown += ["99,999"] if width >= 80 else []
    shown += figure.floor_is.split() if width >= 110 else []
    assert [word for word in shown if word not in words] == []


@pytest.mark.parametrize(
    ("environment", "live"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"CI": "true"}, False),
    ],
)
def test_a_live_table_is_for_terminals_with_colours(
    environment: dict, live: bool, monkeypatch
) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shows_live(Console(force_terminal=True)) is live
    assert not shows_live(Console(file=io.StringIO()))


COMMANDS = [
    "make help",
    "course --help",
    *(f"course {name} --help" for name in ("run", "cleanup", "lint", "outputs")),
    "course lint",
    "course run 17",
    "course cleanup k3x9ab",
    "benchmarks --help",
]


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_a_line_longer_than_the_terminal(
    command: str, width: int, home: Path
) -> None:
    words = command.split()
    if words[0] != "make":
        words = [sys.executable, "-m", *words]
    environment = os.environ | {"LOCAL_AWS_HOME": str(home)}
    with Terminal(words, environment, width) as terminal:
        text = terminal.read()
    assert "Traceback" not in text
    assert text.strip()
    assert too_long(text, width) == []


# --- what can't be written ------------------------------------------------------------


@contextmanager
def somebody_else() -> Iterator[None]:
    """Be an account that is not root, to which mode bits count."""
    if os.getuid():
        yield
        return
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another account can reach, and that is its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        if not os.getuid():
            os.chown(folder, NOBODY, NOBODY)
        yield folder


needs_another_account = pytest.mark.skipif(
    not os.getuid() and not hasattr(os, "setresuid"), reason="root without setresuid"
)


@needs_another_account
def test_a_folder_that_can_be_written_to_is_made_and_left_empty(open_folder) -> None:
    with somebody_else():
        require_writable(open_folder / "build")
        require_writable(open_folder / "build")
    assert list((open_folder / "build").iterdir()) == []


@needs_another_account
def test_a_read_only_folder_is_told(open_folder) -> None:
    (open_folder / "build").mkdir(mode=0o555)
    if not os.getuid():
        os.chown(open_folder / "build", NOBODY, NOBODY)
    with somebody_else(), pytest.raises(NotWritable) as caught:
        require_writable(open_folder / "build")
    text = str(caught.value)
    assert "build can't be written to: Permission denied. Make it yours again" in text
    assert f"chmod -R u+rwX {open_folder / 'build'}" in text


@needs_another_account
@pytest.mark.skipif(os.getuid() != 0, reason="needs a folder of root's")
@pytest.mark.parametrize("inner", ["", "lessons", "lessons/01.html"])
def test_what_root_has_left_is_told(inner: str, open_folder) -> None:
    """After a `sudo make course`: the folder, one in it, or a file."""
    file = open_folder / "build" / "lessons" / "01.html"
    file.parent.mkdir(parents=True)
    file.write_text("")
    for path in (file, file.parent, file.parent.parent):
        os.chown(path, NOBODY, NOBODY)
    theirs = open_folder / "build" / inner
    os.chown(theirs, 0, 0)
    theirs.chmod(0o755 if theirs.is_dir() else 0o644)
    with somebody_else(), pytest.raises(NotWritable) as caught:
        require_writable(open_folder / "build")
    text = str(caught.value)
    assert f"{theirs} can't be written to: Permission denied" in text
    assert f'sudo chown -R "$(id -un)" {theirs}' in text


@needs_another_account
@pytest.mark.skipif(os.getuid() != 0, reason="needs a folder of root's")
def test_a_state_folder_of_root_is_told(open_folder, monkeypatch) -> None:
    """Also by status and reset, which make none."""
    home = open_folder / "state"
    monkeypatch.setenv("LOCAL_AWS_HOME", str(home))
    with somebody_else():
        assert maintenance.existing_installation() is None
    open_installation(home)
    with (
        somebody_else(),
        pytest.raises(InstallationError, match="belongs to another user"),
    ):
        maintenance.existing_installation()
    with somebody_else():
        text = what_helps(errno.EACCES, home / "aws")
    assert text.endswith(f'`sudo chown -R "$(id -un)" {home}`.')
    # What others own is theirs: nobody is sent to take a system's folder.
    with somebody_else():
        assert "chown" not in what_helps(errno.EACCES, Path("/etc"))
        assert "chown" not in what_helps(errno.EACCES, Path("/"))
    assert "chmod" in what_helps(errno.EACCES, home / "aws")


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(NotWritable, match=r"build has to be a folder, and is none"):
        require_writable(tmp_path / "build")
    with pytest.raises(NotWritable, match=r"build has to be a folder, and is none"):
        require_writable(tmp_path / "build" / "notebooks")


def test_a_full_disk_is_told(tmp_path) -> None:
    require_writable(tmp_path)
    with pytest.raises(NotWritable, match=r"Only \d+ MB are free on the disk of"):
        require_writable(tmp_path, room=10**18)


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.ipynb"
    write_text(path, "old")
    path.chmod(0o640)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(writable.os, "replace", full)
    with pytest.raises(NotWritable, match=r"No space left on device. Make room on the"):
        write_text(path, "newer")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.ipynb"]


def test_nothing_runs_if_its_result_can_not_be_written(tmp_path, capsys) -> None:
    write(small_notebook("open('ran', 'w')"), tmp_path / "01_a.ipynb")
    (tmp_path / "build").write_text("")
    options = {
        "folder": tmp_path,
        "build": tmp_path / "build",
        "environment": os.environ,
        "pages": False,
    }
    assert _told(runner.run_lessons, **options) == 2
    assert not (tmp_path / "ran").exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert "has to be a folder" in line
    (tmp_path / "build").unlink()
    assert _told(runner.run_lessons, **options) == 0
    assert (tmp_path / "ran").exists()


@needs_another_account
@pytest.mark.skipif(os.getuid() != 0, reason="needs a file of root's")
def test_outputs_that_can_not_be_stored_are_told_before_the_run(open_folder) -> None:
    path = write(small_notebook("open('ran', 'w')"), open_folder / "01_a.ipynb")
    with somebody_else(), pytest.raises(NotWritable, match=r"01_a.ipynb can't be"):
        outputs.store_lessons(folder=open_folder, environment=os.environ)
    assert not (open_folder / "ran").exists()
    os.chown(path, NOBODY, NOBODY)
    with somebody_else():
        require_writable_files([path])


def test_a_stand_in_that_can_not_start_is_told_in_a_sentence(home) -> None:
    (home / "sagemaker.sqlite").mkdir()
    environment = os.environ | {"LOCAL_AWS_HOME": str(home)}
    command = [sys.executable, "-m", "course", "run", "00"]
    with Terminal(command, environment, 60) as terminal:
        text = terminal.read()
    assert terminal.code == 2
    assert "Traceback" not in text
    assert "The stand-in could not be started." in text
    assert str(home / "sagemaker.sqlite") in " ".join(text.split())
