"""A request's body as features, by its content type."""

import csv
import io
import re
from typing import TYPE_CHECKING

import numpy as np

from local_aws.containers.xgboost import content_types, library
from local_aws.containers.xgboost.content_types import CSV, LIBSVM

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from xgboost import DMatrix

xgboost = library.load()

Features = np.ndarray | xgboost.DMatrix

_EMPTY_FIELD = re.compile(r"(?<![^,\n])(?=,|\n|\Z)")
_FAST_DELIMITERS = {",", ";", "\t", "|"}


class UnreadablePayload(Exception):
    """The body is not what its content type says; the text goes to the client."""


def parse(body: bytes, content_type: str | None) -> Features:
    """The features of a body: (rows, columns) float32 with nan for what is missing,
    or a DMatrix.

    content_type: the request's header, or None. UnreadablePayload or UserError with
    the official texts; the client gets them with status 415.
    """
    form = content_types.data_format(content_type)
    if form == CSV:
        reader, advice = _csv_features, "csv"
    elif form == LIBSVM:
        reader, advice = _libsvm_features, "libsvm"
    else:
        raise UnreadablePayload(f"Content-type {content_type} is not supported.")
    try:
        return reader(body.strip().decode("utf-8"))
    except Exception as error:
        # Whatever goes wrong with a payload is told to its sender, as the image does.
        raise UnreadablePayload(
            f"Loading {advice} data failed with Exception, please ensure data is in "
            f"{advice} format:\n {type(error)}\n {library.plain_message(error)}"
        ) from error


def _csv_features(text: str) -> Features:
    delimiter = _csv_delimiter(text.split("\n", 1)[0][:512])
    table = _fast_table(text, delimiter)
    if table is None:
        rows = [
            ["nan" if field == "" else field for field in line.split(delimiter)]
            for line in text.split("\n")
        ]
        table = np.array(rows, dtype=np.float64)
    if np.isinf(table).any():
        # Refused in the words of xgboost, where a DMatrix is made.
        xgboost.DMatrix(table)
    return table.astype(np.float32)


def _csv_delimiter(line: str) -> str:
    """What csv.Sniffer finds, a letter or digit counting as a comma.

    It takes a comma before all others if there is one and nothing is quoted, so that
    usual rows need not be sniffed (a tenth of a millisecond).
    """
    if "," in line and '"' not in line and "'" not in line:
        return ","
    delimiter = csv.Sniffer().sniff(line).delimiter
    return "," if delimiter.isalnum() else delimiter


def _fast_table(text: str, delimiter: str) -> np.ndarray | None:
    """The numbers by numpy's reader, or None where it might see another table.

    It skips blank lines, which are an error here, and knows nothing of empty fields,
    which are missing values.
    """
    if delimiter not in _FAST_DELIMITERS:
        return None
    if delimiter == "," and (",," in text or ",\n" in text or "\n," in text):
        text = _EMPTY_FIELD.sub("nan", text)
    try:
        table = np.loadtxt(
            io.StringIO(text), delimiter=delimiter, comments=None, ndmin=2
        )
    except ValueError:
        return None
    return table if len(table) == text.count("\n") + 1 else None


def _libsvm_features(text: str) -> "DMatrix":
    """One row per line of `[label] index:value ...`; what has no colon is skipped."""
    return xgboost.DMatrix(_libsvm_matrix(text))


def _libsvm_matrix(text: str) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    rows, columns, values = [], [], []
    for number, line in enumerate(text.split("\n")):
        for item in line.split(" "):
            if ":" in item:
                parts = item.split(":")
                rows.append(number)
                columns.append(int(parts[0]))
                values.append(float(parts[1]))
    return csr_matrix((values, (rows, columns)))
