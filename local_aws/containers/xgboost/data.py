"""Input channels as xgboost's DMatrix.

The text is read by xgboost's own loader, as in the image: what is a missing value, how
a short row or a header line is taken, and each number's last bit are then the image's.
"""

import csv
import logging
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.containers.xgboost import library
from local_aws.containers.xgboost.content_types import CSV, LIBSVM
from local_aws.containers.xgboost.errors import UserError

if TYPE_CHECKING:
    from xgboost import DMatrix

_MAX_FOLDER_DEPTH = 3
_LINKS = "sagemaker_xgboost_input_data"

_log = logging.getLogger("sagemaker-xgboost")


def size(folder: Path) -> int:
    """Bytes of all files in the channel's folder, 0 when there is no such folder.

    UserError when a hidden file is among them.
    """
    if not folder.exists():
        _log.info(f"Path {folder} does not exist!")
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
            _log.warning(
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
    _log.info(f"Determined delimiter of CSV input is '{delimiter}'")
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
    _log.warning(
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
        _log.error(f"{label} does not follow LIBSVM label format <label>(:<weight>).")
        return None
    if pairs and len(pairs[0].split(":")) != 2:
        return None
    return len(pairs) if all(":" in pair for pair in pairs) else None


def load(folder: Path, form: str, csv_weights: int, scratch: Path) -> "DMatrix":
    """The channel's files as one DMatrix.

    folder: the channel's, with sub-folders down to the third level. form: CSV or
    LIBSVM. csv_weights: 1 if a csv's second column is the row's weight. scratch: a
    folder in which links to all files are made for the time of reading, since the
    loader takes the files of one folder only.

    UserError with the official text when the loader refuses the text, or when no
    row is left.
    """
    _log.info(f"File path {folder} of input files")
    links = _make_link_folder(scratch)
    try:
        _link_files(folder, links, folder, depth=1)
        _log.info(f"files path: {links}")
        options = "format=libsvm"
        if form == CSV:
            files = [file for file in sorted(links.iterdir()) if file.stat().st_size]
            with files[0].open(errors="ignore") as lines:
                delimiter = csv_delimiter(lines.readline())
            options = f"format=csv&label_column=0&delimiter={delimiter}"
            if csv_weights == 1:
                options += "&weight_column=1"
        matrix = _read(f"{links}?{options}", form)
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


def _read(uri: str, form: str) -> "DMatrix":
    xgboost = library.load()
    try:
        return xgboost.DMatrix(uri)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise UserError(
            f"Failed to load {form} data with exception:\n"
            f"{library.plain_message(error)}"
        ) from None


def _make_link_folder(scratch: Path) -> Path:
    links = scratch / _LINKS
    if any(sign in str(links) for sign in "#?;"):
        # These have a meaning of their own in the loader's file names.
        return Path(tempfile.mkdtemp(prefix=_LINKS))
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(parents=True)
    return links


def _link_files(folder: Path, links: Path, channel: Path, depth: int) -> None:
    if depth > _MAX_FOLDER_DEPTH:
        _log.warning(
            f"The depth of folder {channel} exceed the limit {_MAX_FOLDER_DEPTH}. "
            "Files in deeper sub dirs won't be loaded. "
            "Please adjust the folder structure accordingly."
        )
        return
    _log.info(f"Making smlinks from folder {folder} to folder {links}")
    for item in sorted(folder.iterdir()):
        if item.is_dir():
            _link_files(item, links, channel, depth + 1)
            continue
        # A number of the path keeps files of the same name in two folders apart. The
        # image's number differs from run to run; a checksum does not.
        number = zlib.crc32(str(item.relative_to(channel)).encode())
        safe_name = "".join("_" if sign in "#?;" else sign for sign in item.name)
        link = links / f"{safe_name}{number}"
        _log.info(f"creating symlink between Path {item} and destination {link}")
        link.symlink_to(item.resolve())
