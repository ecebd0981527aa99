"""Which notebooks need the bank-marketing data, and whether it can be had."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from utils import bank_marketing_file


def uses_bank_data(path: Path) -> bool:
    """Tell whether a notebook loads the bank-marketing data."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "utils.bank_marketing" in text


def why_made_up(paths: Iterable[Path]) -> str:
    """Say why notebooks would run with made-up data here; "" if none of them would.

    What has to be downloaded for them is downloaded.
    """
    if any(map(uses_bank_data, paths)):
        try:
            bank_marketing_file.read_file()
        except bank_marketing_file.NoData as problem:
            return str(problem)
    return ""
