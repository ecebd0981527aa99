"""The message aialgs.data.Record (AWS page: Common Data Formats for Training)."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message


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
