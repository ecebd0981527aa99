"""Whether the real bank-marketing data can be had here; what its lessons run with."""

import functools
from collections.abc import Mapping
from pathlib import Path

from course.bank_data import uses_bank_data
from course.install import ROOT
from utils import bank_marketing_file
from utils.bank_marketing_file import DOWNLOADS, MIRROR_VARIABLE, SYNTHETIC, NoData


@functools.cache
def why_not_real() -> str:
    """Say why the real data can't be had here, or "". It is downloaded if need be."""
    try:
        bank_marketing_file.read_file()
    except NoData as problem:
        return " ".join(str(problem).split())
    return ""


def with_data(
    environment: Mapping[str, str], notebook: Path, *, made_up: bool = False
) -> dict[str, str]:
    """Let a notebook in a copy of the course use the real data if it can be had here.

    If not, or with `made_up`, it is told to make it up, and does not try the network.
    """
    if not uses_bank_data(notebook):
        return dict(environment)
    if made_up or why_not_real():
        return dict(environment) | {MIRROR_VARIABLE: SYNTHETIC}
    mirror = ROOT / environment.get(MIRROR_VARIABLE, DOWNLOADS)
    folder = mirror if mirror.is_dir() else DOWNLOADS
    return dict(environment) | {MIRROR_VARIABLE: str(folder)}
