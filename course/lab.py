"""`course lab`: working copies of the lessons and exercises, opened in JupyterLab.

The copies lie in my_course/, which git ignores, so that a learner's runs and notes
never meet a `git pull`. A copy is made when it is missing. One that its owner has not
touched is made again when the original has changed; one that he has is left alone
until he asks for the new one (`course restore`).

JupyterLab's settings are given to this one start in two folders. That of the
overrides changes only what JupyterLab takes where its user has chosen nothing, so his
own settings are read, kept and written as ever. The workspace, which holds the layout
of the window and the open tabs, is one of the course's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from course import lessons, metadata
from course.install import ROOT
from course.writable import NotWritable, told, write_text
from local_aws.terminal import say

FOLDER = "my_course"
KINDS = ("notebooks", "exercises")
# What notebooks link to and import, and the Python that the lessons name in commands.
LINKS = {
    "data": "../data",
    "utils": "../utils",
    "webapp": "../webapp",
    ".venv": "../.venv",
}
# JupyterLab shows no picture that lies outside of its folder, behind a link or not.
PICTURES = "notebooks/images"
# Programs that lessons run and learners change.
SCRIPTS = "notebooks/scripts"
# What was copied: the hashes of the original and of the copy as it was written.
RECORD = ".copies.json"
SETTINGS = ".jupyterlab"
START = "00"


@dataclass
class Copies:
    """What `bring_up_to_date` found and did. Paths are those in my_course/."""

    made: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)  # than a copy that has been changed
    unreadable: list[str] = field(default_factory=list)


def bring_up_to_date(root: Path = ROOT) -> Copies:
    """Make the copies that are missing; make untouched ones again if they are old."""
    folder, found = root / FOLDER, Copies()
    _make_surroundings(root)
    record = _read_record(folder)
    for original in _originals(root):
        name = original.relative_to(root).as_posix()
        try:
            text = _text_of_copy(original)
        except lessons.UnreadableNotebook as error:
            found.unreadable.append(f"{name} {error}")
            continue
        copy, known = folder / name, record.get(name, {})
        if not copy.exists():
            found.made.append(name)
        elif copy.read_bytes() == text.encode():
            record[name] = _hashes(original, text)
            continue
        elif _hash(copy.read_bytes()) == known.get("copy"):
            found.refreshed.append(name)
        else:
            if _hash(original.read_bytes()) != known.get("original"):
                found.newer.append(name)
            continue
        _write(copy, text)
        record[name] = _hashes(original, text)
    _bring_scripts_up_to_date(root, record)
    _write_record(folder, record)
    return found


def _bring_scripts_up_to_date(root: Path, record: dict[str, dict[str, str]]) -> None:
    """Copy the lessons' scripts; one that its owner has changed stays as it is."""
    for original in sorted((root / SCRIPTS).rglob("*")):
        if original.suffix not in {".py", ".txt"}:
            continue
        name = original.relative_to(root).as_posix()
        copy, text = root / FOLDER / name, original.read_text(encoding="utf-8")
        known = record.get(name, {}).get("copy")
        if not copy.exists() or _hash(copy.read_bytes()) == known:
            _write(copy, text)
            record[name] = _hashes(original, text)


def restore(names: Sequence[str], root: Path = ROOT) -> int:
    """Bring lessons and their exercises back to their first state; say what was done.

    What their owner has changed is kept beside them. Returns 0, or 2 if a lesson does
    not exist or can't be read; then nothing is done. Raises NotWritable.
    """
    try:
        found = lessons.find_lessons(names, root / KINDS[0])
        wanted = {path.stem for path in found} if names else set()
        originals = [path for path in _originals(root) if path.stem in wanted]
        texts = {path: _text_of_copy(path) for path in originals}
    except (lessons.NoSuchLesson, lessons.UnreadableNotebook) as error:
        say(str(error), file=sys.stderr)
        return 2
    if not texts:
        say("Which lesson? For example: make restore LESSONS=03", file=sys.stderr)
        return 2
    with told(root / FOLDER):
        _make_surroundings(root)
        _restore(texts, root)
    return 0


def _restore(texts: Mapping[Path, str], root: Path) -> None:
    """Write these texts of originals into their copies."""
    folder = root / FOLDER
    record, reload = _read_record(folder), False
    for original, text in texts.items():
        name = original.relative_to(root).as_posix()
        copy, known = folder / name, record.get(name, {})
        record[name] = _hashes(original, text)
        content = copy.read_bytes() if copy.exists() else None
        if content == text.encode():
            say(f"{FOLDER}/{name} is in its first state already.")
            continue
        if content is None or _hash(content) == known.get("copy"):
            _write(copy, text)
            kept = ""
        else:
            kept = f" Yours is beside it, as {_write_beside(copy, text).name}."
        reload = reload or content is not None
        say(f"{FOLDER}/{name} is in its first state again.{kept}")
    _write_record(folder, record)
    if reload:
        say("If it is open in JupyterLab: File > Reload Notebook from Disk.")


def open_lab(
    lesson: str | None = None, options: Sequence[str] = (), root: Path = ROOT
) -> int:
    """Open a lesson's copy in JupyterLab, with the stand-in running.

    options: more of JupyterLab's own. JupyterLab replaces this process; a return is a
    failure: 1 or 2, with a line that says why.
    """
    from local_aws.__main__ import execute
    from local_aws.installation import InstallationError
    from local_aws.lifetime import NotStarted

    try:
        (first,) = lessons.find_lessons([lesson or START], root / KINDS[0])
        with told(root / FOLDER):
            copies = bring_up_to_date(root)
            write_settings(root / FOLDER / SETTINGS)
    except (lessons.NoSuchLesson, NotWritable) as error:
        say(str(error), file=sys.stderr)
        return 2
    for line in said(copies):
        say(line)
    _prefer_our_kernel()
    command = [sys.executable, "-m", "course.lab_server"]
    command += settings_of_this_start(root, f"{KINDS[0]}/{first.name}")
    try:
        return execute([*command, *options])
    except (InstallationError, NotStarted) as error:
        say(str(error), file=sys.stderr)
        return 1


def said(copies: Copies) -> Iterator[str]:
    """Yield the lines that a learner reads about the copies."""
    if copies.made:
        yield f"Your own copies of lessons and exercises are in {FOLDER}/."
    if copies.refreshed:
        numbers = _numbers(copies.refreshed)
        yield f"Brought up to date, as you had changed nothing there: {numbers}."
    if copies.newer:
        numbers = _numbers(copies.newer)
        yield (
            f"There are newer versions of {numbers}. Yours stay as you left them; "
            f'to take the new ones: make restore LESSONS="{numbers.replace(",", "")}"'
        )
    yield from copies.unreadable


def settings_of_this_start(root: Path, file: str) -> list[str]:
    """Return JupyterLab's options. file: what it opens, seen from my_course/."""
    folder = root / FOLDER
    options = [
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.default_url=/lab/tree/{file}",
        f"--LabApp.app_settings_dir={folder / SETTINGS / 'settings'}",
        f"--LabApp.workspaces_dir={folder / SETTINGS / 'workspaces'}",
        # What a browser's tab that was closed too early leaves there helps no learner.
        "--Application.log_level=CRITICAL",
        f"--CourseServer.log_file={folder / SETTINGS / 'jupyterlab.log'}",
        # Or the kernel warns in the terminal that it is without.
        "--KernelManager.transport_encryption=auto",
    ]
    if os.geteuid() == 0:  # as in a container; it listens on this machine only
        options.append("--ServerApp.allow_root=True")
    return options


# JupyterLab's defaults in this start; what a learner has set himself goes before them.
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",  # and so does not ask whether it may
        "checkForUpdates": False,
    },
    "@jupyterlab/application-extension:shell": {
        "layout": {"multiple": {"table-of-contents": {"area": "right"}}}
    },
    # Light or dark, as the reader's system is; the pages are, too.
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    # The dates take half of the room that the names need.
    "@jupyterlab/filebrowser-extension:browser": {"showLastModifiedColumn": False},
    "@jupyterlab/notebook-extension:tracker": {"recordTiming": False},
}
# Buttons of nbgrader and of Jupyter Notebook, whose servers do not run here.
PAGE = {"disabledExtensions": ["@jupyter/nbgrader", "@jupyter-notebook/lab-extension"]}
# The layout of the first start; from then on it is as the learner left it.
LAYOUT = {
    "left": {
        "collapsed": False,
        "visible": True,
        "current": "filebrowser",
        "widgets": ["filebrowser", "running-sessions", "extensionmanager.main-view"],
    },
    "right": {
        "collapsed": False,
        "visible": True,
        "current": "@jupyterlab/toc:plugin",
        "widgets": [
            "@jupyterlab/toc:plugin",
            "jp-property-inspector",
            "debugger-sidebar",
        ],
    },
    "relativeSizes": [0.285, 0.535, 0.18],  # of files, notebook, table of contents
}


def write_settings(folder: Path) -> None:
    """Write JupyterLab's defaults for this start, and a layout if there is none."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    _write(folder / "settings" / "overrides.json", json.dumps(OVERRIDES, indent=1))
    _write(folder / "settings" / "page_config.json", json.dumps(PAGE, indent=1))
    workspaces = WorkspacesManager(str(folder / "workspaces"))
    if not workspaces.list_workspaces():
        first = {
            "data": {"layout-restorer:data": LAYOUT},
            "metadata": {"id": "default"},
        }
        workspaces.save("default", json.dumps(first))


def _prefer_our_kernel() -> None:
    """Let no kernel that somebody has installed as `python3` stand before ours."""
    ours = str(Path(sys.prefix) / "share" / "jupyter")
    paths = [ours, *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)


def _originals(root: Path) -> list[Path]:
    return [path for kind in KINDS for path in sorted((root / kind).glob("*.ipynb"))]


def _text_of_copy(original: Path) -> str:
    """Return a notebook's text with the Python that will run it.

    Raises lessons.UnreadableNotebook.
    """
    notebook = lessons.read(original)
    notebook.metadata = metadata.stored(sys.version.split()[0])
    return metadata.text_of(notebook)


def _make_surroundings(root: Path) -> None:
    """Make what the notebooks link to and import."""
    folder = root / FOLDER
    for name, target in LINKS.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists() and not link.is_symlink():
            link.symlink_to(target)
    pictures = folder / PICTURES
    for original in (root / PICTURES).glob("*"):
        copy = pictures / original.name
        if not copy.exists() or copy.read_bytes() != original.read_bytes():
            pictures.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, copy)


def _write_beside(copy: Path, text: str) -> Path:
    """Put a learner's version aside and write the text; return where his is now.

    His is back in its place if the text can't be written.
    """
    kept = _put_aside(copy)
    try:
        _write(copy, text)
    except NotWritable:
        kept.rename(copy)
        raise
    return kept


def _put_aside(copy: Path) -> Path:
    """Move a learner's version out of the way; return its new path."""
    stem = f"{copy.stem}-yours-{datetime.now():%Y-%m-%d-%H%M}"
    kept, count = copy.with_name(f"{stem}.ipynb"), 1
    while kept.exists():
        count += 1
        kept = copy.with_name(f"{stem}-{count}.ipynb")
    return copy.rename(kept)


def _numbers(names: Sequence[str]) -> str:
    return ", ".join(sorted({lessons.lesson_number(Path(name)) for name in names}))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hashes(original: Path, text: str) -> dict[str, str]:
    return {"original": _hash(original.read_bytes()), "copy": _hash(text.encode())}


def _read_record(folder: Path) -> dict[str, dict[str, str]]:
    """Return what was copied; without the file every copy counts as changed."""
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _write_record(folder: Path, record: dict[str, dict[str, str]]) -> None:
    _write(folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")


def _write(path: Path, text: str) -> None:
    """Write a file, and the folders that it is in. Raises NotWritable or OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
