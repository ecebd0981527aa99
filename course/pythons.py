"""Which Pythons the course runs on; what happens on the others.

Every Python from 2.7 on can read this module, so it uses no newer syntax.
"""

import os
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 14)
CANDIDATES = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]


def dotted(version):
    """Return (3, 11) as 3.11."""
    return ".".join(str(part) for part in version)


def refusal(version):
    """Return the sentence that says which Python is needed, or None if this will do.

    It names a suitable Python of this machine if there is one.
    """
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    found = [name for name in CANDIDATES if on_path(name)]
    if found:
        advice = (
            "This machine has {0}: add PYTHON={0} to the make command, "
            "or start the same command with {0}.".format(found[0])
        )
    else:
        advice = "Install one of them, then add PYTHON=python3.N to the make command."
    return "The course needs Python {} to {}; this is {}. {}".format(
        dotted(OLDEST), dotted(NEWEST), dotted(version[:2]), advice
    )


def on_path(name):
    """Say whether a shell would find a program of this name that starts."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path) and _starts(path):
            return True
    return False


def leave_to_a_newer_one(argv):
    """Let .venv's Python do what this one can't; without one, refuse.

    `python3` may be an old one where .venv was made by another, so only a command that
    asks for this very Python is refused then too.
    """
    started = "-m" if sys.version_info >= (3,) else "-c"
    if argv[0] != started:  # imported, and not by `python -m course`
        raise ImportError(refusal(sys.version_info))
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    newer = os.path.join(root, ".venv", "bin", "python")
    if "--python" not in argv and _starts(newer):
        os.execv(newer, [newer, "-m", "course"] + list(argv[1:]))  # noqa: S606
    sys.stderr.write(refusal(sys.version_info) + "\n")
    sys.exit(2)


def _starts(python):
    """Say whether this is a Python that starts and on which the course runs."""
    code = "import sys; sys.exit(not %r <= sys.version_info[:2] <= %r)"
    command = [python, "-c", code % (OLDEST, NEWEST)]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError:
        return False
    process.communicate()
    return process.returncode == 0
