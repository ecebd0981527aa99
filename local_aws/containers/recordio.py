"""RecordIO files of protobuf records, the binary format of SageMaker's algorithms.

A file is a row of frames: the number 0xCED7230A and the length of the record, both as
little-endian 32 bit numbers, then the record, then zeros up to a multiple of four
bytes. A record is the message aialgs.data.Record (AWS page: Common Data Formats for
Training): two maps from a name to a tensor, `features` and `label`. Both hold one entry
`values` in the data of tables.

Records of dense data differ in their numbers only. The bytes around the numbers are
found once, by protobuf itself, and all records that look the same are then read (and
written) as one array: a hundred thousand rows take no longer than their bytes.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

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

# From how many alike records on it is worth to read them as one array.
_FEW_RECORDS = 4


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


@cache
def record_class() -> type[Message]:
    """The class of aialgs.data.Record, made from its description on first use."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="local_aws/record.proto", package="aialgs.data", syntax="proto2"
    )

    def add(message: Any, name: str, number: int, kind: int, **more: Any) -> None:
        label = field.LABEL_REPEATED if more.pop("many", False) else None
        added = message.field.add(
            name=name,
            number=number,
            type=kind,
            label=label or field.LABEL_OPTIONAL,
            **more,
        )
        if label and kind not in (field.TYPE_BYTES, field.TYPE_MESSAGE):
            added.options.packed = True

    for name, kind in (
        ("Float32Tensor", field.TYPE_FLOAT),
        ("Float64Tensor", field.TYPE_DOUBLE),
        ("Int32Tensor", field.TYPE_INT32),
    ):
        tensor = file.message_type.add(name=name)
        add(tensor, "values", 1, kind, many=True)
        add(tensor, "keys", 2, field.TYPE_UINT64, many=True)
        add(tensor, "shape", 3, field.TYPE_UINT64, many=True)
    binary = file.message_type.add(name="Bytes")
    add(binary, "value", 1, field.TYPE_BYTES, many=True)
    add(binary, "content_type", 2, field.TYPE_STRING)

    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, number, kind in (
        ("float32_tensor", 2, "Float32Tensor"),
        ("float64_tensor", 3, "Float64Tensor"),
        ("int32_tensor", 7, "Int32Tensor"),
        ("bytes", 9, "Bytes"),
    ):
        type_name = f".aialgs.data.{kind}"
        add(value, name, number, field.TYPE_MESSAGE, type_name=type_name, oneof_index=0)

    record = file.message_type.add(name="Record")
    for name, number, entry_name in (
        ("features", 1, "FeaturesEntry"),
        ("label", 2, "LabelEntry"),
    ):
        entry = record.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        add(entry, "key", 1, field.TYPE_STRING)
        add(entry, "value", 2, field.TYPE_MESSAGE, type_name=".aialgs.data.Value")
        type_name = f".aialgs.data.Record.{entry_name}"
        add(record, name, number, field.TYPE_MESSAGE, type_name=type_name, many=True)
    for name, number in (("uid", 3), ("metadata", 4), ("configuration", 5)):
        add(record, name, number, field.TYPE_STRING)

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("aialgs.data.Record")
    return message_factory.GetMessageClass(found)


# Reading --------------------------------------------------------------------------


def read(stream: BinaryIO, chunk_bytes: int = 8 * 1024**2) -> Iterator[Table]:
    """The rows of a file, in tables of about `chunk_bytes`, never more held than that.

    A table holds rows of one kind: dense ones with the same number of columns, or
    sparse ones. A record without features under the name `values` is passed over. A
    sparse record without any entry is a row with nothing in it.

    NotRecordIO for bytes that are no frames, a frame that is cut off, and a record
    that is none; bytes at the end that are too few for a frame are passed over. The
    official reader of the XGBoost image (its recordio_protobuf module) does the same.
    """
    start = 0
    rest = b""
    while True:
        more = stream.read(max(chunk_bytes, _first_frame_length(rest) - len(rest)))
        chunk = rest + more if rest else more
        used = yield from _tables(chunk, start, is_last=not more)
        if not more:
            return
        start += used
        rest = chunk[used:]


def read_all(stream: BinaryIO, dtype: Any = np.float32) -> Table:
    """All rows of a file (or of bytes in a BytesIO) as one table of one type.

    Sparse as soon as one record is. NotRecordIO as in `read`, and when there is no
    record at all; ValueError when dense records differ in their number of columns.
    """
    return join(read(stream), dtype)


def join(tables: Iterator[Table], dtype: Any = np.float32) -> Table:
    """One table of several, of one type. Raises what `read_all` raises.

    Dense rows are gathered in one array that grows, so that they are held once.
    """
    dense = Rows(dtype)
    kinds: list[csr_matrix] = []
    labels = []
    for table in tables:
        if isinstance(table.features, np.ndarray) and not kinds:
            dense.add(table.features)
        else:
            kinds += _as_sparse(dense.take(), dtype) if not kinds else []
            kinds += _as_sparse(table.features, dtype)
        if table.labels is not None:
            labels.append(table.labels.astype(dtype))
    features = _stack(kinds) if kinds else dense.take()
    if features is None:
        raise NotRecordIO("No records found in RecordIO-Protobuf data")
    return Table(features, np.concatenate(labels) if labels else None)


class Rows:
    """A table of numbers that is given block by block and held once.

    It grows in place: memory that is asked for and not yet written is not taken.
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        self._dtype = np.dtype(dtype)
        self._array: np.ndarray | None = None
        self._count = 0

    def add(self, block: np.ndarray) -> None:
        """Append (rows, columns); ValueError for another number of columns."""
        if self._array is None:
            self._array = np.empty((2 * len(block), block.shape[1]), self._dtype)
        columns = self._array.shape[1]
        if block.shape[1] != columns:
            raise ValueError(
                f"A row has {block.shape[1]} columns, and those before it have "
                f"{columns}."
            )
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


def _as_sparse(features: Any, dtype: Any) -> list:
    from scipy.sparse import csr_matrix

    if features is None:
        return []
    if not isinstance(features, np.ndarray):
        return [features.astype(dtype)]
    # Every number of a dense row is an entry, zeros included.
    rows, columns = features.shape
    bounds = np.arange(rows + 1) * columns
    keys = np.tile(np.arange(columns), rows)
    values = features.astype(dtype).ravel()
    return [csr_matrix((values, keys, bounds), shape=features.shape)]


def _stack(parts: list) -> Any:
    from scipy.sparse import vstack

    return vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _first_frame_length(rest: bytes) -> int:
    if len(rest) < _HEADER.size:
        return 0
    return _HEADER.size + _padded(_HEADER.unpack_from(rest)[1])


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def _tables(chunk: bytes, start: int, is_last: bool) -> Iterator[Table]:
    """The tables of the whole frames in a chunk; returns how many bytes those are.

    start: where in the file the chunk begins, for messages.
    """
    position = 0
    single = _Gatherer()
    # Where the records differ, to try each of them for a run of alike ones would take
    # longer than to read it: after a failure that many are read one by one.
    pause, left = 1, 0
    while position + _HEADER.size <= len(chunk):
        magic, length = _HEADER.unpack_from(chunk, position)
        if magic != _MAGIC:
            raise NotRecordIO(f"Invalid RecordIO magic at offset {start + position}")
        frame = _HEADER.size + _padded(length)
        if position + frame > len(chunk):
            if is_last:
                offset = start + position + _HEADER.size
                raise NotRecordIO(f"Truncated record at offset {offset}")
            break
        record = _parse(chunk, position + _HEADER.size, length, start)
        alike = None if left else _read_alike(chunk, position, length, record)
        if alike is None:
            pause, left = (pause, left - 1) if left else (min(2 * pause, 512), pause)
            yield from single.add(record)
            position += frame
        else:
            pause = 1
            yield from single.flush()
            table, count = alike
            yield table
            position += count * frame
    yield from single.flush()
    return position


def _parse(chunk: bytes, offset: int, length: int, start: int) -> Message:
    record = record_class()()
    try:
        record.ParseFromString(chunk[offset : offset + length])
    except DecodeError as error:
        raise NotRecordIO(f"No record at offset {start + offset}: {error}") from None
    return record


class _Gatherer:
    """Collects rows that come one by one into tables of one kind."""

    def __init__(self) -> None:
        self._kind: Any = None
        self._rows: list[tuple[np.ndarray, np.ndarray | None]] = []
        self._labels: list[np.ndarray] = []
        self._width = 0

    def add(self, record: Message) -> Iterator[Table]:
        """Take a record; the table of those before it if it is of another kind."""
        row = _row(record)
        if row is None:
            return
        values, keys, width = row
        kind = (values.dtype, "sparse" if keys is not None else width)
        if kind != self._kind:
            yield from self.flush()
            self._kind = kind
        self._rows.append((values, keys))
        self._width = max(self._width, width)
        if _NAME in record.label:
            labels, _, _ = _tensor(record.label[_NAME])
            if labels is not None:
                self._labels.append(labels)

    def flush(self) -> Iterator[Table]:
        """The table of the rows so far, if there are any."""
        if self._rows:
            labels = np.concatenate(self._labels) if self._labels else None
            yield Table(self._features(), labels)
        self._kind, self._rows, self._labels, self._width = None, [], [], 0

    def _features(self) -> "np.ndarray | csr_matrix":
        values = [values for values, _ in self._rows]
        if self._rows[0][1] is None:
            return np.stack(values)
        from scipy.sparse import csr_matrix

        keys = np.concatenate([keys for _, keys in self._rows])
        bounds = np.cumsum([0, *map(len, values)])
        shape = (len(values), self._width)
        return csr_matrix((np.concatenate(values), keys, bounds), shape=shape)


def _row(record: Message) -> tuple[np.ndarray, np.ndarray | None, int] | None:
    """A record's numbers, their columns if it is sparse, and its width; or None."""
    if _NAME not in record.features:
        return None
    values, keys, shape = _tensor(record.features[_NAME])
    if values is None:
        return None
    if len(keys) == 0 and not (len(values) == 0 and len(shape)):
        return values, None, len(values)
    if len(keys) != len(values):
        raise NotRecordIO(
            f"A sparse record has {len(keys)} keys and {len(values)} values"
        )
    width = int(shape[0]) if len(shape) else int(keys.max()) + 1
    if len(keys) and int(keys.max()) >= width:
        raise NotRecordIO(f"A sparse record has a key beyond its shape of {width}")
    return values, keys, width


def _tensor(
    value: Message,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Values (None for no tensor of numbers), keys and shape."""
    name = value.WhichOneof("value")
    if name not in _TENSORS:
        return None, np.empty(0, np.int64), np.empty(0, np.int64)
    tensor = getattr(value, name)
    return (
        np.array(tensor.values, dtype=_TENSORS[name]),
        np.array(tensor.keys, dtype=np.uint64).astype(np.int64),
        np.array(tensor.shape, dtype=np.uint64).astype(np.int64),
    )


# Records that differ in their numbers only ------------------------------------------


@dataclass(frozen=True)
class _Numbers:
    """Where in a record the numbers of a dense tensor are, in bytes."""

    offset: int
    count: int
    dtype: np.dtype

    @property
    def place(self) -> slice:
        return slice(self.offset, self.offset + self.count * self.dtype.itemsize)


def _places(record: Message) -> tuple[bytes, dict[str, _Numbers]] | None:
    """A record's bytes, and where in them the numbers of its two tensors are.

    To find out, protobuf writes the record once more with other numbers in it. None
    for a sparse record, one with more than two tensors, and one of integers (the
    length of an integer depends on its value).
    """
    marked = record_class()()
    marked.CopyFrom(record)
    markers = {}
    for part, sign in (("features", 1), ("label", -1)):
        entries = getattr(marked, part)
        if set(entries) != {_NAME}:
            if part == "label" and not entries:
                continue
            return None
        name = entries[_NAME].WhichOneof("value")
        if name not in ("float32_tensor", "float64_tensor"):
            return None
        tensor = getattr(entries[_NAME], name)
        count = len(tensor.values)
        if len(tensor.keys) or count == 0:
            return None
        marker = ((np.arange(count) + 1.7) * sign).astype(_TENSORS[name])
        tensor.values[:] = marker.tolist()
        markers[part] = marker
    text = marked.SerializeToString(deterministic=True)
    found = {}
    for part, marker in markers.items():
        if text.count(marker.tobytes()) != 1:
            return None
        offset = text.index(marker.tobytes())
        found[part] = _Numbers(offset, len(marker), marker.dtype)
    return text, found


def _fixed(text: bytes, places: dict[str, _Numbers]) -> np.ndarray:
    """Which bytes of a record are not numbers, as indices."""
    is_fixed = np.ones(len(text), dtype=bool)
    for numbers in places.values():
        is_fixed[numbers.place] = False
    return np.flatnonzero(is_fixed)


def _read_alike(
    chunk: bytes, position: int, length: int, record: Message
) -> tuple[Table, int] | None:
    """The table of the alike records from `position` on, and how many they are.

    record: the first of them. None if they are few or not dense.
    """
    frame = _HEADER.size + _padded(length)
    header = chunk[position : position + _HEADER.size]
    last = position + _FEW_RECORDS * frame
    if not chunk.startswith(header, last):
        return None
    places = _places(record)
    if places is None or len(places[0]) != length:
        return None
    text, numbers = places
    count = (len(chunk) - position) // frame
    frames = np.frombuffer(chunk, np.uint8, count * frame, position)
    frames = frames.reshape(count, frame)
    count = _count_alike(frames, header + text, _fixed(text, numbers) + len(header))
    if count < _FEW_RECORDS:
        return None
    arrays = {
        part: _numbers_of(frames[:count, _HEADER.size :], places)
        for part, places in numbers.items()
    }
    labels = arrays["label"].ravel() if "label" in arrays else None
    return Table(arrays["features"], labels), count


def _count_alike(frames: np.ndarray, first: bytes, fixed: np.ndarray) -> int:
    """How many (frames, bytes) in a row have the header and fixed bytes of the first.

    Looks at ever larger blocks, so that a short run does not cost a long look.
    """
    columns = np.concatenate([np.arange(_HEADER.size), fixed])
    expected = np.frombuffer(first, np.uint8)[columns]
    start, size = 0, _FEW_RECORDS
    while start < len(frames):
        alike = (frames[start : start + size, columns] == expected).all(axis=1)
        if not alike.all():
            return start + int(np.argmin(alike))
        start += len(alike)
        size *= 8
    return start


def _numbers_of(records: np.ndarray, numbers: _Numbers) -> np.ndarray:
    """(records, bytes) to (records, numbers)."""
    return np.ascontiguousarray(records[:, numbers.place]).view(numbers.dtype)


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
    if isinstance(features, np.ndarray):
        _write_dense(stream, features, labels)
        return
    sparse = features.tocsr()
    for row in range(sparse.shape[0]):
        inside = slice(sparse.indptr[row], sparse.indptr[row + 1])
        record = record_class()()
        tensor = _set(record.features, sparse.data[inside])
        tensor.keys.extend(sparse.indices[inside].tolist())
        tensor.shape.append(sparse.shape[1])
        if labels is not None:
            _set(record.label, labels[row])
        _write_frame(stream, record.SerializeToString(deterministic=True))


def write_labels(stream: BinaryIO, labels: Mapping[str, Any]) -> None:
    """Write one record with float32 labels under several names, and no features.

    labels: a number or a list of numbers by name. So an algorithm answers.
    """
    record = record_class()()
    for name, value in labels.items():
        numbers = value if isinstance(value, list) else [value]
        record.label[name].float32_tensor.values.extend(numbers)
    _write_frame(stream, record.SerializeToString(deterministic=True))


def _write_dense(
    stream: BinaryIO, features: np.ndarray, labels: np.ndarray | None
) -> None:
    if len(features) == 0:
        return
    record = _dense_record(features[0], None if labels is None else labels[0])
    places = _places(record)
    if places is None:
        for row in range(len(features)):
            label = None if labels is None else labels[row]
            record = _dense_record(features[row], label)
            _write_frame(stream, record.SerializeToString(deterministic=True))
        return
    text, numbers = places
    frame = np.frombuffer(_frame(text), np.uint8)
    rows = max(1, 8 * 1024**2 // len(frame))
    for start in range(0, len(features), rows):
        block = features[start : start + rows]
        frames = np.tile(frame, (len(block), 1))
        parts = {"features": block}
        if labels is not None:
            parts["label"] = labels[start : start + rows]
        for part, array in parts.items():
            array = np.ascontiguousarray(array, dtype=numbers[part].dtype)
            place = frames[:, _HEADER.size :][:, numbers[part].place]
            place[:] = array.view(np.uint8).reshape(len(block), -1)
        stream.write(frames.tobytes())


def _dense_record(features: np.ndarray, label: np.ndarray | None) -> Message:
    record = record_class()()
    _set(record.features, features)
    if label is not None:
        _set(record.label, label)
    return record


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


def _write_frame(stream: BinaryIO, record: bytes) -> None:
    stream.write(_frame(record))


def _frame(record: bytes) -> bytes:
    padding = bytes(_padded(len(record)) - len(record))
    return _HEADER.pack(_MAGIC, len(record)) + record + padding
