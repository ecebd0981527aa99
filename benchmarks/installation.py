"""(7) From a clean clone to the first plot, against installing the same lock."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measuring import Run, seconds
from benchmarks.stand_in import temporary_folder
from course.install import uv_settings
from local_aws.installation import CHECKOUT

LIMIT_S = 1800


def measure(run: Run) -> list[Figure]:
    """`git clone` and `make course LESSONS=00`, then the bare `uv pip sync`.

    Each once and with an empty cache of uv's, so that both download everything.
    """
    if run.quick:
        run.say("(7) is left out: there is no small size of it")
        return []
    with temporary_folder() as folder:
        run.say("(7) installing the lock by uv alone")
        floor = seconds(lambda: install_lock(folder))
    with temporary_folder() as folder:
        run.say("(7) git clone; make course LESSONS=00")
        ours = seconds(lambda: first_plot(folder))
    return [
        Figure(
            7,
            "clean clone to the first lesson's plot",
            ours,
            floor,
            "uv pip sync of the same lock",
            "s",
        )
    ]


def _base_python() -> str:
    """The Python that this virtual environment was made from."""
    return str(Path(sys.base_prefix) / "bin" / Path(sys.executable).resolve().name)


def _environment(cache: Path) -> dict[str, str]:
    environment = {**os.environ, "UV_CACHE_DIR": str(cache)}
    for name in ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    return environment


def install_lock(folder: Path) -> None:
    """Make a virtual environment and install the lock, nothing compiled.

    Raises CalledProcessError.
    """
    python = folder / "venv" / "bin" / "python"
    said = _run([sys.executable, "-m", "pip", "config", "list"], folder, None)
    environment = _environment(folder / "cache")
    environment |= uv_settings(said, environment)
    _run([_base_python(), "-m", "venv", "--without-pip", "venv"], folder, environment)
    _run(
        [sys.executable, "-m", "uv", "pip", "sync", "--quiet"]
        + ["--python", str(python), "--require-hashes"]
        + [str(CHECKOUT / "requirements.lock")],
        folder,
        environment,
    )


def first_plot(folder: Path) -> None:
    """Clone what is committed, run lesson 00; raises CalledProcessError."""
    environment = _environment(folder / "cache")
    _run(["git", "clone", "--quiet", str(CHECKOUT), "course"], folder, environment)
    _run(
        ["make", "course", "LESSONS=00", f"PYTHON={_base_python()}"],
        folder / "course",
        environment,
    )
    if not (folder / "course" / "build" / "lessons" / "00_start_here.html").exists():
        raise FileNotFoundError("lesson 00 left no page")


def _run(words: list[str], folder: Path, environment: dict[str, str] | None) -> str:
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
    ).stdout
