"""What lessons share and AWS does not teach: connect, data, plots, cost, checks.

A lesson makes the calls to AWS that it is about; what leads up to them may be here.
This file imports only the standard library, and an old Python can read it too, so that
`check_versions` can speak before a missing package or a line that is too new does.
"""

import os
import sys
from pathlib import Path

# The bounds of requirements.txt that matter on a SageMaker notebook instance too.
NEEDED = {
    "sagemaker": ">=3.27,<4",
    "boto3": ">=1.44,<2",
    "numpy": ">=2.2,<3",
    "pandas": ">=2.3,<4",
    "matplotlib": ">=3.10,<4",
}
# What the stand-in for AWS imports beyond them: it starts with the kernel's Python.
OF_THE_STAND_IN = (
    "httptools",
    "jsonpath_ng",
    "moto",
    "pyarrow",
    "regex",
    "sklearn",
    "threadpoolctl",
    "uvicorn",
    "werkzeug",
    "xgboost",
)
OLDEST_PYTHON = (3, 11)
# SageMaker puts this file on each of its notebook instances and into Studio.
# (AWS page: Get Notebook Instance Metadata.)
METADATA_FILE = "/opt/ml/metadata/resource-metadata.json"
VENV = Path(__file__).resolve().parent.parent / ".venv"


class WrongKernel(RuntimeError):
    """This Python can't run the lesson. The text says which one can, and how."""

    def _render_traceback_(self) -> list:
        """Say what IPython shows in the place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def check_versions() -> None:
    """Print the versions in use; WrongKernel, with the remedy, if one will not do."""
    found = require_kernel()
    print("Ready:", ", ".join(f"{name} {number}" for name, number in found.items()))


def require_kernel() -> dict:
    """Return the versions in use; WrongKernel, with the remedy, if one will not do."""
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(str(number) for number in OLDEST_PYTHON)
        raise WrongKernel(_told(f"Python {wanted} or newer is needed"))
    from importlib.metadata import PackageNotFoundError, version

    problems, missing, found = [], [], {}
    for package, bounds in NEEDED.items():
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            missing.append(package)
            continue
        if not within(found[package], bounds):
            problems.append(f"{package} is {found[package]}, {bounds} is needed")
    if missing:
        problems.append(", ".join(missing) + " must be installed")
    if problems:
        raise WrongKernel(_told("; ".join(problems)))
    if not on_sagemaker() and os.environ.get("SAGEMAKER_COURSE_RUNS_ON") != "aws":
        check_stand_in()
    return found


def check_stand_in() -> None:
    """Raise WrongKernel if the stand-in for AWS could not start with this Python."""
    from importlib.util import find_spec

    missing = [name for name in OF_THE_STAND_IN if find_spec(name) is None]
    if missing:
        needed = ", ".join(missing)
        raise WrongKernel(_told(f"the stand-in for AWS can't start without {needed}"))


def on_sagemaker() -> bool:
    """Say whether this is a SageMaker notebook instance, or Studio."""
    file = os.environ.get("SAGEMAKER_COURSE_METADATA_FILE", METADATA_FILE)
    return os.path.isfile(file)


def _told(problem: str) -> str:
    """Say what is wrong with this kernel, and how to get one that will do."""
    number = ".".join(str(part) for part in sys.version_info[:3])
    return f"this kernel is Python {number} in {sys.prefix}; {problem}.\n{_remedy()}"


def _remedy() -> str:
    if on_sagemaker():
        if sys.version_info < OLDEST_PYTHON:
            return (
                "Choose another kernel. If there is none, the appendix of lesson 00 "
                "shows how to make one."
            )
        wanted = " ".join(f'"{name}{bounds}"' for name, bounds in NEEDED.items())
        return (
            f"Put this into a new cell and run it: %pip install {wanted}\n"
            "Then restart the kernel and run this cell again."
        )
    install = f"`make install`, in a terminal in the folder {VENV.parent}"
    if Path(sys.prefix).resolve() == VENV.resolve():
        return f"To complete it: {install}. Then restart the kernel."
    if not (VENV / "bin" / "python").exists():
        first = f"First make the course's own Python: {install}.\nThen choose it: "
    else:
        first = "Choose the course's own Python as the kernel: "
    if "LOCAL_AWS_HOME" in os.environ:  # a Jupyter that was started by `make lab`
        return first + "Kernel > Change Kernel > Python 3 (ipykernel)."
    return (
        first + "in VS Code, by Select Kernel > Python Environments > .venv; "
        "in JupyterLab, by starting it with `make lab`."
    )


def within(number: str, bounds: str) -> bool:
    """Say whether a version such as '1.44.5' keeps bounds of the form '>=1.44,<2'."""
    lowest, below = (bound.lstrip("<>=") for bound in bounds.split(","))
    return _parts(lowest) <= _parts(number) < _parts(below)


def _parts(number: str) -> tuple:
    """Turn '3.27.0rc1' into (3, 27): two numbers are all that the bounds use."""
    return tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
