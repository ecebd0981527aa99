"""One file of the whole course, for a notebook instance or for a class.

It uses only the standard library, and works where there is no git: then the files
are those that .gitignore does not name.
"""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from course.install import ROOT

NAME = "sagemaker-course"


def make_zip(root: Path = ROOT) -> Path:
    """Pack the course's files, as they are now, into build/sagemaker-course.zip.

    It unpacks into one folder of that name: no history, no environment, no results of
    runs, no state of the stand-in.
    """
    target = root / "build" / f"{NAME}.zip"
    target.parent.mkdir(exist_ok=True)
    paths = files(root)
    # Under another name first: one that is left half-way unpacks like a whole one.
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in paths:
            _add(packed, path, f"{NAME}/{path.relative_to(root).as_posix()}")
    return partial.replace(target)


def files(root: Path = ROOT) -> list[Path]:
    """Return the course's files: what git keeps, or what it would not ignore."""
    tracked = _tracked(root)
    return sorted(_not_ignored(root) if tracked is None else tracked)


def _tracked(root: Path) -> list[Path] | None:
    """Ask git; None if it is not there, or if the course came without its history.

    None also where git does not answer, as in a folder of another account.
    """
    if not (root / ".git").exists() or not shutil.which("git"):
        return None
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if done.returncode:
        return None
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [root / name for name in names if name and (root / name).is_file()]


def _not_ignored(root: Path) -> Iterator[Path]:
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.rstrip("/") for line in lines if line and line[0] != "#"]

    def walk(folder: Path) -> Iterator[Path]:
        for path in folder.iterdir():
            name = path.relative_to(root).as_posix()
            ignored = (
                # A pattern with a slash is for a path, one without for any name.
                fnmatch.fnmatchcase(name if "/" in pattern else path.name, pattern)
                for pattern in patterns
            )
            if path.name == ".git" or path.is_symlink() or any(ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    yield from walk(root)


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    status = path.stat()
    # A zip knows no time before 1980.
    moment = max(time.localtime(status.st_mtime)[:6], (1980, 1, 1, 0, 0, 0))
    entry = zipfile.ZipInfo(name, moment)
    entry.external_attr = status.st_mode << 16  # what can be run, can be run there
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, path.read_bytes())


def tell(target: Path, root: Path = ROOT) -> str:
    """Return what is in the file, and the lines that put it to use."""
    with zipfile.ZipFile(target) as archive:
        count = len(archive.infolist())
    return (
        f"{target.relative_to(root)}: {count} files, "
        f"{target.stat().st_size / 1e6:.1f} MB\n"
        "Upload it or hand it on. There, in a terminal (in JupyterLab: File, New, "
        "Terminal):\n"
        f"  unzip {NAME}.zip\n"
        f"  cd {NAME} && make lab\n"
        "On a SageMaker notebook instance the first line is enough: open\n"
        f"{NAME}/notebooks/00_start_here.ipynb in its own JupyterLab."
    )
