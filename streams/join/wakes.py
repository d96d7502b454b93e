"""Chooses the stations of a shard that have something to do in a turn; the others cost nothing."""

from collections.abc import Iterator

from streams.join.clock import ShardClocks, ShardTime
from streams.join.lowest import Lowest
from streams.records import TopicPartition

Piece = tuple[str, int]
"""A station and the number of a piece there."""


class Wakes:
    """Stations wake for their records, by their clocks, and for pieces that wait for something of the whole shard."""

    def __init__(self, time: ShardTime, clocks: ShardClocks, pieces: TopicPartition) -> None:
        """`pieces` is the partition of piece events."""
        self._time, self._clocks, self._pieces = time, clocks, pieces
        self._changed: dict[str, None] = {}
        self._by_read = Lowest[Piece, int]()
        self._by_time = Lowest[Piece, float]()

    def change(self, station: str) -> None:
        """A station has something to do in the next turn."""
        self._changed[station] = None

    def when_read(self, piece: Piece, append_ns: int) -> None:
        """A piece waits until the piece events appended before this time have been read."""
        self._by_read.set(piece, append_ns)

    def at_s(self, piece: Piece, time_s: float) -> None:
        """A piece waits until this time of the monotonic clock."""
        self._by_time.set(piece, time_s)

    def close(self, piece: Piece) -> None:
        """A piece waits no more."""
        self._by_read.discard(piece)
        self._by_time.discard(piece)

    def due_pieces(self, now_s: float) -> list[Piece]:
        """Removes and returns the pieces whose wait has ended."""
        return [*self._read_pieces(), *self._by_time.pop_through(now_s)]

    def due_stations(self) -> Iterator[str]:
        """The stations that have something to do by their records or their clocks, in any order."""
        changed, self._changed = self._changed, {}
        yield from changed
        yield from (clock.station for clock in self._clocks.due() if clock.station not in changed)

    def _read_pieces(self) -> list[Piece]:
        if self._pieces not in self._time.unread:
            limit_ns: int | None = 2**63
        else:
            limit_ns = self._time.appended.get(self._pieces)
        return [] if limit_ns is None or not self._by_read else self._by_read.pop_through(limit_ns)
