"""Records of version 1 decode forever: nothing in tests/golden/v1 may ever change."""

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from protos.inspection.v1 import records_pb2, verdict_pb2
from streams.decode.items import Rejected
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.records import TYPE_PREFIX, Record
from tests.golden.make import FOLDER, messages

FILES = sorted(FOLDER.glob("*.bin"))
KINDS = {"CameraFrame": "frames", "SignalChunk": "signals", "ProcessTrace": "signals", "PieceEvent": "pieces"}
REMOVED = {"heatMapFile"}
"""Fields that are reserved now: old records with them are read, without them."""
INPUTS = [path for path in FILES if path.name.split(".")[0] in KINDS]


def stem(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_every_field_of_a_golden_message_is_still_read(path: Path) -> None:
    name = path.name.split(".")[0]
    message_type: type[Message] = getattr(verdict_pb2 if name == "Verdict" else records_pb2, name)
    message = message_type.FromString(path.read_bytes())
    assert MessageToDict(message) == json.loads(path.with_suffix(".json").read_text(), object_pairs_hook=_kept)


def _kept(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {key: value for key, value in pairs if key not in REMOVED}


@pytest.mark.parametrize("path", INPUTS, ids=stem)
def test_a_golden_record_is_still_accepted(path: Path) -> None:
    name = path.name.split(".")[0]
    record = Record(f"qa.l1.{KINDS[name]}", 0, 0, b"st-1", path.read_bytes(), TYPE_PREFIX + name, 1)
    item = decode(record, Limits(), "l1")
    assert not isinstance(item, Rejected), item.detail


def test_every_message_of_the_contract_has_a_golden_record() -> None:
    assert {path.stem for path in FILES} >= messages().keys()
    assert len(INPUTS) >= 12
