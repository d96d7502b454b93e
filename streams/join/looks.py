"""Chooses the open pieces of a station to look at: those for which something may have changed since the last look.

A piece is looked at after each of its records, and when the station's clock or the data of a sensor reach the time at
which the state of one of its sources may change. A look too many changes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streams.join.lowest import Lowest
from streams.join.pieces import Piece


class Waits(NamedTuple):
    """What an open piece waits for, in addition to its records."""

    clock_ns: int | None = None
    """The station's clock reaches this time."""
    data_ns: Mapping[str, int] = {}
    """By sensor: its data reach this time."""
    gaps: frozenset[str] = frozenset()
    """Sensors whose data have passed the window's end with samples missing: any chunk may hold them."""


class Looks:
    """The open pieces of one station by number, in order of opening."""

    def __init__(self) -> None:
        self._open: dict[int, Piece] = {}
        self._changed: set[int] = set()
        self._by_clock = Lowest[int, int]()
        self._by_data: dict[str, Lowest[int, int]] = {}
        self._gaps: dict[str, set[int]] = {}

    def open(self, piece: Piece) -> None:
        self._open[piece.number] = piece
        self._changed.add(piece.number)

    def close(self, piece: Piece) -> None:
        del self._open[piece.number]
        self._wait(piece.number, Waits())

    def change(self, number: int) -> None:
        """A piece has changed; it may have closed since."""
        self._changed.add(number)

    def reach(self, sensor: str, data_ns: int) -> None:
        """New samples of a sensor have arrived; its data reach this time."""
        if (waiting := self._by_data.get(sensor)) is not None:
            self._changed.update(waiting.pop_through(data_ns))
            self._changed |= self._gaps[sensor]

    @property
    def has_changes(self) -> bool:
        """Whether there is a piece to look at."""
        return bool(self._changed)

    @property
    def clock_ns(self) -> int | None:
        """The station's clock at which the next piece is due."""
        return self._by_clock.lowest

    def take(self, clock_ns: int) -> list[Piece]:
        """The open pieces to look at now, in order of opening."""
        self._changed.update(self._by_clock.pop_through(clock_ns))
        if not self._changed:
            return []
        numbers = sorted(self._changed)
        self._changed.clear()
        return [self._open[number] for number in numbers if number in self._open]

    def wait(self, piece: Piece, waits: Waits) -> None:
        """After a look: what the piece waits for now."""
        for sensor in waits.data_ns:
            self._by_data.setdefault(sensor, Lowest())
            self._gaps.setdefault(sensor, set())
        self._wait(piece.number, waits)

    def _wait(self, number: int, waits: Waits) -> None:
        _set(self._by_clock, number, waits.clock_ns)
        for sensor, waiting in self._by_data.items():
            _set(waiting, number, waits.data_ns.get(sensor))
            if sensor in waits.gaps:
                self._gaps[sensor].add(number)
            else:
                self._gaps[sensor].discard(number)


def _set(lowest: Lowest[int, int], number: int, time_ns: int | None) -> None:
    if time_ns is None:
        lowest.discard(number)
    else:
        lowest.set(number, time_ns)
