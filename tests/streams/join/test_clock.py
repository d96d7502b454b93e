"""The station clock: with the slowest unread partition, with confirmed idling, never back."""

import pytest

from streams.join.clock import ShardTime, StationClock
from streams.records import TopicPartition

FRAMES, SIGNALS = TopicPartition("frames", 0), TopicPartition("signals", 0)
MS = 1_000_000


class Shard:
    """A shard with one station; times in milliseconds."""

    def __init__(self, restored_ms: int | None = None) -> None:
        self.time = ShardTime()
        self.clock = StationClock(self.time, None if restored_ms is None else restored_ms * MS, 1000 * MS)

    def read(self, at: TopicPartition, event_ms: int, append_ms: int) -> None:
        self.time.read(at, append_ms * MS)
        self.clock.add_stamp(at, event_ms * MS, append_ms * MS)

    def tick(self, now_s: float, *unread: TopicPartition, at_end: bool | None = None) -> int | None:
        self.time.confirm(frozenset(unread), not unread if at_end is None else at_end, now_s)
        self.clock.tick()
        return None if self.clock.now_ns is None else self.clock.now_ns // MS


@pytest.mark.parametrize(
    ("unread", "expected"), [((FRAMES, SIGNALS), 100), ((FRAMES,), 100), ((SIGNALS,), 900), ((), 900)]
)
def test_the_slowest_unread_partition_leads_and_at_the_end_the_newest(
    unread: tuple[TopicPartition, ...], expected: int
) -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    shard.read(SIGNALS, 900, 900)
    assert shard.tick(0.0, *unread) == expected


def test_an_unread_partition_without_a_record_holds_the_clock() -> None:
    shard = Shard(restored_ms=50)
    shard.read(FRAMES, 100, 100)
    assert shard.tick(0.0, FRAMES, SIGNALS) == 50


def test_append_times_carry_a_silent_station_on() -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 130)
    shard.time.read(FRAMES, 630 * MS)
    assert shard.tick(0.0, FRAMES) == 600


def test_what_an_outage_held_back_is_not_overtaken_by_append_times() -> None:
    shard = Shard()
    shard.read(SIGNALS, 100, 130)
    shard.time.read(SIGNALS, 20_000 * MS)
    assert shard.tick(0.0, SIGNALS) == 100
    shard.read(SIGNALS, 400, 20_001)
    assert shard.tick(0.0, SIGNALS) == 400


def test_a_lag_is_taken_from_another_partition_where_there_is_none() -> None:
    shard = Shard()
    shard.read(SIGNALS, 100, 140)
    shard.time.read(FRAMES, 640 * MS)
    assert shard.tick(0.0, FRAMES) == 600


def test_the_clock_never_runs_back() -> None:
    shard = Shard(restored_ms=1000)
    shard.read(FRAMES, 100, 100)
    assert shard.tick(0.0, FRAMES) == 1000
    assert shard.tick(0.0) == 1000


@pytest.mark.parametrize(("gap_s", "expected"), [(0.25, 350), (0.999, 1099), (1.0, 100), (60.0, 100)])
def test_idling_counts_between_close_confirmations_only(gap_s: float, expected: int) -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    shard.tick(0.0)
    assert shard.tick(gap_s) == expected


def test_an_outage_moves_nothing() -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    shard.tick(0.0)
    assert [shard.tick(now_s, at_end=False) for now_s in (0.5, 30.0, 60.0)] == [100, 100, 100]
    assert shard.tick(60.1) == 100
    assert shard.tick(60.2) == 200


def test_a_log_that_confirms_now_and_then_counts_as_confirming() -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    confirmed = {0.0, 0.3, 0.6}
    reached = [shard.tick(now_s, at_end=now_s in confirmed) for now_s in (0.0, 0.1, 0.3, 0.5, 0.6)]
    assert reached == [100, 100, 400, 400, 700]


def test_a_new_record_ends_the_idling() -> None:
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    shard.tick(0.0)
    shard.tick(0.5)
    shard.read(FRAMES, 620, 620)
    assert shard.tick(0.6) == 620
    assert shard.tick(0.7) == 720


def test_a_station_that_shows_no_lag_moves_far_behind_the_others() -> None:
    shard = Shard(restored_ms=100)
    shard.time.read(FRAMES, 5000 * MS)
    assert shard.tick(0.0, FRAMES) == 4000


def test_sparse_records_of_a_neighbour_do_not_hold_a_silent_station() -> None:
    """Idling confirmed between records a second and more apart adds up, though each record ends it."""
    shard = Shard()
    shard.read(FRAMES, 100, 100)
    for second in range(10):
        for now_s in (0.1, 0.5, 0.9):
            shard.tick(second * 1.25 + now_s)
        shard.time.read(FRAMES, (1350 + second * 1250) * MS)
        shard.tick(second * 1.25 + 1.2, at_end=False)
    assert shard.tick(13.0) == 100 + 10 * 800
