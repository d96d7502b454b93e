"""A join that looks only at what may have changed shows the same as one that looks at everything on each turn.

`JOIN_EXAMPLES=3000 pytest tests/streams/join/test_looks.py` is the long form.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.join.clips import SensorStream
from streams.join.clock import BEGINNING_NS, ShardClocks, ShardTime, StationClock
from streams.join.looks import Looks, Waits
from streams.join.piece_times import PieceTimes
from streams.join.pieces import Piece
from streams.observation import InspectionId
from tests.streams.join.join_trace import join_trace
from tests.streams.join.test_join_properties import PROFILE


class EveryPiece(Looks):
    """All open pieces, on each turn."""

    def take(self, clock_ns: int) -> list[Piece]:
        super().take(clock_ns)
        return list(self._open.values())


class EveryTime(PieceTimes):
    """Computes the times of all pieces again whenever one is needed."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._all: dict[int, Piece] = {}

    def change(self, piece: Piece) -> None:
        self._all[piece.number] = piece

    def drop(self, piece: Piece) -> None:
        self._all.pop(piece.number, None)
        super().drop(piece)

    def _refresh(self) -> None:
        self._changed = dict(self._all)
        super()._refresh()


@contextmanager
def looking_at_everything() -> Iterator[None]:
    """Every station advances on each turn, looks at all its pieces and tries to drop samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.join.station.Looks", EveryPiece)
        patch.setattr("streams.join.station.PieceTimes", EveryTime)
        patch.setattr(ShardClocks, "due", lambda clocks: list(clocks._clocks))
        patch.setattr(SensorStream, "droppable_ns", property(lambda stream: BEGINNING_NS if len(stream) else None))
        yield


@PROFILE
@example(18182778)  # a chunk that is older than all samples of its sensor
@given(st.integers(0, 2**64 - 1))
def test_it_shows_the_same_as_looking_at_everything(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.join.station_signals.DROP_EVERY_NS", 0)
        with looking_at_everything():
            expected = join_trace(seed)
        assert join_trace(seed) == expected


def piece(number: int) -> Piece:
    return Piece(InspectionId("line", "a", f"p{number}"), "good", "", None, number)


def looks(num: int) -> tuple[Looks, list[Piece]]:
    """So many open pieces, looked at for the first time."""
    looks, pieces = Looks(), [piece(number) for number in range(num)]
    for each in pieces:
        looks.open(each)
    assert looks.take(0) == pieces
    return looks, pieces


def test_a_piece_without_a_change_is_not_looked_at() -> None:
    each, pieces = looks(3)
    each.change(2)
    each.change(0)
    assert each.take(0) == [pieces[0], pieces[2]]
    assert each.take(2**60) == []


def test_a_piece_is_looked_at_when_the_clock_reaches_what_it_waits_for() -> None:
    each, pieces = looks(2)
    each.wait(pieces[0], Waits(clock_ns=20))
    each.wait(pieces[1], Waits(clock_ns=10))
    assert (each.clock_ns, each.take(9), each.take(10), each.clock_ns) == (10, [], [pieces[1]], 20)


def test_a_piece_is_looked_at_when_a_sensor_reaches_what_it_waits_for_and_in_a_gap_at_every_chunk() -> None:
    each, pieces = looks(3)
    each.wait(pieces[0], Waits(data_ns={"mic": 10}))
    each.wait(pieces[1], Waits(data_ns={"mic": 20}))
    each.wait(pieces[2], Waits(data_ns={"mic": 30}, gaps=frozenset({"mic"})))
    each.reach("other", 99)
    assert each.take(0) == []
    each.reach("mic", 10)
    assert each.take(0) == [pieces[0], pieces[2]]
    each.reach("mic", 11)
    assert each.take(0) == [pieces[2]]


def test_a_closed_piece_waits_for_nothing() -> None:
    each, (only,) = looks(1)
    each.wait(only, Waits(clock_ns=10, data_ns={"mic": 10}, gaps=frozenset({"mic"})))
    each.close(only)
    each.change(only.number)
    each.reach("mic", 10)
    assert (each.take(10), each.clock_ns) == ([], None)


def test_a_clock_of_a_station_may_be_replaced_by_the_last_one() -> None:
    """Dropping a station moves another one's column."""
    clocks = ShardClocks(ShardTime())
    first, middle, last = (StationClock(clocks.time, ns, 5, clocks, str(ns)) for ns in (10, 20, 30))
    last.wake(30)
    middle.remove()
    first.remove()
    assert ([clock.station for clock in clocks.due()], last.now_ns, clocks.times_ms()) == (["30"], 30, {"30": 0})
