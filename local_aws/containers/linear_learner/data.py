"""Input channels as arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local_aws.containers.linear_learner.channels import CSV
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.log import logger


@dataclass(frozen=True)
class Records:
    """labels: (rows,) float64. features: (rows, columns) float64."""

    labels: np.ndarray
    features: np.ndarray


def read(channel: str, folder: Path, content_type: str, batch: int) -> Records:
    """All records of a channel's folder, file after file by name.

    batch: how many rows AWS would read at a time; a bad row is reported with the
    batch that it is in. CustomerError when something can't be read, is missing or is
    infinite.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    tables = [_READERS[content_type](file, batch) for file in files]
    tables = [table for table in tables if table.size]
    if not tables:
        raise CustomerError(
            f"Unable to read data channel '{channel}'. "
            "Please verify the correct data channel configuration is provided."
        )
    if len({table.shape[1] for table in tables}) > 1:
        raise CustomerError(
            f"The files of data channel '{channel}' have different numbers of columns."
        )
    table = np.concatenate(tables)
    if table.shape[1] < 2:
        raise CustomerError(
            f"The csv of data channel '{channel}' has one column: it needs the label "
            "first and the features after it, separated by commas."
        )
    _check_finite(channel, table)
    return Records(table[:, 0], table[:, 1:])


def _check_finite(channel: str, table: np.ndarray) -> None:
    """Texts of the algorithms' toolkit."""
    for found, what in (
        (np.isnan, "missing (NaN)"),
        (np.isinf, "infinite floating point"),
    ):
        if found(table).any():
            raise CustomerError(
                f"Unable to read data channel '{channel}'. Found {what} values. "
                f"Please remove any {what} values in the input data."
            )


def _read_csv(file: Path, batch: int) -> np.ndarray:
    """(rows, columns); CustomerError as amazon-sagemaker-examples issue 1017 quotes."""
    if not file.read_bytes().strip():
        return np.empty((0, 0))
    try:
        return np.loadtxt(file, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        row = _first_bad_row(file)
        logger.error(f"{file}, row {row + 1}: {error}")
        first = row // batch * batch + 1
        raise CustomerError(
            f"Unable to parse csv: rows {first}-{first + batch - 1}, file {file}"
        ) from None


def _first_bad_row(file: Path) -> int:
    """Index of the first line that is no row of as many numbers as the line before."""
    columns = None
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            fields = line.split(",")
            try:
                _ = [float(value) for value in fields]
            except ValueError:
                return number
            if columns not in (None, len(fields)):
                return number
            columns = len(fields)
    return 0


_READERS = {CSV: _read_csv}
