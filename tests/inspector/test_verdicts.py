"""How far the input of a shard was when an output was written, by what the output says."""

import pytest

from inspector.verdicts import VERDICT_TYPE, settled_ns
from protos.inspection.v1.records_pb2 import DeadLetter
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.dead_letters import DEAD_LETTER_TYPE
from streams.records import Record


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (VERDICT_TYPE, Verdict(entry_ns=70).SerializeToString(), 70),
        (DEAD_LETTER_TYPE, DeadLetter(append_ns=80).SerializeToString(), 80),
        (VERDICT_TYPE, b"\xff", None),
        ("somebody's", Verdict(entry_ns=70).SerializeToString(), None),
    ],
)
def test_only_our_outputs_say_how_far_the_input_was(kind: str, value: bytes, expected: int | None) -> None:
    assert settled_ns(Record("verdicts", 0, 5, b"st", value, kind, 99)) == expected
