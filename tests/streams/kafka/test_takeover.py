"""Where a new owner continues to read, on a stand-in for the group's consumer."""

from collections.abc import Iterable, Mapping

import pytest
from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition

from streams.join.offset_metadata import OffsetMetadata
from streams.kafka import takeover
from streams.kafka.settings import KafkaSettings
from streams.kafka.takeover import Takeover
from streams.log import Position
from streams.records import Shard, TopicPartition, Topics

TOPICS = Topics("qa", "line-1")
FIRST, END = 5, 100


class Consumer:
    """Every partition holds records from FIRST to END, and has the same committed position."""

    def __init__(self, position: OffsetAndMetadata | None) -> None:
        self._position = position
        self.kept: dict[str, OffsetAndMetadata] = {}
        self.sought: dict[str, int] = {}

    def committed(self, at: KafkaPartition, metadata: bool, timeout_ms: int) -> OffsetAndMetadata | None:
        return self._position

    def beginning_offsets(self, partitions: Iterable[KafkaPartition]) -> Mapping[KafkaPartition, int]:
        return dict.fromkeys(partitions, FIRST)

    def end_offsets(self, partitions: Iterable[KafkaPartition]) -> Mapping[KafkaPartition, int]:
        return dict.fromkeys(partitions, END)

    def commit(self, offsets: Mapping[KafkaPartition, OffsetAndMetadata]) -> None:
        self.kept = {at.topic: kept for at, kept in offsets.items()}

    def seek(self, at: KafkaPartition, offset: int) -> None:
        self.sought[at.topic] = offset


@pytest.mark.parametrize(
    ("committed", "start", "read"),
    [
        pytest.param(40, 40, 60, id="continues where the predecessor was"),
        pytest.param(2, FIRST, 60, id="retention was faster"),
        pytest.param(500, FIRST, FIRST, id="a recreated topic: nothing in it was accepted before"),
    ],
)
def test_where_reading_continues(committed: int, start: int, read: int) -> None:
    lost: list[tuple[TopicPartition, int, int]] = []
    consumer = Consumer(OffsetAndMetadata(committed, OffsetMetadata(60, 1, 2, {"st": 7}).encode(), -1))
    shards = {Shard("line-1", 0): TOPICS}
    taking_over = Takeover(consumer, KafkaSettings(), shards, lambda *gap: lost.append(gap))
    assert taking_over.step(0.0) is None
    assert set(consumer.sought.values()) == {start}
    kept = consumer.kept[TOPICS.of("frames")]
    assert (kept.offset, OffsetMetadata.decode(kept.metadata, kept.offset)) == (
        start,
        OffsetMetadata(read, 1, 2, {"st": 7}, starts=1, unsettled=int(start < read)),
    )
    assert [first for _, first, _ in lost] == ([committed] * 3 if committed < FIRST else [])


@pytest.mark.parametrize("text", ["NO_METADATA", '{"read": 1, "clocks_ms": [1]}'])
def test_a_memo_of_another_program_stops_no_worker_and_sends_it_to_the_verdicts(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recovered: list[Mapping[Shard, Topics]] = []

    class Recovered:
        def __init__(self, consumer: object, settings: object, shards: Mapping[Shard, Topics], *_: object) -> None:
            recovered.append(shards)

        def step(self, timeout_s: float) -> bool:
            return True

        def positions(
            self, known: Mapping[KafkaPartition, Position | None]
        ) -> Mapping[KafkaPartition, Position | None]:
            return dict(known)

    monkeypatch.setattr(takeover, "Recovery", Recovered)
    shards = {Shard("line-1", 0): TOPICS}
    consumer = Consumer(OffsetAndMetadata(40, text, -1))
    assert Takeover(consumer, KafkaSettings(), shards, lambda *_: None).step(0.0) is None
    assert recovered == [shards]
    kept = consumer.kept[TOPICS.of("frames")]
    assert (kept.offset, OffsetMetadata.decode(kept.metadata, kept.offset)) == (40, OffsetMetadata(40, starts=1))
    assert "find the other program that commits offsets for this group" in caplog.text
