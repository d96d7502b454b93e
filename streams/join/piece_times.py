"""Keeps the times of a station's pieces at hand: its oldest open piece, and the earliest window of each sensor."""

from collections.abc import Mapping

from streams.join.assembly import SensorSpec
from streams.join.clips import SECOND_NS
from streams.join.lowest import Lowest
from streams.join.pieces import Piece


class PieceTimes:
    """The pieces of one station without a published verdict. Times are computed when they are needed next."""

    def __init__(self, sensors: Mapping[str, SensorSpec]) -> None:
        """`sensors` are all that a recipe of the station names."""
        self._starts = {name: Lowest[int, int]() for name, sensor in sensors.items() if sensor.bind == "time"}
        self._entries = Lowest[int, int]()
        self._changed: dict[int, Piece] = {}
        self._open: dict[int, Piece] = {}

    def change(self, piece: Piece) -> None:
        """A piece has opened, changed or closed."""
        self._changed[piece.number] = piece

    def drop(self, piece: Piece) -> None:
        """Its verdict is published."""
        self._changed.pop(piece.number, None)
        self._forget_entry(piece.number)
        for starts in self._starts.values():
            starts.discard(piece.number)

    def oldest_open(self) -> Piece | None:
        """The open piece with the earliest entry; of several, the one that opened first."""
        self._refresh()
        first = self._entries.first
        return None if first is None else self._open[first[1]]

    def earliest_ns(self, sensor: str) -> int | None:
        """Event time from which pieces need the samples of a time-bound sensor."""
        self._refresh()
        return self._starts[sensor].lowest

    def _refresh(self) -> None:
        if not self._changed:
            return
        for number, piece in self._changed.items():
            if piece.closing is None:
                self._open[number] = piece
                self._entries.set(number, piece.entry_ns)
            else:
                self._forget_entry(number)
            for sensor in piece.spec.sensors if piece.spec else ():
                if (starts := self._starts.get(sensor.name)) is not None:
                    starts.set(number, needed_ns(piece, sensor))
        self._changed.clear()

    def _forget_entry(self, number: int) -> None:
        self._open.pop(number, None)
        self._entries.discard(number)


def needed_ns(piece: Piece, sensor: SensorSpec) -> int:
    """Event time from which a piece needs the samples of a sensor; a guess while the anchor is unknown."""
    window = piece.window(sensor)
    return piece.entry_ns + min(0, round(sensor.start_s * SECOND_NS)) if window is None else window.start_ns
