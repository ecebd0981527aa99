"""In the Python of a container: what becomes of a script that names /opt/ml itself.

A copy of this file is imported by each Python that starts there. Where another folder
stands for /opt/ml, a script must not write to this machine's /opt/ml, and would look in
vain for its data there. What opens, lists, makes, renames or removes something below it
is refused, with what to use instead; so is the start of a program with such a path. It
does not see libraries that open files without Python, nor what other programs do; but
it looks into a shell script that Python starts.

A question (`os.path.exists`) gets the answer that it gets on AWS: scripts find out so
whether they run in SageMaker, and must not go a way that they don't go there.
"""

import errno
import os
import re
import sys
from collections.abc import Callable
from typing import Any

_OPT_ML = "/opt/ml"

# The audit events (Python's documentation, "Audit events table") with paths among
# their arguments: how many of these come first.
_PATHS = {
    "glob.glob": 1,
    "open": 1,
    "os.chdir": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.link": 2,
    "os.listdir": 1,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.scandir": 1,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.utime": 1,
    "os.walk": 1,
    "pathlib.Path.glob": 1,
    "pathlib.Path.rglob": 1,
    "shutil.rmtree": 1,
    "sqlite3.connect": 1,
}
# And those with the words of a command.
_COMMANDS = frozenset(
    {"os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
)

_IN_A_COMMAND = re.compile(r"(?<![\w./-])/opt/ml(?![\w.-])[\w./-]*")

_SHELL_SCRIPT = re.compile(r"[\w./-]+\.sh\b")
_LONGEST_SCRIPT = 1_000_000

_INSTEAD = (
    ("/opt/ml/model", 'os.environ["SM_MODEL_DIR"]'),
    ("/opt/ml/output/data", 'os.environ["SM_OUTPUT_DATA_DIR"]'),
    ("/opt/ml/output", 'os.environ["SM_OUTPUT_DIR"]'),
    ("/opt/ml/input/config", 'os.environ["SM_INPUT_CONFIG_DIR"]'),
    ("/opt/ml/input", 'os.environ["SM_INPUT_DIR"]'),
    ("/opt/ml/code", "os.path.dirname(os.path.abspath(__file__))"),
)
_CHANNELS = "/opt/ml/input/data/"

# The code that looks for modules.
_IMPORTS = "<frozen importlib._bootstrap_external>"

# Where the notice is kept for the platform.
_NOTICE = os.path.join(sys.prefix, "opt_ml_notice.txt")


def _path_of(value: object) -> str | None:
    """The path below /opt/ml that this names, or None."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        return None
    path = os.fsdecode(value)
    if "ml" not in path:
        return None
    path = os.path.abspath(path)
    return path if path == _OPT_ML or path.startswith(_OPT_ML + "/") else None


def _path_in(words: object) -> str | None:
    """The first path below /opt/ml in a command, or None."""
    if isinstance(words, (str, bytes, os.PathLike)):
        words = [words]
    for word in words or ():
        if isinstance(word, (str, bytes, os.PathLike)):
            text = os.fsdecode(word)
            for shown in (text, *_shell_scripts(text)):
                if found := _IN_A_COMMAND.search(shown):
                    return found[0]
    return None


def told_of_shell_scripts(text: str, folder: str) -> str | None:
    """What is said of a command that is to run in a folder, if a shell script that it
    names there has a path below /opt/ml; None if none has.
    """
    for script in _shell_scripts(text, folder):
        if found := _IN_A_COMMAND.search(script):
            return _notice(found[0])
    return None


def _shell_scripts(text: str, folder: str = "") -> list[str]:
    """The shell scripts that a command names, without their comments."""
    found = []
    for name in _SHELL_SCRIPT.findall(text):
        try:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read(_LONGEST_SCRIPT).splitlines()
        except OSError:
            continue
        found.append("\n".join(ln for ln in lines if not ln.lstrip().startswith("#")))
    return found


def _instead_of(path: str) -> str:
    if path.startswith(_CHANNELS):
        channel = path[len(_CHANNELS) :].partition("/")[0]
        return f'os.environ["SM_CHANNEL_{channel.upper()}"]'
    for folder, expression in _INSTEAD:
        if path == folder or path.startswith(folder + "/"):
            return expression
    return (
        "a hyperparameter or a variable of Environment with this path as its value, "
        "which is translated"
    )


def _is_importing() -> bool:
    """Whether modules are looked for, in a folder on sys.path that is not there."""
    frame = sys._getframe().f_back.f_back
    return frame is not None and frame.f_code.co_filename == _IMPORTS


def _notice(path: str) -> str:
    return (
        f"The script names {path} itself, and this local stand-in has another folder "
        f"in the place of {_OPT_ML}. Use {_instead_of(path)}, which is right on AWS too"
    )


def _refuse(path: str) -> None:
    text = _notice(path)
    # Kept for FailureReason, in case that the script catches the error.
    descriptor = os.open(_NOTICE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)
    raise PermissionError(errno.EACCES, text)


def _look(event: str, arguments: tuple) -> None:
    if event in _PATHS:
        for value in arguments[: _PATHS[event]]:
            if (path := _path_of(value)) is not None and not _is_importing():
                if event == "os.mkdir" and os.path.isdir(path):  # nothing is made
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
                _refuse(path)
    elif event in _COMMANDS:
        for words in arguments[:2]:
            if (path := _path_in(words)) is not None:
                _refuse(path)


def _asks_in_ours(ask: Callable) -> Callable:
    """A function of os that asks about a path; of one below /opt/ml it asks about the
    same in the folder that stands for that, where this Python is.
    """
    ours = os.path.dirname(sys.prefix)

    def asked(path: Any, *arguments: Any, **named: Any) -> Any:
        inside = _path_of(path)
        if inside is not None:
            path = ours + inside[len(_OPT_ML) :]
        return ask(path, *arguments, **named)

    asked.__name__ = asked.__qualname__ = ask.__name__
    asked.__module__, asked.__doc__ = "os", ask.__doc__
    for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if ask in known:
            known.add(asked)
    return asked


if __name__ == "_opt_ml_notice":  # the copy
    sys.addaudithook(_look)
    # By these, os.path and pathlib ask; what Python imports comes another way.
    os.stat, os.access = _asks_in_ours(os.stat), _asks_in_ours(os.access)
