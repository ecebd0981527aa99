"""RecordIO-protobuf, the binary format that many of SageMaker's algorithms read.

The SageMaker SDK could write it up to its version 2, and no longer can. A *record* is a
row: a protobuf message with two maps, `features` and `label`. In a file each record is
framed: eight bytes that say "here begins a record" and how long it is, the record, and
zeros up to a multiple of four bytes. AWS's page "Common data formats for training"
describes both; lesson 09 shows what is in a file.
"""

import io
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

MAGIC = 0xCED7230A  # how each frame begins
_FRAME = struct.Struct("<II")  # the magic number and the record's length
_Field = descriptor_pb2.FieldDescriptorProto
_OPTIONAL, _REPEATED = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED


def write_records(
    file: BinaryIO, features: np.ndarray, labels: Sequence[float] | None = None
) -> None:
    """Write each row of a table as a record of 32 bit numbers.

    features: (rows, columns). labels: one number per row, or None for algorithms that
    learn without labels, such as k-means.
    """
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"features need rows and columns, their shape is {rows.shape}")
    if labels is not None and len(labels) != len(rows):
        raise ValueError(f"{len(rows)} rows, but {len(labels)} labels")
    label_of = None if labels is None else np.asarray(labels, dtype=float).tolist()
    for place, row in enumerate(rows):
        record = Record()
        record.features["values"].float32_tensor.values.extend(row.tolist())
        if label_of is not None:
            record.label["values"].float32_tensor.values.append(label_of[place])
        content = record.SerializeToString()
        file.write(
            _FRAME.pack(MAGIC, len(content)) + content + bytes(-len(content) % 4)
        )


def read_records(file: BinaryIO) -> Iterator[Message]:
    """Give the records of a file, or of an algorithm's response, one after the other.

    `record.label["score"].float32_tensor.values` is a list of numbers.
    """
    while header := file.read(_FRAME.size):
        if len(header) < _FRAME.size or header[:4] != _FRAME.pack(MAGIC, 0)[:4]:
            raise ValueError("this is no RecordIO: no frame where one should begin")
        length = _FRAME.unpack(header)[1]
        content = file.read(length + -length % 4)
        if len(content) < length:
            raise ValueError("the last record is cut off")
        yield Record.FromString(content[:length])


def compare_with_csv(tables: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Write each table as csv and as RecordIO; give the size, and the time it took.

    tables: of numbers, by a name. The rows are the files, by table and format; nothing
    is kept of them.
    """
    rows = {}
    for name, table in tables.items():
        begun = time.perf_counter()
        text = pd.DataFrame(table).to_csv(header=False, index=False)
        halfway = time.perf_counter()
        file = io.BytesIO()
        write_records(file, table)
        ended = time.perf_counter()
        rows[f"{name}, csv"] = ["csv", len(text) / 1e6, halfway - begun]
        size = len(file.getvalue()) / 1e6
        rows[f"{name}, RecordIO"] = ["RecordIO", size, ended - halfway]
    columns = ["format", "megabytes", "seconds"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _record_class() -> type[Message]:
    """Make the class of the message aialgs.data.Record."""
    schema = descriptor_pb2.FileDescriptorProto(
        name="course/record.proto", package="aialgs.data", syntax="proto2"
    )
    value = schema.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, number, kind in (
        ("Float32Tensor", 2, _Field.TYPE_FLOAT),
        ("Float64Tensor", 3, _Field.TYPE_DOUBLE),
        ("Int32Tensor", 7, _Field.TYPE_INT32),
    ):
        tensor = schema.message_type.add(name=name)
        _packed(tensor, "values", 1, kind)
        _packed(tensor, "keys", 2, _Field.TYPE_UINT64)  # of a sparse row: its columns
        _packed(tensor, "shape", 3, _Field.TYPE_UINT64)  # of a sparse row: its length
        field = name.replace("Tensor", "_tensor").lower()
        _message(value, field, number, name, oneof_index=0)
    record = schema.message_type.add(name="Record")
    for name, number in (("features", 1), ("label", 2)):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_OPTIONAL)
        _message(entry, "value", 2, "Value")
        _message(record, name, number, f"Record.{entry.name}", label=_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    found = pool.FindMessageTypeByName("aialgs.data.Record")
    return message_factory.GetMessageClass(found)


def _packed(message: Message, name: str, number: int, kind: int) -> None:
    field = message.field.add(name=name, number=number, type=kind, label=_REPEATED)
    field.options.packed = True


def _message(
    owner: Message, name: str, number: int, of: str, label: int = _OPTIONAL, **more: int
) -> None:
    owner.field.add(
        name=name,
        number=number,
        type=_Field.TYPE_MESSAGE,
        type_name=f".aialgs.data.{of}",
        label=label,
        **more,
    )


Record = _record_class()
