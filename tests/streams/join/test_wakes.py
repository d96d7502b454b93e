"""A shard's stations wake for their records, their clocks, and for what their pieces wait for."""

import pytest

from streams.join.clock import ShardClocks, ShardTime, StationClock
from streams.join.wakes import Wakes
from streams.records import TopicPartition

PIECES, FRAMES = TopicPartition("pieces", 0), TopicPartition("frames", 0)


@pytest.fixture
def wakes() -> Wakes:
    time = ShardTime()
    return Wakes(time, ShardClocks(time), PIECES)


def test_a_station_with_a_record_wakes_once(wakes: Wakes) -> None:
    wakes.change("b")
    wakes.change("a")
    wakes.change("b")
    assert (list(wakes.due_stations()), list(wakes.due_stations())) == (["b", "a"], [])


def test_a_station_wakes_by_its_clock(wakes: Wakes) -> None:
    clock = StationClock(wakes._time, 100, 0, wakes._clocks, "a")
    assert list(wakes.due_stations()) == []
    clock.wake(101)
    assert list(wakes.due_stations()) == []
    clock.wake(100)
    assert list(wakes.due_stations()) == ["a"]
    wakes.change("a")
    assert list(wakes.due_stations()) == ["a"], "once, for both"


def test_a_piece_waits_until_the_piece_events_are_read(wakes: Wakes) -> None:
    wakes.when_read(("a", 1), 100)
    wakes.when_read(("a", 2), 200)
    wakes._time.confirm(frozenset({PIECES}), at_end=False, now_s=0.0)
    assert wakes.due_pieces(0.0) == []
    wakes._time.read(PIECES, 150)
    assert wakes.due_pieces(0.0) == [("a", 1)]
    wakes._time.confirm(frozenset({FRAMES}), at_end=False, now_s=0.0)
    assert (wakes.due_pieces(0.0), wakes.due_pieces(0.0)) == ([("a", 2)], [])


def test_a_piece_waits_for_a_time_and_no_more_once_it_is_closed(wakes: Wakes) -> None:
    for number, at_s in enumerate((1.0, 2.0, 3.0)):
        wakes.at_s(("a", number), at_s)
    wakes.when_read(("a", 2), 100)
    assert wakes.due_pieces(0.9) == [("a", 2)]
    wakes.close(("a", 1))
    assert wakes.due_pieces(3.0) == [("a", 0), ("a", 2)]
