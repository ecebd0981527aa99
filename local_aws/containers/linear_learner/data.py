"""Input channels as arrays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from local_aws.containers.linear_learner.channels import CSV, RECORDIO_PROTOBUF
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.log import logger

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from local_aws.containers.recordio import Table


@dataclass(frozen=True)
class Records:
    """labels: (rows,) float64. features: (rows, columns), float64 from csv, float32 and
    perhaps sparse from RecordIO.
    """

    labels: np.ndarray
    features: "np.ndarray | csr_matrix"

    def first(self, count: int) -> "Records":
        """At most so many."""
        return Records(self.labels[:count], self.features[:count])


def dense(features: "np.ndarray | csr_matrix") -> np.ndarray:
    """An array, whatever it was."""
    return features if isinstance(features, np.ndarray) else features.toarray()


def read(channel: str, folder: Path, content_type: str, batch: int) -> Records:
    """All records of a channel's folder, file after file by name.

    batch: how many rows AWS would read at a time; a bad row of csv is reported with the
    batch that it is in. CustomerError when something can't be read, is missing or is
    infinite.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.stat().st_size]
    if content_type == CSV:
        records = _read_csv_files(channel, files, batch)
    else:
        records = _read_recordio_files(channel, files)
    features = records.features
    written = features if isinstance(features, np.ndarray) else features.data
    _check_finite(channel, records.labels)
    _check_finite(channel, written)
    return records


def _nothing_in(channel: str) -> CustomerError:
    return CustomerError(
        f"Unable to read data channel '{channel}'. "
        "Please verify the correct data channel configuration is provided."
    )


def _different_columns(channel: str) -> CustomerError:
    return CustomerError(
        f"The files of data channel '{channel}' have different numbers of columns."
    )


def _read_csv_files(channel: str, files: list[Path], batch: int) -> Records:
    tables = [_read_csv(file, batch) for file in files]
    tables = [table for table in tables if table.size]
    if not tables:
        raise _nothing_in(channel)
    if len({table.shape[1] for table in tables}) > 1:
        raise _different_columns(channel)
    table = np.concatenate(tables)
    if table.shape[1] < 2:
        raise CustomerError(
            f"The csv of data channel '{channel}' has one column: it needs the label "
            "first and the features after it, separated by commas."
        )
    return Records(table[:, 0], table[:, 1:])


def _read_recordio_files(channel: str, files: list[Path]) -> Records:
    """Texts: as far as users have published them, the algorithms' toolkit's."""
    # Imported on first use: csv needs no protobuf.
    from local_aws.containers import recordio

    if not files:
        raise _nothing_in(channel)
    try:
        table = recordio.join(_checked(channel, recordio.read_files(files)))
    except recordio.NotRecordIO as error:
        logger.error(str(error))
        raise CustomerError(
            f"Unable to read data channel '{channel}'. Requested content-type is "
            f"'{RECORDIO_PROTOBUF}'. Please verify the data matches the requested "
            "content-type."
        ) from None
    except CustomerError:
        raise
    except ValueError:
        raise _different_columns(channel) from None
    return Records(table.labels.astype(np.float64), table.features)


def _checked(channel: str, tables: "Iterable[Table]") -> "Iterator[Table]":
    """CustomerError for rows without one label each, and for other than float32."""
    for table in tables:
        if table.labels is None or len(table.labels) != table.features.shape[0]:
            raise CustomerError(
                f"Every record of data channel '{channel}' must have one label: a "
                "tensor of one number under the name 'values'."
            )
        for numbers in (table.features, table.labels):
            if numbers.dtype != np.float32:
                raise CustomerError(
                    f"Data channel '{channel}' has {numbers.dtype} tensors: of "
                    f"{RECORDIO_PROTOBUF} only Float32 tensors are supported."
                )
        yield table


def _check_finite(channel: str, numbers: np.ndarray) -> None:
    """Texts of the algorithms' toolkit."""
    for found, what in (
        (np.isnan, "missing (NaN)"),
        (np.isinf, "infinite floating point"),
    ):
        if found(numbers).any():
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
