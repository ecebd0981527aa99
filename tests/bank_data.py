"""Whether the real bank-marketing data is on this machine; what its lessons run with.

No test downloads it. Where neither data/downloads nor a mirror's folder has it, the
lessons run with made-up data, and what needs the real data is skipped.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from course.bank_data import uses_bank_data
from utils import bank_marketing_file
from utils.bank_marketing_file import MIRROR_VARIABLE, SYNTHETIC, WHOLE


def real_data(name: str = WHOLE) -> Path | None:
    """Give the folder on this machine that the real data is read from."""
    downloads, mirror = bank_marketing_file.DOWNLOADS, bank_marketing_file.mirror_name()
    return found(name, downloads, mirror)


@functools.cache
def found(name: str, *_places: object) -> Path | None:
    return bank_marketing_file.folder_with(name)


def why_not_real(name: str = WHOLE) -> str:
    """Say why tests have to do without the real data here, or ""."""
    if real_data(name) is not None:
        return ""
    return (
        f"Neither {bank_marketing_file.DOWNLOADS} nor a folder that {MIRROR_VARIABLE} "
        f"names has {name}, and tests don't download it."
    )


def with_data(
    environment: Mapping[str, str], notebook: Path, *, made_up: bool = False
) -> dict[str, str]:
    """Let a notebook in a copy of the course use the real data if it is here.

    If not, or with `made_up`, it is told to make it up. It never tries the network.
    """
    if not uses_bank_data(notebook):
        return dict(environment)
    folder = None if made_up else real_data()
    return dict(environment) | {MIRROR_VARIABLE: str(folder or SYNTHETIC)}
