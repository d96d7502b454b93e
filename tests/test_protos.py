"""What clients in other languages need of the wire contract: a package of their own, and names that are no keywords."""

import keyword
from collections.abc import Iterator, Mapping

import pytest
from google.protobuf.descriptor import Descriptor, FileDescriptor

from protos.inspection.v1 import control_pb2, records_pb2, service_pb2, verdict_pb2

FILES = [module.DESCRIPTOR for module in (control_pb2, records_pb2, service_pb2, verdict_pb2)]


def names(messages: Mapping[str, Descriptor]) -> Iterator[str]:
    for message in messages.values():
        yield from message.fields_by_name
        yield from names(message.nested_types_by_name)


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_go_and_java_know_their_package_and_no_field_is_a_keyword(file: FileDescriptor) -> None:
    """Go refuses a file without `go_package`; Python cannot write `request.from`."""
    options = file.GetOptions()
    assert options.go_package.partition(";")[2] == "inspectionv1"
    assert options.java_package.endswith("inspection.v1")
    assert options.java_multiple_files
    assert not {name for name in names(file.message_types_by_name) if keyword.iskeyword(name)}
