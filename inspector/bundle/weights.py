"""Finds files that an ONNX graph reads its weights from and that the manifest does not hash. Parses only the fields of
ONNX that name such files."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph"), "functions": (25, "Function")},
    "Function": {"nodes": (7, "Node"), "attributes": (11, "Attribute")},
    "Graph": {"nodes": (1, "Node"), "tensors": (5, "Tensor"), "sparse": (15, "Sparse")},
    "Node": {"attributes": (5, "Attribute")},
    "Attribute": {
        "tensor": (5, "Tensor"),
        "graph": (6, "Graph"),
        "tensors": (10, "Tensor"),
        "graphs": (11, "Graph"),
        "sparse": (22, "Sparse"),
        "sparses": (23, "Sparse"),
    },
    "Sparse": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Tensor": {"external_data": (13, "Entry")},
    "Entry": {"key": (1, ""), "value": (2, "")},
}
"""The part of onnx.proto that leads to tensors, with its numbers; `onnx` itself is no dependency of serving."""


def _model_class() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="inspector/onnx_weights.proto", package="inspector.onnx_weights")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(
                name=field, number=number, label=descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
            )
            if kind:
                added.type, added.type_name = (
                    descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
                    f".{file.package}.{kind}",
                )
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.Model"))


_MODEL = _model_class()


def weights_fault(path: Path, listed: AbstractSet[str]) -> str:
    """The fault of a graph that reads weights from unlisted files; empty where all are listed. Raises OSError."""
    try:
        model = _MODEL.FromString(path.read_bytes())
    except DecodeError as exc:
        return f"file {path.name!r} is no ONNX graph ({exc}); export the bundle again"
    unlisted = sorted({_location(tensor) for tensor in _tensors(model)} - {""} - listed)
    if not unlisted:
        return ""
    return f"graph {path.name!r} takes weights from {unlisted}, which `files` does not list; export the bundle again"


def _tensors(message: Message) -> Iterator[Message]:
    """All tensors of a message, however deep in branches and loops."""
    if message.DESCRIPTOR.name == "Tensor":
        yield message
        return
    for field, values in message.ListFields():
        if field.message_type is not None:
            for value in values:
                yield from _tensors(value)


def _location(tensor: Message) -> str:
    """Empty where the tensor holds its values; a name that is there without a file is one too."""
    for _, entries in tensor.ListFields():
        named = [entry.value[-1] for entry in entries if entry.key[-1:] == [b"location"]]
        return named[-1].decode(errors="replace") if named else "(no location)"
    return ""
