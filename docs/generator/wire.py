"""Turns the wire contract into reference pages: messages, fields, services, and the values of every enum."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

import protos
from docs.generator.markdown import page, table

ROOT = Path(next(iter(protos.__path__))).parent
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
"""Numbers of these lists in a FileDescriptorProto, by which comments are filed."""
_INNER = 2
"""Of fields in a message, values in an enum, and methods in a service."""

WIRE_LEAD = (
    "Records on the topics and messages of the gateway, from the files in `protos/`. A record's key is its station; "
    "its header `inspection-type` names its message with the package, such as `inspection.v1.CameraFrame`. "
    "[Codes](codes.md) has the enums. For a client UNSPECIFIED, an unknown value, an error and a missing verdict all "
    "mean: not PASS."
)
CODES_LEAD = (
    "Every enum of the wire contract: decisions with their reasons, states and reasons of cameras and sensors, reasons "
    "of dead letters. [Commands](commands.md) has the exit codes of the command line."
)
_SCALARS: Mapping[int, str] = {
    value.number: value.name.removeprefix("TYPE_").lower() for value in FieldDescriptorProto.Type.DESCRIPTOR.values
}


@dataclass(frozen=True)
class ProtoFile:
    """One file with its comments."""

    content: FileDescriptorProto
    comments: Mapping[tuple[int, ...], str]

    def comment(self, *path: int) -> str:
        return self.comments.get(path, "")


@cache
def files() -> Sequence[ProtoFile]:
    """All .proto files of the repository, read by the compiler."""
    names = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "protos").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "all.bin")
        options = [f"-I{ROOT}", f"--descriptor_set_out={out}", "--include_source_info", *names]
        if protoc.main(["protoc", *options]) != 0:
            raise RuntimeError("protoc cannot read the files in protos/: see its message above")
        descriptors = FileDescriptorSet.FromString(Path(out).read_bytes())
    return [ProtoFile(file, _comments(file)) for file in descriptors.file]


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    places = file.source_code_info.location
    return {tuple(place.path): " ".join(place.leading_comments.split()) for place in places if place.leading_comments}


def pages() -> Iterator[tuple[str, str]]:
    yield "protos.md", page("Records and messages", WIRE_LEAD, _wire_lines())
    yield "codes.md", page("Codes", CODES_LEAD, _code_lines())


def _wire_lines() -> Iterator[str]:
    for file in files():
        for index, service in enumerate(file.content.service):
            yield from (f"## Service {service.name}", "", file.comment(_SERVICES, index), "")
            yield from table(
                ("call", "request", "response", "meaning"),
                (
                    (f"`{call.name}`", _short(call.input_type), ("stream of " if call.server_streaming else "")
                     + _short(call.output_type), file.comment(_SERVICES, index, _INNER, number))
                    for number, call in enumerate(service.method)
                ),
            )  # fmt: skip
    for file in files():
        for index, message in enumerate(file.content.message_type):
            yield from (f"## {message.name}", "", file.comment(_MESSAGES, index), "")
            yield from table(("field", "number", "type", "meaning"), _fields(file, index, message))


def _fields(file: ProtoFile, index: int, message: DescriptorProto) -> Iterator[tuple[str, str, str, str]]:
    for number, field in enumerate(message.field):
        kind = _short(field.type_name) if field.type_name else f"`{_SCALARS[field.type]}`"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            kind = f"list of {kind}"
        elif field.proto3_optional:
            kind = f"{kind}, may be absent"
        elif field.HasField("oneof_index"):
            kind = f"{kind}, one of `{message.oneof_decl[field.oneof_index].name}`"
        yield f"`{field.name}`", str(field.number), kind, file.comment(_MESSAGES, index, _INNER, number)


def _short(type_name: str) -> str:
    return f"`{type_name.rpartition('.')[2]}`"


def _code_lines() -> Iterator[str]:
    for file, index, enum in enums():
        yield from (f"## {enum.name}", "", file.comment(_ENUMS, index), "")
        yield from table(
            ("value", "number", "meaning"),
            (
                (f"`{value.name}`", str(value.number), file.comment(_ENUMS, index, _INNER, number))
                for number, value in enumerate(enum.value)
            ),
        )


def enums() -> Iterator[tuple[ProtoFile, int, EnumDescriptorProto]]:
    """Every enum with its file and its place in it."""
    for file in files():
        for index, enum in enumerate(file.content.enum_type):
            yield file, index, enum
