"""Records in a partition other than that of their key."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from inspector.recipe.recipes import Recipes
from inspector.worker.shards import MAX_REPORTED, Shards, ShardSettings
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import Limits
from streams.join.assembly import JoinSettings
from streams.join.join_metrics import NoMetrics
from streams.join.offset_metadata import OffsetMetadata
from streams.join.placement import home_partition
from streams.log import Assignment, Position
from streams.records import Record, Shard
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver
from tests.line import PNG, RECIPE, TOPICS, frame

NOW_NS = 1_700_000_000_000_000_000
FRAMES = TOPICS.of("frames")
NOTHING: Mapping[str, Position] = {}


@pytest.fixture
def shards() -> Iterator[Shards]:
    with closing(Resolver(ReferenceSettings(), Limits())) as resolver:
        settings = ShardSettings("qa", ("line-1",), JoinSettings(max_stations=4), Limits())
        yield Shards(settings, Recipes([RECIPE]), resolver, NoMetrics())


def assign(
    shards: Shards, partition: int, positions: Mapping[str, Position] = NOTHING, num_partitions: int = 4
) -> None:
    shards.assign(
        Assignment(
            Shard("line-1", partition), positions, dict.fromkeys(TOPICS.inputs, 0), num_partitions=num_partitions
        )
    )


def record(partition: int, offset: int, piece: str, *, png: bytes = PNG, station: str = "st-0") -> Record:
    output = frame(piece, NOW_NS, png, station)
    return Record(output.topic, partition, offset, output.key, output.value, output.type, NOW_NS)


def reasons(shards: Shards) -> list[str]:
    return [pb.DeadLetterReason.Name(item.reason) for _, item in shards.rejected()]


def num_open(shards: Shards) -> dict[int, int]:
    return {shard.partition: join.num_open for shard, join in shards}


HOME = home_partition(b"st-0", 4)
ELSEWHERE = (HOME + 1) % 4


@pytest.mark.parametrize("png", [PNG, b"broken"])
def test_a_record_that_its_key_does_not_place_there_lets_nothing_enter(
    shards: Shards, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """No other partition need be seen for that: two workers would give two verdicts."""
    assign(shards, ELSEWHERE)
    for offset in range(2):
        shards.add(record(ELSEWHERE, offset, "p", png=png))
    assert num_open(shards) == {ELSEWHERE: 0}
    (_, first), (_, second) = shards.rejected()
    assert first.reason == second.reason == pb.DEAD_LETTER_REASON_MISPLACED_STATION
    assert f"partition {ELSEWHERE} of {FRAMES}, its key belongs in partition {HOME} of 4" in first.detail
    assert "murmur2" in first.detail
    assert len(caplog.records) == 1


def test_a_record_in_the_partition_of_its_key_enters(shards: Shards) -> None:
    assign(shards, HOME)
    shards.add(record(HOME, 0, "p"))
    assert (num_open(shards), reasons(shards)) == ({HOME: 1}, [])


def test_after_partitions_were_added_unread_records_in_the_former_one_become_dead_letters(shards: Shards) -> None:
    """Producers use the new number: judged here as well, a piece of the changeover would have two verdicts."""
    key_moves = next(f"st-{n}" for n in range(99) if home_partition(f"st-{n}".encode(), 2) == 1 != _home_of_six(n))
    assign(shards, 1, {FRAMES: Position(0, OffsetMetadata(1).encode())}, num_partitions=6)
    shards.add(record(1, 0, "accepted", station=key_moves))
    shards.add(record(1, 1, "unread", station=key_moves))
    assert num_open(shards) == {1: 1}, "a record that an earlier owner accepted is accepted again"
    assert reasons(shards) == ["DEAD_LETTER_REASON_MISPLACED_STATION"]


def _home_of_six(number: int) -> int:
    return home_partition(f"st-{number}".encode(), 6)


def test_misplaced_stations_are_logged_once_each_up_to_a_limit(
    shards: Shards, caplog: pytest.LogCaptureFixture
) -> None:
    assign(shards, 0)
    strangers = [f"st-{n}" for n in range(999) if home_partition(f"st-{n}".encode(), 4) != 0]
    for offset, station in enumerate(strangers):
        shards.add(record(0, offset, "p", station=station))
    assert len(shards.rejected()) == len(strangers) > MAX_REPORTED
    assert len(caplog.records) == MAX_REPORTED


def test_one_partition_is_the_home_of_every_key(shards: Shards) -> None:
    """The embedded log."""
    assign(shards, 0, num_partitions=1)
    for number in range(8):
        shards.add(record(0, number, "p", station=f"st-{number}"))
    assert reasons(shards) == ["DEAD_LETTER_REASON_STATION_LIMIT"] * 4
