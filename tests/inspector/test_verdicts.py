"""How far the input of a shard was when an output was written, by what the output says."""

import pytest

from inspector.verdicts import VERDICT_TYPE, essence, judged_from, settled_ns
from protos.inspection.v1.records_pb2 import DeadLetter, Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.dead_letters import DEAD_LETTER_TYPE, dead_letter_from
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


LARGE = bytes(2**20)
INSPECTION = Inspection(line="line-1", station="st", piece_id="p-1", pass_number=2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (
            VERDICT_TYPE,
            Verdict(inspection=INSPECTION, entry_ns=70, images=[{"heat_map_png": LARGE}]).SerializeToString(),
        ),
        (DEAD_LETTER_TYPE, DeadLetter(topic="t", offset=3, append_ns=80, reason=2, raw=LARGE).SerializeToString()),
    ],
)
def test_what_an_owner_keeps_of_an_output_is_small_and_says_the_same(kind: str, value: bytes) -> None:
    record = Record("t.line-1.verdicts", 0, 5, LARGE, value, kind, 99)
    kept = essence(record)
    assert kept is not None
    assert len(kept.key) + len(kept.value) < 1000
    assert settled_ns(kept) == settled_ns(record)
    assert judged_from(kept, "line-1", 0.0) == judged_from(record, "line-1", 0.0)
    read, letter = dead_letter_from(record), dead_letter_from(kept)
    assert (read and (read.topic, read.offset, read.reason)) == (
        letter and (letter.topic, letter.offset, letter.reason)
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("somebody's", LARGE),
        (VERDICT_TYPE, LARGE),
        (VERDICT_TYPE, b""),
        (
            VERDICT_TYPE,
            Verdict(
                inspection=Inspection(line="l" * 2**20, station="s", piece_id="p"), entry_ns=70
            ).SerializeToString(),
        ),
        (DEAD_LETTER_TYPE, DeadLetter(topic="t" * 2**20).SerializeToString()),
    ],
)
def test_nothing_is_kept_of_what_others_wrote(kind: str, value: bytes) -> None:
    assert essence(Record("t.line-1.verdicts", 0, 5, LARGE, value, kind, 99)) is None
