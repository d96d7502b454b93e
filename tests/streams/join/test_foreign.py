"""Foreign records on the service's output topics, found during the takeover of a shard."""

import logging
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest

from inspector.verdicts.records import VERDICT_TYPE, judged_from
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.dead_letters import DEAD_LETTER_TYPE
from streams.decode.items import Origin
from streams.join.foreign import read_ours
from streams.join.join import Join, Judged
from streams.join.join_metrics import NoMetrics
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Assignment, Position
from streams.observation import InspectionId
from streams.records import Record
from tests.streams.join.join_model import FRAMES, LETTERS, SECOND, SETTINGS, SHARD, T0, TOPICS, VERDICTS, Book, frame
from tests.streams.join.join_rig import P, at_s


class Counted(NoMetrics):
    def __init__(self) -> None:
        self.foreign: dict[str, int] = {}

    def passed_over(self, topic: str, num_records: int) -> None:
        self.foreign[topic] = num_records


def letter(offset: int, topic: str = FRAMES.topic, partition: int = 0, type_: str = DEAD_LETTER_TYPE) -> Record:
    message = pb.DeadLetter(reason="DEAD_LETTER_REASON_LATE", topic=topic, partition=partition, offset=offset)
    return Record(LETTERS.topic, 0, 7, b"a", message.SerializeToString(), type_, T0)


def taken_over(letters: list[Record], metrics: Counted) -> Join:
    """The frames were read up to offset 2, and none is done."""
    position = Position(0, OffsetMetadata(2, verdicts=0, dead_letters=0).encode())
    assignment = Assignment(SHARD, {FRAMES.topic: position}, {FRAMES.topic: 0}, (), letters, 0, 9)
    return Join(assignment, (), Book(), TOPICS, SETTINGS, metrics)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record(LETTERS.topic, 0, 7, b"a", b"hello", "", T0), id="foreign"),
        pytest.param(Record(LETTERS.topic, 0, 7, b"a", b"hello", DEAD_LETTER_TYPE, T0), id="damaged"),
        pytest.param(Record(LETTERS.topic, 0, 7, b"a", b"", "", T0), id="tombstone"),
        pytest.param(letter(0, type_=""), id="without type"),
        pytest.param(letter(0, topic=VERDICTS.topic), id="another topic"),
        pytest.param(letter(0, partition=1), id="another partition"),
        pytest.param(letter(-1), id="negative offset"),
        pytest.param(letter(2), id="never read by a predecessor"),
    ],
)
def test_a_foreign_dead_letter_is_passed_over_counted_and_said(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Counted()
    with caplog.at_level(logging.ERROR):
        join = taken_over([record, letter(1)], metrics)
    assert metrics.foreign == {LETTERS.topic: 1}
    assert f"{LETTERS.topic}/0: skipped 1 of 2 records read back" in caplog.text
    for offset in range(3):
        join.add(frame(P._replace(piece_id=str(offset)), "top", 0, at_s(0))(_origin(offset)))
    assert join.num_open == 2, "only the record of the genuine letter has no effect"
    assert OffsetMetadata.decode(join.positions()[FRAMES].memo, 0).dead_letters in (7, 9)


def _origin(offset: int) -> Origin:
    return Origin(FRAMES.topic, 0, offset, at_s(0))


OURS = pb.Inspection(line="line", station="a", piece_id="p")


def verdict(inspection: pb.Inspection | None = OURS, entry_ns: int = T0, shadow: bool = False) -> Verdict:
    return Verdict(inspection=inspection, entry_ns=entry_ns, shadow=shadow)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        pytest.param(b"hello", "", id="foreign"),
        pytest.param(b"hello", VERDICT_TYPE, id="damaged"),
        pytest.param(b"", VERDICT_TYPE, id="tombstone"),
        pytest.param(verdict().SerializeToString(), "inspection.v1.PieceEvent", id="another message"),
        pytest.param(verdict(inspection=None).SerializeToString(), VERDICT_TYPE, id="no inspection"),
        pytest.param(
            verdict(inspection=pb.Inspection(line="line", piece_id="p")).SerializeToString(),
            VERDICT_TYPE,
            id="no station",
        ),
        pytest.param(
            verdict(inspection=pb.Inspection(line="x", station="a", piece_id="p")).SerializeToString(),
            VERDICT_TYPE,
            id="another line",
        ),
        pytest.param(
            verdict(inspection=pb.Inspection(line="line", station="a")).SerializeToString(), VERDICT_TYPE, id="no piece"
        ),
        pytest.param(verdict(entry_ns=-1).SerializeToString(), VERDICT_TYPE, id="no time"),
        pytest.param(verdict(entry_ns=2**63 - 1).SerializeToString(), VERDICT_TYPE, id="a time beyond all windows"),
        pytest.param(verdict(entry_ns=T0 + 90_000 * SECOND).SerializeToString(), VERDICT_TYPE, id="of tomorrow"),
        pytest.param(verdict(shadow=True).SerializeToString(), VERDICT_TYPE, id="of a shadow"),
    ],
)
def test_a_record_that_is_no_verdict_of_the_line_is_not_believed(value: bytes, type_: str) -> None:
    assert judged_from(Record(VERDICTS.topic, 0, 4, b"a", value, type_, T0), "line", 2.0) is None


def test_a_verdict_of_the_line_is_remembered() -> None:
    record = Record(VERDICTS.topic, 0, 4, b"a", verdict().SerializeToString(), VERDICT_TYPE, T0)
    assert judged_from(record, "line", 2.0) == Judged(InspectionId("line", "a", "p"), T0, 4)


def test_a_verdict_doubled_on_the_topic_hides_none_that_lies_between() -> None:
    """Reading back begins at the oldest verdict: with the second one's offset the piece between would be forgotten."""
    judged = [Judged(P, T0, 1), Judged(P._replace(piece_id="q"), T0, 2), Judged(P, T0, 3)]
    position = Position(0, OffsetMetadata(9, verdicts=0, dead_letters=0).encode())
    assignment = Assignment(SHARD, {FRAMES.topic: position}, {FRAMES.topic: 0}, (), (), 4, 0)
    join = Join(assignment, judged, Book(), TOPICS, SETTINGS)
    assert OffsetMetadata.decode(join.positions()[FRAMES].memo, 0).verdicts == 1


class Long(Sequence[Record]):
    """A hundred records of 1 MiB, read again at each iteration, as in the embedded log."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: object) -> Record:  # type: ignore[override]  # is never asked
        raise NotImplementedError

    def __iter__(self) -> Iterator[Record]:
        return (Record("t.a.verdicts", 0, offset, b"", bytes(2**20), "", 1) for offset in range(len(self)))


def test_what_is_read_back_is_held_one_record_at_a_time() -> None:
    tracemalloc.start()
    try:
        assert read_ours(Long(), lambda record: record.offset if record.offset % 2 else None, NoMetrics())[0] == 1
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
