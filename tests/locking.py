"""Whether the locks are complete on each Python and system of the course."""

import functools
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course.install import DEV_LOCK, DOCS_LOCK, LOCK, ROOT
from course.pythons import NEWEST, OLDEST

LOCKS = [LOCK, DEV_LOCK, DOCS_LOCK]


def requirements_of(lock: Path) -> Path:
    """Return the file that a lock is made from."""
    return lock.with_suffix(".txt")


def direct(lock: Path = DEV_LOCK) -> list[Requirement]:
    """Read the requirements that a lock is made from."""
    found = []
    for line in requirements_of(lock).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += direct(lock.with_name(line[3:]).with_suffix(".lock"))
        elif line and line[0] != "#":
            found.append(Requirement(line.partition("#")[0]))
    return found


def lock_text(lock: Path = DEV_LOCK) -> str:
    return lock.read_text(encoding="utf-8")


def locked(text: str) -> list[Requirement]:
    """Read the pins of a lock."""
    lines = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    return [Requirement(line.rstrip(" \\")) for line in lines]


@functools.cache
def overrides() -> dict[str, Requirement]:
    """What takes the place of packages' own requirements, from uv's settings."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = settings["tool"]["uv"]["override-dependencies"]
    return {
        canonicalize_name(Requirement(line).name): Requirement(line) for line in lines
    }


def conditions() -> Iterator[dict[str, str]]:
    """Yield what a marker sees on each Python and system that the course supports."""
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        for system in ("Linux", "Darwin"):
            yield {
                **default_environment(),
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.9",
                "sys_platform": system.lower(),
                "platform_system": system,
                "os_name": "posix",
            }


def holes(
    pins: list[Requirement], condition: dict[str, str], lock: Path = DEV_LOCK
) -> list[str]:
    """Return what would be missing, or not fit, if the pins were installed there.

    Follows the requirements of each package as its own metadata gives them, where the
    version that is installed here is the one that is pinned there.
    """
    found = []
    versions: dict[str, str] = {}
    for pin in pins:
        if not _applies(pin, condition):
            continue
        name = canonicalize_name(pin.name)
        if name in versions:
            found.append(f"{name} is pinned twice")
        versions[name] = str(pin.specifier).removeprefix("==")
    wanted = [item for item in direct(lock) if _applies(item, condition)]
    followed: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in versions:
            found.append(f"{requirement} has no pin")
            continue
        version = versions[name]
        if not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{name} {version} is outside {requirement}")
        pythons, requires = _metadata(name, version)
        if not pythons.contains(condition["python_full_version"]):
            found.append(f"{name} {version} is for another Python")
        for extra in {"", *requirement.extras}:
            if (name, extra) not in followed:
                followed.add((name, extra))
                with_extra = {**condition, "extra": extra}
                wanted += [item for item in requires if _applies(item, with_extra)]
    return found


def _applies(requirement: Requirement, condition: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(condition)


@functools.cache
def _metadata(name: str, version: str) -> tuple[SpecifierSet, list[Requirement]]:
    """Read which Pythons a package is for and what it needs, if it is installed."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return SpecifierSet(), []  # for another system
    if distribution.version != version:
        return SpecifierSet(), []  # for another Python
    pythons = SpecifierSet(distribution.metadata.get("Requires-Python", ""))
    requires = [Requirement(line) for line in distribution.requires or []]
    replaced = [overrides().get(canonicalize_name(r.name), r) for r in requires]
    return pythons, replaced
