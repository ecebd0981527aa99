"""Which processes use the stand-in: their numbers, what they are, how to end them."""

import contextlib
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_aws.installation import CHECKOUT, Installation

SHELLS = {"bash", "dash", "fish", "ksh", "sh", "tcsh", "zsh"}
# The last one is what `make lab` becomes.
JUPYTER = {"jupyter", "jupyter-lab", "jupyter-notebook", "jupyter-server"}
JUPYTER |= {"course.lab_server"}
# What `python -m course COMMAND` is called by who types `make`.
MAKE = {"run": "make course", "outputs": "make outputs", "exercises": "make exercises"}
LONGEST_COMMAND = 60


@dataclass(frozen=True)
class User:
    """A process that keeps the stand-in running."""

    pid: int
    what: str
    how_to_end: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid})"


def users(installation: Installation) -> list[User]:
    """Who holds users.lock, as far as this account may look at processes.

    What belongs to another user (a kernel of a JupyterLab that is in the list, a child
    of a command) ends with it and is left out, unless it is a notebook.
    """
    holders = {
        process.pid: process
        for process in psutil.process_iter()
        if _has_open(process, installation.users_lock)
    }
    found = []
    for process in holders.values():
        # It may end at any moment; then it uses nothing any more.
        with contextlib.suppress(psutil.Error):
            above = [p for p in process.parents() if p.pid in holders]
            user = _described(process, above[0] if above else None, installation)
            if user is not None:
                found.append(user)
    return found


def _has_open(process: psutil.Process, file: Path) -> bool:
    try:
        return any(opened.path == str(file) for opened in process.open_files())
    except (psutil.Error, OSError):  # another account's, or gone
        return False


def _described(
    process: psutil.Process, above: psutil.Process | None, installation: Installation
) -> User | None:
    words, pid = process.cmdline(), process.pid
    if not words:
        return None  # it has ended, and nobody has looked yet
    # One that is just ending may have let go of its lock already.
    is_serving = _argument_of("local_aws", words) == "serve"
    if is_serving or _has_open(process, installation.server_lock):
        if "--until-unused" in words:
            return None  # it watches the lock and does not hold it
        what = "the stand-in itself, served in a terminal"
        return User(pid, what, f"press Ctrl-C there, or: kill {pid}")
    if any(word.startswith("ipykernel") for word in words):
        return _kernel(process, above)
    if above is not None:
        return None
    name = Path(words[0]).name.lstrip("-")
    course = _argument_of("course", words)
    if (
        course == "lab"
        or "course.lab_server" in words
        or JUPYTER & {Path(word).name for word in words[:4]}
    ):
        there = "press Ctrl-C twice in its terminal"
        return User(pid, "JupyterLab", f"{there}, or: kill {pid}")
    if name in SHELLS and len(words) == 1:
        return User(pid, f"a shell, {name}", "leave it with `exit`")
    what = MAKE.get(course or "", "") or _shortened(words)
    return User(pid, what, f"press Ctrl-C in its terminal, or: kill {pid}")


def _kernel(process: psutil.Process, above: psutil.Process | None) -> User | None:
    """A notebook, named if Jupyter's server has told the kernel which one it runs."""
    notebook = process.environ().get("JPY_SESSION_NAME")
    if notebook is None and above is not None:
        return None  # a lesson of `make course`, which is in the list itself
    if notebook is None:
        what = f"a notebook's kernel in {process.cwd()}"
    else:
        path = Path(notebook)
        inside = path.is_relative_to(CHECKOUT)
        what = f"the notebook {path.relative_to(CHECKOUT) if inside else path}"
    how = f"choose Kernel > Shut Down Kernel in Jupyter, or: kill {process.pid}"
    return User(process.pid, what, how)


def _argument_of(module: str, words: list[str]) -> str | None:
    """What follows `-m module` in a command, None if nothing does."""
    for first, second, third in zip(words, words[1:], words[2:], strict=False):
        if (first, second) == ("-m", module):
            return third
    return None


def _shortened(words: list[str]) -> str:
    """A command on one line, at most LONGEST_COMMAND long."""
    text = " ".join([Path(words[0]).name, *map(shlex.quote, words[1:])])
    return textwrap.shorten(text, LONGEST_COMMAND, placeholder=" ...")
