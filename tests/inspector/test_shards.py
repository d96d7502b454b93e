"""Stations whose records lie in several partitions of a line."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from inspector.recipe.book import Recipes
from inspector.shards import Shards, ShardSettings
from protos.inspection.v1 import records_pb2 as pb
from streams.assembly import JoinSettings
from streams.join_metrics import NoMetrics
from streams.limits import Limits
from streams.log import Assignment, Batch, Position
from streams.records import Record, Shard
from streams.references import ReferenceSettings, Resolver
from streams.resume import Memo
from tests.line import PNG, RECIPE, TOPICS, frame

NOW_NS = 1_700_000_000_000_000_000
FRAMES = TOPICS.of("frames")
NOTHING: Mapping[str, Position] = {}


@pytest.fixture
def shards() -> Iterator[Shards]:
    with closing(Resolver(ReferenceSettings(), Limits())) as resolver:
        settings = ShardSettings("qa", ("line-1",), JoinSettings(max_stations=4), Limits())
        yield Shards(settings, Recipes([RECIPE]), resolver, NoMetrics())


def own(shards: Shards, partition: int, positions: Mapping[str, Position] = NOTHING) -> None:
    shards.own(Assignment(Shard("line-1", partition), positions, dict.fromkeys(TOPICS.inputs, 0)))


def record(partition: int, offset: int, piece: str, *, png: bytes = PNG, station: str = "st") -> Record:
    output = frame(piece, NOW_NS, png, station)
    return Record(output.topic, partition, offset, output.key, output.value, output.type, NOW_NS)


def reasons(shards: Shards) -> list[str]:
    return [pb.DeadLetterReason.Name(found.reason) for _, found in shards.rejected()]


def num_open(shards: Shards) -> dict[int, int]:
    return {shard.partition: join.num_open for shard, join in shards}


@pytest.mark.parametrize("png", [PNG, b"broken"])
def test_a_record_in_a_second_partition_lets_nothing_enter(shards: Shards, png: bytes) -> None:
    own(shards, 0)
    own(shards, 1)
    shards.add(record(0, 0, "p"))
    shards.add(record(1, 0, "p", png=png))
    assert num_open(shards) == {0: 1, 1: 0}
    assert reasons(shards) == ["DEAD_LETTER_REASON_MISPLACED_STATION"]


def test_what_a_predecessor_accepted_is_accepted_again(shards: Shards) -> None:
    """The other partition may be read first after a restart."""
    own(shards, 0, {FRAMES: Position(0, Memo(1).encode())})
    own(shards, 1)
    shards.add(record(1, 0, "q"))
    shards.add(record(0, 0, "p"))
    assert num_open(shards) == {0: 1, 1: 1}
    assert reasons(shards) == []


def test_stations_without_room_are_not_remembered(shards: Shards) -> None:
    own(shards, 0)
    own(shards, 1)
    for number in range(8):
        shards.add(record(0, number, "p", station=f"st-{number}"))
    assert reasons(shards) == ["DEAD_LETTER_REASON_STATION_LIMIT"] * 4
    shards.add(record(1, 0, "p", station="st-7"))
    assert reasons(shards) == []
    assert list(shards.advance(Batch(None), 0.0)) == []
