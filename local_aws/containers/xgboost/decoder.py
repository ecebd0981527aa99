"""A request's body as features, by its content type."""

import csv
import functools
import io
from typing import TYPE_CHECKING

import numpy as np

from local_aws.containers import tracebacks
from local_aws.containers.xgboost import content_types, library
from local_aws.containers.xgboost.content_types import CSV, LIBSVM, RECORDIO_PROTOBUF
from local_aws.containers.xgboost.log import logger

if TYPE_CHECKING:
    from pyarrow import DoubleArray
    from scipy.sparse import csr_matrix
    from xgboost import DMatrix

xgboost = library.load()

Features = np.ndarray | xgboost.DMatrix

# pyarrow reads larger csv in less time than Python does (100 rows of 13 numbers in 0.2
# and not in 0.3 ms, 6 MB in 35 and not in 240 ms), and smaller in more.
_LARGE_CSV = 4 * 1024

# More than any body has. What is in memory is not copied, so that it takes none.
_ONE_BLOCK = 2**30


class UnreadablePayload(Exception):
    """The body is not what its content type says; the text goes to the client."""


def parse(body: bytes, content_type: str | None) -> Features:
    """The features of a body: (rows, columns) float32 with nan for what is missing,
    or a DMatrix.

    content_type: the request's header, or None. UnreadablePayload or UserError with
    the official texts; the client gets them with status 415.
    """
    form = content_types.data_format(content_type)
    if form not in _READERS:
        raise UnreadablePayload(f"Content-type {content_type} is not supported.")
    try:
        return _READERS[form](body)
    except Exception as error:
        # Like the image: whatever goes wrong with a payload, its sender is told.
        reason = tracebacks.native(str(error))
        text = f"{type(error)}{_SEPARATOR[form]} {reason}"
        raise UnreadablePayload(
            f"Loading {form} data failed with Exception, please ensure data is in "
            f"{form} format:{_SEPARATOR[form]} {text}"
        ) from error


def _csv_features(body: bytes) -> Features:
    body = body.strip()
    table = _large_table(body) if len(body) >= _LARGE_CSV else None
    if table is not None:
        _log_delimiter(",")
        return _checked(table)
    lines = body.decode("utf-8").split("\n")
    delimiter = _csv_delimiter(lines[0][:512])
    _log_delimiter(delimiter)
    return _checked(
        _numbers(
            [
                ["nan" if field == "" else field for field in line.split(delimiter)]
                for line in lines
            ]
        )
    )


def _log_delimiter(delimiter: str) -> None:
    logger.info(f"Determined delimiter of CSV input is '{delimiter}'")


def _numbers(texts: list) -> np.ndarray:
    """As 64 bit numbers. ValueError in the words of numpy over an array of strings,
    which is what the image converts; over a list it takes half the time.
    """
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError as error:
        told, sign, quoted = str(error).partition("string to float: ")
        raise ValueError(f"{told}{sign}np.str_({quoted})" if sign else told) from None


def _checked(table: np.ndarray) -> np.ndarray:
    """As 32 bit numbers. XGBoostError if one is infinite or too large for that."""
    with np.errstate(over="ignore"):
        features = table.astype(np.float32, copy=False)
    if np.isinf(features).any():
        # Refused in the words of xgboost, where a DMatrix is made.
        xgboost.DMatrix(features)
    return features


def _csv_delimiter(line: str) -> str:
    """What csv.Sniffer finds, a letter or digit counting as a comma.

    It takes a comma before all others if there is one and nothing is quoted, so that
    usual rows need not be sniffed (a tenth of a millisecond).
    """
    if "," in line and '"' not in line and "'" not in line:
        return ","
    delimiter = csv.Sniffer().sniff(line).delimiter
    return "," if delimiter.isalnum() else delimiter


def _large_table(body: bytes) -> np.ndarray | None:
    """The numbers of a table with commas by pyarrow's reader, an empty field as nan.

    None where it fails, or might see another table than Python does: it ends a line at
    a carriage return too, fills up an empty line, knows quotes, and takes nan(1) for a
    number.
    """
    first_line = body.split(b"\n", 1)[0]
    if b"," not in first_line[:512] or any(
        sign in body for sign in (b"\n\n", b"\r", b'"', b"'", b"(")
    ):
        return None
    # Imported on first use: it takes 26 MB.
    import pyarrow
    from pyarrow import csv as arrow_csv

    width = first_line.count(b",") + 1
    try:
        found = arrow_csv.read_csv(
            pyarrow.BufferReader(body),
            *_arrow_options(width),
            # pyarrow's own keeps what it once had.
            pyarrow.system_memory_pool(),
        )
    except pyarrow.ArrowInvalid:
        return None
    table = np.empty((found.num_rows, width), dtype=np.float32)
    with np.errstate(over="ignore"):
        for place, column in enumerate(found.columns):
            table[:, place] = _of_arrow(column.chunk(0))
    return table


@functools.lru_cache(maxsize=4)
def _arrow_options(width: int) -> tuple:
    """How pyarrow reads numbers in so many columns, all of them in one chunk."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    names = [str(i) for i in range(width)]
    types = dict.fromkeys(names, pyarrow.float64())
    return (
        arrow_csv.ReadOptions(
            use_threads=False, block_size=_ONE_BLOCK, column_names=names
        ),
        arrow_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        arrow_csv.ConvertOptions(column_types=types, null_values=[""]),
    )


def _of_arrow(column: "DoubleArray") -> np.ndarray:
    """A column's numbers, nan where there is none.

    Its own to_numpy would import pandas: a quarter of a second and 40 MB.
    """
    present, numbers = column.buffers()
    found = np.frombuffer(numbers, np.float64, len(column))
    if present is None:
        return found
    bits = np.unpackbits(np.frombuffer(present, np.uint8), bitorder="little")
    return np.where(bits[: len(column)], found, np.nan)


def _recordio_features(body: bytes) -> Features:
    """Labels in the records are passed over."""
    # Imported on first use: other requests need no protobuf.
    from local_aws.containers import recordio

    try:
        features = recordio.read_all(io.BytesIO(body), np.float64).features
    except recordio.NotRecordIO as error:
        raise ValueError(str(error)) from None
    if isinstance(features, np.ndarray):
        return _checked(features)
    return xgboost.DMatrix(features)


def _libsvm_features(body: bytes) -> "DMatrix":
    """One row per line of `[label] index:value ...`; what has no colon is skipped.

    Indices without a 0 among them are taken to begin at 1, as the image takes them.
    """
    return xgboost.DMatrix(_libsvm_matrix(body.strip().decode("utf-8")))


def _libsvm_matrix(text: str) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    rows, columns, values = [], [], []
    for number, line in enumerate(text.split("\n")):
        for item in line.split(" "):
            if ":" in item:
                parts = item.split(":")
                rows.append(number)
                columns.append(int(parts[0]))
                values.append(parts[1])
    places = np.array(columns, dtype=np.int64)
    if columns and min(columns) >= 1:
        places -= 1
    return csr_matrix((_numbers(values), (rows, places)))


_READERS = {
    CSV: _csv_features,
    LIBSVM: _libsvm_features,
    RECORDIO_PROTOBUF: _recordio_features,
}

# The image writes what went wrong on lines of their own, but not for RecordIO.
_SEPARATOR = {CSV: "\n", LIBSVM: "\n", RECORDIO_PROTOBUF: ""}
