"""Input channels as xgboost's DMatrix.

Text is read by xgboost's own loader, as in the image: what is a missing value, how a
short row or a header line is taken, and each number's last bit are then the image's.
It reads in pieces and is faster than any other reader tried (3.3 s for 1,000,000 x 50
numbers, pyarrow 7.0 s with what follows), and holds little more than the matrix.

Parquet and RecordIO are read piece by piece into one array of 32 bit numbers, from
which the matrix is made; the array is then given up.
"""

import contextlib
import csv
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local_aws.containers.xgboost import library
from local_aws.containers.xgboost.content_types import CSV, LIBSVM, PARQUET
from local_aws.containers.xgboost.errors import UserError
from local_aws.containers.xgboost.log import logger

if TYPE_CHECKING:
    from pyarrow import ChunkedArray
    from pyarrow.parquet import ParquetFile
    from xgboost import DMatrix

_MAX_FOLDER_DEPTH = 3
_LINKS = "sagemaker_xgboost_input_data"

# Types that pandas notes for a column; others, Int64 say, have a missing value of
# their own.
_NUMPY_TYPE = re.compile(r"bool|(u?int|float)\d+")

# Bytes of a parquet row group from which on its columns are read one after the other.
LARGE_ROW_GROUP = 16 * 1024**2


def size(folder: Path) -> int:
    """Bytes of all files in the channel's folder, 0 when there is no such folder.

    UserError when a hidden file is among them.
    """
    if not folder.exists():
        logger.info(f"Path {folder} does not exist!")
        return 0
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith("."):
                raise UserError(
                    "Hidden file found in the data path! Remove that before training."
                )
            total += (Path(parent) / name).stat().st_size
    return total


def warn_of_same_files(train: Path, validation: Path) -> None:
    """Warn when both channels have a file of the same name and size."""
    for file in sorted(train.iterdir()) if train.is_dir() else []:
        other = validation / file.name
        if not (file.is_file() and other.is_file()):
            continue
        if file.stat().st_size == other.stat().st_size:
            logger.warning(
                f"Suspected identical files found. ({file} and {other}"
                f"with same size {file.stat().st_size} bytes). "
                "Note: Duplicate data in the training set and validation set is "
                "usually not intentional and can impair the validity of the model "
                "evaluation by the validation score."
            )


def check_first_lines(folder: Path, form: str) -> None:
    """UserError when a file does not begin as csv or libsvm text does.

    Only files of the first folder without sub-folders are looked at, and not those
    whose names begin with a dot or an underscore; so the image does it.
    """
    leaf = next((Path(p) for p, folders, _ in os.walk(folder) if not folders), folder)
    for file in sorted(leaf.iterdir()):
        if not file.is_file() or file.name.startswith((".", "_")):
            continue
        with file.open(errors="ignore") as lines:
            if form == CSV:
                csv_delimiter(lines.readline())
            elif form == LIBSVM:
                _check_libsvm_lines(file.name, lines)


def csv_delimiter(line: str) -> str:
    """The delimiter that csv.Sniffer finds in a line; UserError if it finds none."""
    try:
        delimiter = csv.Sniffer().sniff(line).delimiter
    except csv.Error as error:
        raise UserError(
            f"Could not determine delimiter on line {line[:50]}:\n{error}"
        ) from None
    logger.info(f"Determined delimiter of CSV input is '{delimiter}'")
    return delimiter


def _check_libsvm_lines(file_name: str, lines: object) -> None:
    """Look at lines until one has two features; UserError at the first bad line."""
    for line in lines:  # type: ignore[attr-defined]
        features = _libsvm_features(line)
        if features is None:
            raise UserError(
                f"First line '{line[:50]}...' of file '{file_name}' is not 'LIBSVM' "
                "format. Please ensure the file is in 'LIBSVM' format."
            )
        if features > 1:
            return
    logger.warning(
        f"File {file_name} is not an invalid LIBSVM file but has no features. "
        "Accepting simple validation."
    )


def _libsvm_features(line: str) -> int | None:
    """How many index:value pairs follow the label; None if the line is not libsvm."""
    label, *pairs = line.split(" ")
    parts = label.split(":")
    try:
        [float(part) for part in parts]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2):
        logger.error(f"{label} does not follow LIBSVM label format <label>(:<weight>).")
        return None
    if pairs and len(pairs[0].split(":")) != 2:
        return None
    return len(pairs) if all(":" in pair for pair in pairs) else None


def load(
    folder: Path,
    form: str,
    csv_weights: int,
    scratch: Path,
    threads: int | None = None,
) -> "DMatrix":
    """The channel's files as one DMatrix; the first column is the label.

    folder: the channel's, with sub-folders down to the third level. form: one of
    content_types. csv_weights: 1 if a csv's second column is the row's weight.
    scratch: a folder in which links to all files are made for the time of reading,
    since xgboost's loader takes the files of one folder only. threads: to make the
    matrix with; None for the library's choice.

    UserError with the official text when the files can't be read, or when no row is
    left.
    """
    links = _make_link_folder(scratch)
    try:
        _link_files(folder, links)
        logger.info(f"files path: {links}")
        if form in (CSV, LIBSVM):
            source = _text_uri(links, form, csv_weights)
            more = {}
        else:
            source, more = _read_table(links, form)
        # By their relative name, since the library's Python side writes letters beyond
        # ASCII in a way that its native side does not read.
        with contextlib.chdir(links.parent):
            matrix = _matrix(source, form, nthread=threads, **more)
    finally:
        shutil.rmtree(links, ignore_errors=True)
    if matrix.get_label().size == 0:
        raise UserError(
            "Got input data without labels. Please check the input data set. "
            "If training job is running on multiple instances, please switch "
            "to using single instance if number of records in the data set "
            "is less than number of workers (16 * number of instance) in the cluster."
        )
    return matrix


def _text_uri(links: Path, form: str, csv_weights: int) -> str:
    """By what xgboost's loader finds the files from the folder above the links, and
    what it must know of them.
    """
    if form == LIBSVM:
        return f"{links.name}?format=libsvm"
    # Unlike the check before it, the image reads UTF-8 here or fails.
    with _files(links)[0].open(encoding="utf-8") as lines:
        delimiter = csv_delimiter(lines.readline())
    weights = "&weight_column=1" if csv_weights == 1 else ""
    return f"{links.name}?format=csv&label_column=0&delimiter={delimiter}{weights}"


def _files(links: Path) -> list[Path]:
    """The channel's files, except empty ones such as the markers of other programs."""
    return [file for file in sorted(links.iterdir()) if file.stat().st_size]


def _matrix(source: Any, form: str, **more: Any) -> "DMatrix":
    xgboost = library.load()
    try:
        return xgboost.DMatrix(source, **more)
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise _unreadable(form, error) from None


def _unreadable(form: str, error: Exception) -> UserError:
    return UserError(
        f"Failed to load {form} data with exception:\n{library.plain_message(error)}"
    )


def _read_table(links: Path, form: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Features, (rows, columns), and the labels by their name in a DMatrix."""
    try:
        if form == PARQUET:
            features, labels = _read_parquet(sorted(links.iterdir()))
        else:
            features, labels = _read_recordio(_files(links))
    except (
        ValueError,
        TypeError,
        LookupError,
        OSError,
        NotImplementedError,
    ) as error:
        # pyarrow's errors are kinds of these.
        raise _unreadable(form, error) from None
    return features, {} if labels is None else {"label": labels}


def _read_parquet(files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The first column is the label; a missing value is nan.

    As in the image, pyarrow reads all files as one data set and pandas makes a table of
    it: the first file says which columns there are, by their names, and what pandas had
    written as its index is an index again. Where it comes to the same, the files are
    read column by column instead, which holds the numbers once.
    """
    import pyarrow

    # pyarrow's own memory pool keeps what it once had.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    folder = files[0].parent
    # The data set has no files whose names begin with an underscore.
    files = [file for file in files if not file.name.startswith("_")]
    names = _plain_columns(files)
    table = _by_column(files, names) if names else _by_pandas(folder)
    return table[:, 1:], table[:, 0]


def _plain_columns(files: list[Path]) -> list[str]:
    """The names of the label and the features, or none if it takes pandas to read them:
    files that differ, names that occur twice, columns of something else than numbers.
    """
    from pyarrow import ArrowInvalid, parquet, types

    try:
        schemas = [parquet.read_schema(file) for file in files]
    except (ArrowInvalid, OSError):
        return []
    if not schemas or any(schema != schemas[0] for schema in schemas):
        return []
    written_by_pandas = schemas[0].pandas_metadata or {}
    kinds = {column["numpy_type"] for column in written_by_pandas.get("columns", [])}
    plain = (types.is_integer, types.is_float32, types.is_float64, types.is_boolean)
    if (
        len(set(schemas[0].names)) < len(schemas[0].names)
        or not all(any(fits(kind) for fits in plain) for kind in schemas[0].types)
        or not all(_NUMPY_TYPE.fullmatch(kind) for kind in kinds)
    ):
        return []
    index = written_by_pandas.get("index_columns", [])
    return [name for name in schemas[0].names if name not in index]


def _by_pandas(folder: Path) -> np.ndarray:
    from pyarrow import parquet

    return parquet.read_table(folder).to_pandas().to_numpy()


def _by_column(files: list[Path], names: list[str]) -> np.ndarray:
    from pyarrow import parquet

    opened = [parquet.ParquetFile(file) for file in files]
    rows = sum(file.metadata.num_rows for file in opened)
    table = np.empty((rows, len(names)), dtype=np.float32)
    filled = 0
    for file in opened:
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            block = table[filled : filled + count]
            for place, column in enumerate(_parquet_columns(file, group, names)):
                block[:, place] = column.to_numpy()
            filled += count
    return table


def _parquet_columns(
    file: "ParquetFile", group: int, names: list[str]
) -> Iterator["ChunkedArray"]:
    """The columns of a row group, one by one in memory if it is a large one."""
    size = file.metadata.row_group(group).total_byte_size
    if size < LARGE_ROW_GROUP:
        whole = file.read_row_group(group, use_threads=False)
        yield from (whole.column(name) for name in names)
        return
    for name in names:
        found = file.read_row_group(group, columns=[name], use_threads=False)
        yield found.column(name)


def _read_recordio(files: list[Path]) -> tuple[Any, np.ndarray | None]:
    """Dense rows as an array; a csr_matrix when a record is sparse."""
    from local_aws.containers import recordio

    table = recordio.join(recordio.read_files(files))
    return table.features, table.labels


def _make_link_folder(scratch: Path) -> Path:
    links = scratch / _LINKS
    if any(sign in str(links) for sign in "#?;"):
        # These have a meaning of their own in the loader's file names, which it makes
        # absolute.
        return Path(tempfile.mkdtemp(prefix=_LINKS))
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(parents=True)
    return links


def _link_files(channel: Path, links: Path) -> None:
    """Make a link to each file and say so in the log, as the image does."""

    def walk(folder: Path, depth: int) -> None:
        if depth > _MAX_FOLDER_DEPTH:
            logger.warning(
                f"The depth of folder {channel} exceed the limit {_MAX_FOLDER_DEPTH}. "
                "Files in deeper sub dirs won't be loaded. "
                "Please adjust the folder structure accordingly."
            )
            return
        logger.info(f"Making smlinks from folder {folder} to folder {links}")
        for item in sorted(folder.iterdir()):
            if item.is_dir():
                walk(item, depth + 1)
                continue
            # A number of the path keeps files of the same name in two folders apart.
            # The image's number differs from run to run; a checksum does not.
            number = zlib.crc32(str(item.relative_to(channel)).encode())
            name = "".join("_" if sign in "#?;" else sign for sign in item.name)
            link = links / f"{name}{number}"
            logger.info(f"creating symlink between Path {item} and destination {link}")
            link.symlink_to(item.resolve())

    logger.info(f"File path {channel} of input files")
    walk(channel, depth=1)
