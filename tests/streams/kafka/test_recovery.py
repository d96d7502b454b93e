"""Where a group without offsets continues, by the outputs of its line; consumer and readers are stand-ins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest
from kafka import TopicPartition as KafkaPartition
from kafka.structs import OffsetAndTimestamp

from streams.join.offset_metadata import OffsetMetadata
from streams.kafka import recovery
from streams.kafka.readback import OutputRules
from streams.kafka.recovery import Recovery, is_forgotten
from streams.kafka.settings import KafkaSettings
from streams.log import Position
from streams.records import Record, Shard, TopicPartition, Topics

TOPICS = Topics("qa", "l1")
SHARD = Shard("l1", 0)
FRAMES, SIGNALS, PIECES = (KafkaPartition(topic, 0) for topic in TOPICS.inputs)
VERDICTS, LETTERS = (KafkaPartition(TOPICS.of(kind), 0) for kind in ("verdicts", "dead-letters"))
END = 2_000
"""Every partition holds a record each second, from offset 0 to this: offsets are seconds."""
NOTHING: Mapping[KafkaPartition, Position | None] = dict.fromkeys((FRAMES, SIGNALS, PIECES))
SETTINGS = KafkaSettings(reread_s=100.0)


class Consumer:
    def beginning_offsets(self, partitions: Iterable[KafkaPartition]) -> Mapping[KafkaPartition, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: Iterable[KafkaPartition]) -> Mapping[KafkaPartition, int]:
        return dict.fromkeys(partitions, END)

    def offsets_for_times(self, times: Mapping[KafkaPartition, int]) -> Mapping[KafkaPartition, OffsetAndTimestamp]:
        return {at: OffsetAndTimestamp(ms // 1000, ms, -1) if ms < END * 1000 else None for at, ms in times.items()}


class Outputs:
    """A reader of the outputs; class attributes hold the outputs."""

    held: tuple[Record, ...] = ()
    starts: Sequence[int | None] = ()

    def __init__(self, settings: KafkaSettings, starts: Mapping[TopicPartition, int | None], _: object) -> None:
        self._starts = starts
        type(self).starts = [*type(self).starts, starts[TopicPartition(*VERDICTS)]]

    def step(self, timeout_s: float) -> bool:
        return True

    def records(self, at: TopicPartition) -> list[Record]:
        start = self._starts[at] or 0
        return [record for record in self.held if record.topic == at.topic and record.offset >= start]

    def close(self) -> None: ...


def verdict(at_s: int, entry_s: int) -> Record:
    return Record(VERDICTS.topic, 0, at_s, b"st", b"%d" % entry_s, "verdict", at_s * 10**9)


def foreign(at_s: int) -> Record:
    return replace(verdict(at_s, 0), type="foreign")


def settled_ns(record: Record) -> int | None:
    return int(record.value) * 10**9 if record.type == "verdict" else None


def recovered(
    monkeypatch: pytest.MonkeyPatch,
    held: tuple[Record, ...],
    known: Mapping[KafkaPartition, Position | None] = NOTHING,
    settings: KafkaSettings = SETTINGS,
) -> Mapping[KafkaPartition, Position | None]:
    monkeypatch.setattr(recovery, "OutputReplay", Outputs)
    monkeypatch.setattr(Outputs, "held", held)
    monkeypatch.setattr(Outputs, "starts", [])
    finder = Recovery(Consumer(), settings, {SHARD: TOPICS}, OutputRules(settled_ns))
    while not finder.step(0.0):
        pass
    return finder.positions(known)


def test_input_is_read_again_from_a_margin_before_the_newest_piece_with_a_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    positions = recovered(monkeypatch, (verdict(1_990, 1_500), verdict(1_995, 1_600), verdict(1_999, 1_400)))
    frames = positions[FRAMES]
    assert frames is not None
    assert (frames.offset, OffsetMetadata.decode(frames.memo, 0)) == (1_500, OffsetMetadata(1_999, 1_500, 1_500))
    assert positions[SIGNALS] == Position(1_500, OffsetMetadata(1_999).encode())


def test_an_entry_behind_its_own_verdict_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = recovered(monkeypatch, (verdict(1_990, 9_999_999),))[FRAMES]
    assert frames is not None
    assert frames.offset == 1_890


def test_the_outputs_are_searched_back_to_their_beginning_for_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    held = (verdict(500, 450), *(foreign(at_s) for at_s in range(1_000, 2_000)))
    frames = recovered(monkeypatch, held)[FRAMES]
    assert frames is not None
    assert frames.offset == 350
    assert Outputs.starts == [1_900, 1_000, 0]


def test_a_line_without_outputs_of_ours_is_new_to_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recovered(monkeypatch, (foreign(1_999),)) == NOTHING


@pytest.mark.parametrize(
    ("known", "start_at", "start"),
    [
        pytest.param(None, "earliest", 1_500, id="gone"),
        pytest.param(None, "live", END, id="gone, and only new input is read"),
        pytest.param(Position(0), "earliest", 1_500, id="reset to the beginning: nothing settled is read again"),
        pytest.param(Position(1_800), "earliest", 1_800, id="reset to skip: skipped input stays skipped"),
    ],
)
def test_where_reading_continues(
    monkeypatch: pytest.MonkeyPatch, known: Position | None, start_at: Literal["earliest", "live"], start: int
) -> None:
    settings = replace(SETTINGS, start_at=start_at)
    frames = recovered(monkeypatch, (verdict(1_995, 1_600),), {**NOTHING, FRAMES: known}, settings)[FRAMES]
    assert frames is not None
    assert frames.offset == start


def test_the_content_of_a_memo_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**NOTHING, FRAMES: Position(1_700, OffsetMetadata(1_999, 0, 1_600, {"st": 7}).encode())}
    frames = recovered(monkeypatch, (verdict(1_995, 1_600),), known)[FRAMES]
    assert frames is not None
    assert (frames.offset, OffsetMetadata.decode(frames.memo, 0)) == (1_700, OffsetMetadata(1_999, 0, 1_500, {"st": 7}))


@pytest.mark.parametrize(
    ("frames", "signals", "expected"),
    [
        (Position(5, OffsetMetadata(5).encode()), Position(5), False),
        (Position(5), Position(5, OffsetMetadata(5).encode()), True),
        (Position(5, OffsetMetadata(5).encode()), None, True),
        (None, None, True),
    ],
)
def test_a_memory_is_gone_with_any_offset_or_with_the_memo(
    frames: Position | None, signals: Position | None, expected: bool
) -> None:
    known = {FRAMES: frames, SIGNALS: signals, PIECES: Position(5)}
    assert is_forgotten(known, TOPICS, 0) is expected
