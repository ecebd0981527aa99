"""RecordIO files of protobuf records, the binary format of SageMaker's algorithms.

A file is a row of frames: the number 0xCED7230A and the length of the record, both as
little-endian 32 bit numbers, then the record, then zeros up to a multiple of four
bytes. A record is the message aialgs.data.Record (AWS page: Common Data Formats for
Training): two maps from a name to a tensor, `features` and `label`. Both hold one entry
`values` in the data of tables.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from google.protobuf.message import DecodeError, Message

from local_aws.containers.record_message import record_class

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<II")
_NAME = "values"

# Tensors by the name of their field in a Value; the types are those of their numbers.
_TENSORS = {
    "float32_tensor": np.dtype("<f4"),
    "float64_tensor": np.dtype("<f8"),
    "int32_tensor": np.dtype("<i4"),
}


class NotRecordIO(ValueError):
    """The bytes are not a row of frames with records in them."""


@dataclass(frozen=True)
class Table:
    """Rows that follow each other in a file.

    features: (rows, columns), an array for dense records and a csr_matrix for sparse
    ones. labels: all label values, as a rule one per row, or None without any. The
    numbers have the type of the file's.
    """

    features: "np.ndarray | csr_matrix"
    labels: np.ndarray | None


# Reading --------------------------------------------------------------------------


def read(stream: BinaryIO, block_bytes: int = 1024**2) -> Iterator[Table]:
    """The rows of a file, in tables of about `block_bytes`, never more held than that.

    A table holds rows of one kind: dense or sparse ones with the same number of
    columns. A record without features under the name `values` is passed over. A record
    without any key is a dense one, so that an empty sparse record has no columns.

    NotRecordIO for bytes that are no frames, a frame that is cut off, and a record
    that is none; bytes at the end that are too few for a frame are passed over. The
    official reader of the XGBoost image (its recordio_protobuf module) does the same.
    """
    rows: list[_Row] = []
    held = 0
    for record, length in _records(stream):
        row = _row(record)
        if row is None:
            continue
        if rows and (row.kind != rows[0].kind or held >= block_bytes):
            yield _table(rows)
            rows, held = [], 0
        rows.append(row)
        held += length
    if rows:
        yield _table(rows)


def read_files(files: Iterable[Path]) -> Iterator[Table]:
    """The rows of several files, one after the other; as `read` gives them."""
    for file in files:
        with file.open("rb") as stream:
            yield from read(stream)


def read_all(stream: BinaryIO, dtype: Any = np.float32) -> Table:
    """All rows of a file (or of bytes in a BytesIO) as one table of one type.

    Sparse as soon as one record is; the zeros of a dense row are then left out, too.
    NotRecordIO as in `read`, and when there is no record at all; ValueError when
    records differ in their number of columns.
    """
    return join(read(stream), dtype)


def join(tables: Iterator[Table], dtype: Any = np.float32) -> Table:
    """One table of several, of one type. Raises what `read_all` raises.

    Dense rows are gathered in one array that grows, so that they are held once.
    """
    dense = Rows(dtype)
    sparse: list[csr_matrix] = []
    labels = []
    rows = columns = 0
    kinds = set()
    for table in tables:
        kinds.add(type(table.features))
        width = table.features.shape[1]
        if rows and width != columns:
            _check_width(width, columns, rows, kinds)
        columns = width
        rows += table.features.shape[0]
        if isinstance(table.features, np.ndarray) and not sparse:
            dense.add(table.features)
        else:
            sparse += _as_sparse(dense.take(), dtype) if not sparse else []
            sparse += _as_sparse(table.features, dtype)
        if table.labels is not None:
            labels.append(table.labels.astype(dtype))
    features = _stack(sparse, columns) if sparse else dense.take()
    if features is None:
        raise NotRecordIO("No records found in RecordIO-Protobuf data")
    return Table(features, np.concatenate(labels) if labels else None)


def _check_width(width: int, before: int, rows: int, kinds: set[type]) -> None:
    """ValueError for a row that is wider or narrower than the `rows` before it.

    In the words of numpy and scipy, to which the official reader leaves it. Among
    sparse records scipy takes any number of columns after rows that have none.
    """
    if kinds == {np.ndarray}:
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must "
            "match exactly, but along dimension 1, the array at index 0 has size "
            f"{before} and the array at index {rows} has size {width}"
        )
    if len(kinds) == 1:
        raise ValueError("incompatible dimensions for axis 1")
    if before:
        raise ValueError(
            "blocks[:,0] has incompatible column dimensions. Got "
            f"blocks[{rows},0].shape[1] == {width}, expected {before}."
        )


class Rows:
    """A table of numbers that is given block by block and held once.

    It grows in place: memory that is asked for and not yet written is not taken.
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        self._dtype = np.dtype(dtype)
        self._array: np.ndarray | None = None
        self._count = 0

    def add(self, block: np.ndarray) -> None:
        """Append (rows, columns), as many columns as the blocks before it have."""
        columns = block.shape[1]
        if self._array is None:
            self._array = np.empty((2 * len(block), columns), self._dtype)
        needed = self._count + len(block)
        if needed > len(self._array):
            self._array.resize((2 * needed, columns), refcheck=False)
        self._array[self._count : needed] = block
        self._count = needed

    def take(self) -> np.ndarray | None:
        """All rows, or None if there was no block. The object is empty after it."""
        array, count = self._array, self._count
        self._array, self._count = None, 0
        if array is not None:
            array.resize((count, array.shape[1]), refcheck=False)
        return array


def _sparse(
    values: np.ndarray, keys: np.ndarray, bounds: np.ndarray, shape: tuple[int, int]
) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    return csr_matrix((values, keys, bounds), shape=shape)


def _as_sparse(features: Any, dtype: Any) -> list:
    if features is None:
        return []
    from scipy.sparse import csr_matrix

    return [csr_matrix(features, dtype=dtype)]


def _stack(parts: list, columns: int) -> Any:
    from scipy.sparse import csr_matrix, vstack

    # The first part may have no column: its rows are rows with nothing in them.
    if not parts[0].shape[1]:
        parts[0] = csr_matrix((parts[0].shape[0], columns), dtype=parts[0].dtype)
    return vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def _records(stream: BinaryIO) -> Iterator[tuple[Message, int]]:
    """Each record, and its length."""
    parse = record_class().FromString
    position = 0
    while len(header := stream.read(_HEADER.size)) == _HEADER.size:
        magic, length = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise NotRecordIO(f"Invalid RecordIO magic at offset {position}")
        position += _HEADER.size
        content = stream.read(_padded(length))
        if len(content) < _padded(length):
            raise NotRecordIO(f"Truncated record at offset {position}")
        try:
            yield parse(content[:length]), length
        except DecodeError as error:
            raise NotRecordIO(f"No record at offset {position}: {error}") from None
        position += len(content)


@dataclass(frozen=True, slots=True)
class _Row:
    """values: the numbers. keys: their columns, or None for a dense row. width: how
    many columns there are. labels: or None without any.
    """

    values: np.ndarray
    keys: np.ndarray | None
    width: int
    labels: np.ndarray | None

    @property
    def kind(self) -> tuple[np.dtype, bool, int]:
        """Rows of one kind can stand in one table."""
        return self.values.dtype, self.keys is None, self.width


def _row(record: Message) -> _Row | None:
    """None for a record without numbers as its features."""
    tensor, values = _tensor(record.features)
    if tensor is None:
        return None
    keys, width = None, len(values)
    if len(tensor.keys):
        keys = np.array(tensor.keys, dtype=np.uint64).astype(np.int64)
        if len(keys) != width:
            raise NotRecordIO(
                f"A sparse record has {len(keys)} keys and {width} values"
            )
        highest = int(keys.max(initial=-1))
        width = int(tensor.shape[0]) if len(tensor.shape) else highest + 1
        if highest >= width:
            raise NotRecordIO(f"A sparse record has a key beyond its shape of {width}")
    return _Row(values, keys, width, _tensor(record.label)[1])


def _tensor(entries: Any) -> tuple[Message | None, np.ndarray | None]:
    """The tensor under the usual name and its numbers; None if there is none, or none
    of numbers.
    """
    if _NAME not in entries:
        return None, None
    value = entries[_NAME]
    name = value.WhichOneof("value")
    if name not in _TENSORS:
        return None, None
    tensor = getattr(value, name)
    # A list of Python's own is read twice as fast as protobuf's.
    return tensor, np.array(tensor.values[:], dtype=_TENSORS[name])


def _table(rows: list[_Row]) -> Table:
    labels = [row.labels for row in rows if row.labels is not None]
    values = [row.values for row in rows]
    if rows[0].keys is None:
        features = np.stack(values)
    else:
        features = _sparse(
            np.concatenate(values),
            np.concatenate([row.keys for row in rows]),
            np.cumsum([0, *map(len, values)]),
            (len(rows), rows[0].width),
        )
    return Table(features, np.concatenate(labels) if labels else None)


# Writing --------------------------------------------------------------------------


def write(
    stream: BinaryIO,
    features: "np.ndarray | csr_matrix",
    labels: np.ndarray | None = None,
) -> None:
    """Write a table, one record per row.

    features: (rows, columns) of 32 or 64 bit floats or 32 bit integers, dense or
    sparse. labels: (rows,) or (rows, numbers per label) of such a type, or None, as
    for algorithms that learn without them. TypeError for another type, ValueError
    for labels of another length.
    """
    if labels is not None:
        labels = np.asarray(labels).reshape(len(labels), -1)
        if len(labels) != features.shape[0]:
            raise ValueError(f"{features.shape[0]} rows have {len(labels)} labels.")
        _field(labels.dtype)
    _field(features.dtype)
    sparse = None if isinstance(features, np.ndarray) else features.tocsr()
    for row in range(features.shape[0]):
        record = record_class()()
        if sparse is None:
            _set(record.features, features[row])
        else:
            inside = slice(sparse.indptr[row], sparse.indptr[row + 1])
            tensor = _set(record.features, sparse.data[inside])
            tensor.keys.extend(sparse.indices[inside].tolist())
            tensor.shape.append(sparse.shape[1])
        if labels is not None:
            _set(record.label, labels[row])
        _write_frame(stream, record)


def write_labels(stream: BinaryIO, labels: Mapping[str, Any]) -> None:
    """Write one record with float32 labels under several names, and no features.

    labels: a number or a list of numbers by name. So an algorithm responds.
    """
    record = record_class()()
    for name, value in labels.items():
        numbers = value if isinstance(value, list) else [value]
        record.label[name].float32_tensor.values.extend(numbers)
    _write_frame(stream, record)


def _set(entries: Any, numbers: np.ndarray) -> Message:
    tensor = getattr(entries[_NAME], _field(numbers.dtype))
    tensor.SetInParent()
    tensor.values.extend(numbers.tolist())
    return tensor


def _field(dtype: np.dtype) -> str:
    for name, known in _TENSORS.items():
        if dtype == known:
            return name
    raise TypeError(
        f"Numbers of type {dtype} can't be written: float32, float64 and int32 can."
    )


def _write_frame(stream: BinaryIO, record: Message) -> None:
    content = record.SerializeToString(deterministic=True)
    padding = bytes(_padded(len(content)) - len(content))
    stream.write(_HEADER.pack(_MAGIC, len(content)) + content + padding)
