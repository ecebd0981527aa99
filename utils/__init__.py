"""What lessons share and AWS does not teach: connect, data, plots, cost, checks.

A lesson makes the calls to AWS that it is about; what leads up to them may be here.
This file imports only the standard library, so that `check_versions` can speak before
a missing package does.
"""

import sys
from importlib.metadata import PackageNotFoundError, version

# The bounds of requirements.txt that matter on a SageMaker notebook instance too.
NEEDED = {
    "sagemaker": ">=3.27,<4",
    "boto3": ">=1.44,<2",
    "numpy": ">=2.2,<3",
    "pandas": ">=2.3,<4",
    "matplotlib": ">=3.10,<4",
}
OLDEST_PYTHON = (3, 11)


def check_versions() -> None:
    """Print the versions in use; RuntimeError, with the remedy, if one will not do."""
    problems = []
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(str(number) for number in OLDEST_PYTHON)
        problems.append(f"Python {wanted} or newer is needed; pick another kernel")
    found = {}
    for package, bounds in NEEDED.items():
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            problems.append(f"{package} is missing, {bounds} is needed")
            continue
        if not within(found[package], bounds):
            problems.append(f"{package} is {found[package]}, {bounds} is needed")
    if problems:
        wanted = " ".join(f'"{package}{bounds}"' for package, bounds in NEEDED.items())
        raise RuntimeError(
            "; ".join(problems)
            + f". To install: %pip install {wanted} -- then restart the kernel."
        )
    print("Ready:", ", ".join(f"{name} {number}" for name, number in found.items()))


def within(number: str, bounds: str) -> bool:
    """Say whether a version such as '1.44.5' keeps bounds of the form '>=1.44,<2'."""
    lowest, below = (bound.lstrip("<>=") for bound in bounds.split(","))
    return _parts(lowest) <= _parts(number) < _parts(below)


def _parts(number: str) -> tuple[int, ...]:
    """Turn '3.27.0rc1' into (3, 27): two numbers are all that the bounds use."""
    return tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
