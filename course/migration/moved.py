"""Where v3 has what an old program imports, by the SDK's files; nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("core", "mlops", "serve", "train")  # of v3, the likeliest first


@cache
def import_today(name: str) -> str:
    """Give v3's import for an old name such as sagemaker.workflow.steps.TrainingStep.

    "" if v3 has no module of this name, and no other module that defines it.
    """
    spec = find_spec("sagemaker")
    roots = [Path(place) for place in spec.submodule_search_locations] if spec else []
    _, *parts = name.split(".")
    places = [(root, package) for root in roots for package in PACKAGES]
    for root, package in places:
        for module, wanted in _splits(parts):
            file = _file(root.joinpath(package, *module))
            if file is not None and (not wanted or _mentions(file, wanted)):
                *above, last = [package, *module, *([wanted] if wanted else [])]
                return f"from sagemaker.{'.'.join(above)} import {last}"
    return next((line for place in places if (line := _defined(*place, parts))), "")


def _splits(parts: list[str]) -> Iterator[tuple[list[str], str]]:
    """Split a name into a module and what is wanted of it, the longest module first."""
    yield parts, ""
    if len(parts) > 1:
        yield parts[:-1], parts[-1]
    if len(parts) > 2 and parts[-2][0].isupper():  # a method of a class
        yield parts[:-2], parts[-2]


def _defined(root: Path, package: str, parts: list[str]) -> str:
    """Give the import of a class that has come into another module, or ""."""
    if not parts[-1][0].isupper():
        return ""
    for file in sorted(root.joinpath(package).glob("**/[!_]*.py"), key=_depth):
        if re.search(rf"^class {parts[-1]}\b", _text(file), re.MULTILINE):
            module = ".".join(file.relative_to(root).with_suffix("").parts)
            return f"from sagemaker.{module} import {parts[-1]}"
    return ""


def _depth(file: Path) -> tuple[int, str]:
    return len(file.parts), str(file)


def _file(module: Path) -> Path | None:
    """Find the file of a module or a package."""
    files = (module.with_name(f"{module.name}.py"), module / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _mentions(file: Path, name: str) -> bool:
    """Tell whether a module defines or imports a name."""
    pattern = rf"^(class|def) {name}\b|^{name}\b *[:=]|^( +|from .*)\b{name}\b,?"
    return re.search(pattern, _text(file), re.MULTILINE) is not None


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
