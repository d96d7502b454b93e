"""Turns event times, append times and confirmed idle time into one clock per station that never runs backwards.

The clocks of a shard advance together, as arrays: a station without records costs next to nothing.
"""

from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from streams.records import TopicPartition

MAX_CONFIRMATION_GAP_S = 1.0
"""Two confirmations further apart than this say nothing about the time between them (an outage, a SIGSTOP)."""
MAX_APPEND_GAP_NS = 1_000_000_000
"""Two records appended further apart say nothing either, because records held up elsewhere may follow. Idle time
confirmed between them still counts."""
_NEVER = 2**63 - 1
_UNSET = -(2**63)
"""The time of a clock that has not begun."""
BEGINNING_NS = _UNSET + 1
"""Every clock that has begun has reached it."""


class ShardTime:
    """Read progress of one shard: newest append time per partition, unread partitions, confirmed idle time."""

    def __init__(self) -> None:
        self.appended: dict[TopicPartition, int] = {}
        self.ran_ns: dict[TopicPartition, int] = {}
        """Observed running time of each partition: append times without gaps, and confirmed idle time."""
        self.unread: AbstractSet[TopicPartition] = frozenset()
        self.at_end = False
        self.idle_ns = 0
        self._idled_ns = 0
        """Total confirmed idle time."""
        self._idled_before: dict[TopicPartition, int] = {}
        """The part of it before the newest record, per partition."""
        self._confirmed_s: float | None = None
        self._has_news = False

    @property
    def now_ns(self) -> int | None:
        """The log's clock at the last record read, plus confirmed idle time; None before the first record."""
        idle_ns = 0 if self._has_news else self.idle_ns
        return max(self.appended.values()) + idle_ns if self.appended else None

    def read(self, at: TopicPartition, append_ns: int) -> None:
        """A record was read, usable or not."""
        before_ns = self.appended.get(at, append_ns)
        gap_ns = max(0, append_ns - before_ns)
        idled_ns = self._idled_ns - self._idled_before.get(at, self._idled_ns)
        ran_ns = gap_ns if gap_ns < MAX_APPEND_GAP_NS else min(gap_ns, idled_ns)
        self.ran_ns[at] = self.ran_ns.get(at, 0) + ran_ns
        self._idled_before[at] = self._idled_ns
        self.appended[at] = max(append_ns, before_ns)
        self._has_news = True

    def confirm(self, unread: AbstractSet[TopicPartition], at_end: bool, now_s: float) -> None:
        """Takes the state of the log after a poll at `now_s` (monotonic). The log may confirm the end only
        occasionally."""
        self.unread, self.at_end = unread, at_end and not unread
        if self._has_news or unread:
            self.idle_ns, self._confirmed_s = 0, None
        if self.at_end:
            if self._confirmed_s is not None and now_s - self._confirmed_s < MAX_CONFIRMATION_GAP_S:
                elapsed_ns = round((now_s - self._confirmed_s) * 1e9)
                self.idle_ns, self._idled_ns = self.idle_ns + elapsed_ns, self._idled_ns + elapsed_ns
            self._confirmed_s = now_s
        self._has_news = False

    def has_read(self, at: TopicPartition, append_ns: int) -> bool:
        """Whether everything appended to this partition before `append_ns` has been read."""
        return at not in self.unread or self.appended.get(at, append_ns - 1) >= append_ns


class ShardClocks:
    """The clocks of all stations of one shard. Arrays have one row per partition and one column per station."""

    def __init__(self, time: ShardTime) -> None:
        self.time = time
        self._clocks: list[StationClock] = []
        self._rows: dict[TopicPartition, int] = {}
        self._now = np.empty(0, np.int64)
        self._due = np.empty(0, np.int64)
        self._base = np.empty((0, 0), np.int64)
        """Event time reached, less the partition's running time or (without a record of the station) append time."""
        self._has_record = np.empty((0, 0), np.bool_)

    def add(self, clock: "StationClock", now_ns: int | None, lag_ns: int) -> int:
        """Returns the column of a new clock."""
        if len(self._clocks) == len(self._now):
            self._grow(len(self._rows), 2 * len(self._now) + 1)
        column = len(self._clocks)
        self._clocks.append(clock)
        self._now[column], self._due[column] = _UNSET if now_ns is None else now_ns, _NEVER
        self._base[:, column], self._has_record[:, column] = -lag_ns, False
        return column

    def remove(self, clock: "StationClock") -> None:
        """The last clock takes its column."""
        last, column = self._clocks.pop(), clock.column
        if last is not clock:
            for array in (self._now, self._due, self._base, self._has_record):
                array[..., column] = array[..., last.column]
            self._clocks[column], last.column = last, column

    def now_ns(self, column: int) -> int | None:
        now_ns = int(self._now[column])
        return None if now_ns == _UNSET else now_ns

    def wake(self, column: int, due_ns: int | None) -> None:
        """Has `due` return this clock once it has reached a time; None: not at all."""
        self._due[column] = _NEVER if due_ns is None else min(due_ns, _NEVER)

    def due(self) -> "list[StationClock]":
        """The clocks that have reached the time at which they are due."""
        num = len(self._clocks)
        return [self._clocks[column] for column in np.flatnonzero(self._now[:num] >= self._due[:num])]

    def times_ms(self) -> dict[str, int]:
        """By station, the times of the clocks that have begun."""
        times_ms = (self._now[: len(self._clocks)] // 1_000_000).tolist()
        return {
            clock.station: time_ms
            for clock, time_ms in zip(self._clocks, times_ms, strict=True)
            if time_ms > _UNSET // 1_000_000
        }

    def add_stamp(self, column: int, at: TopicPartition, event_ns: int) -> None:
        row = self._row(at)
        self._base[row, column], self._has_record[row, column] = event_ns - self.time.ran_ns.get(at, 0), True

    def set_lag(self, column: int, lag_ns: int) -> None:
        """The lag to assume in partitions without a record of the station."""
        self._base[:, column][~self._has_record[:, column]] = -lag_ns

    def tick(self) -> None:
        """Advances all clocks with the slowest unread partition or, if all is read, with the newest record and
        confirmed idle time. Without a record in an unread partition, none moves."""
        unread, appended = self.time.unread, self.time.appended
        if not self._clocks or not appended or not (unread or self.time.at_end):
            return
        if unread and not unread <= appended.keys():
            return
        if unread:
            reached = self._estimates(unread).min(axis=0)
        else:
            reached = self._estimates(appended.keys()).max(axis=0) + self.time.idle_ns
        now = self._now[: len(self._clocks)]
        np.maximum(now, reached, out=now)

    def ahead(self, read_ahead_ns: int) -> frozenset[TopicPartition]:
        """Partitions that are more than `read_ahead_ns` ahead of a station's slowest unread one; all if an unread one
        has no record yet."""
        unread, appended = self.time.unread, self.time.appended
        if not self._clocks or not unread:
            return frozenset()
        if not unread <= appended.keys():
            return frozenset(appended)
        limit = self._estimates(unread).min(axis=0) + read_ahead_ns
        is_ahead = (self._estimates(appended.keys()) > limit).any(axis=1)
        return frozenset(at for at, is_far in zip(appended, is_ahead, strict=True) if is_far)

    def estimate(self, at: TopicPartition, column: int) -> int | None:
        """See `StationClock.estimate`."""
        return int(self._estimates((at,))[0, column]) if at in self.time.appended else None

    def _estimates(self, partitions: "AbstractSet[TopicPartition] | tuple[TopicPartition]") -> NDArray[np.int64]:
        """Event time that each station (column) has reached in each partition with a record (row)."""
        rows, num, time = [self._row(at) for at in partitions], len(self._clocks), self.time
        ran = np.array([[time.ran_ns.get(at, 0)] for at in partitions], np.int64)
        appended = np.array([[time.appended[at]] for at in partitions], np.int64)
        estimates: NDArray[np.int64] = np.where(self._has_record[rows, :num], ran, appended)
        estimates += self._base[rows, :num]
        return estimates

    def _row(self, at: TopicPartition) -> int:
        row = self._rows.get(at)
        if row is None:
            row = self._rows[at] = len(self._rows)
            self._grow(row + 1, len(self._now))
            for clock in self._clocks:
                self._base[row, clock.column] = -clock.lag_ns
        return row

    def _grow(self, num_rows: int, num_columns: int) -> None:
        """Makes room; times and estimates keep their places."""
        for name in ("_now", "_due", "_base", "_has_record"):
            before = getattr(self, name)
            shape = (num_rows, num_columns)[2 - before.ndim :]
            after = np.zeros(shape, before.dtype)
            after[tuple(slice(size) for size in before.shape)] = before
            setattr(self, name, after)


class StationClock:
    """The event time that a station has reached; None until one of its records is read."""

    def __init__(
        self,
        time: ShardTime,
        now_ns: int | None,
        unknown_lag_ns: int,
        clocks: ShardClocks | None = None,
        station: str = "",
    ) -> None:
        """`clocks` are those of its shard; without them it is alone."""
        self.station = station
        self._clocks, self._time = clocks or ShardClocks(time), time
        self.lag_ns = unknown_lag_ns
        """The lag in a partition without a record of the station: that of another partition, or a large one."""
        self._newest_ns: dict[TopicPartition, int] = {}
        self._lag: dict[TopicPartition, int] = {}
        self.column = self._clocks.add(self, now_ns, unknown_lag_ns)

    @property
    def now_ns(self) -> int | None:
        return self._clocks.now_ns(self.column)

    @property
    def has_begun(self) -> bool:
        return bool(self._newest_ns) or self.now_ns is not None

    def add_stamp(self, at: TopicPartition, event_ns: int, append_ns: int) -> None:
        """Takes a usable record of this station; call ShardTime.read for it first."""
        if event_ns < self._newest_ns.get(at, event_ns):
            return
        self._newest_ns[at], self._lag[at] = event_ns, append_ns - event_ns
        self._clocks.add_stamp(self.column, at, event_ns)
        lag_ns = min(self._lag.values())
        if lag_ns != self.lag_ns:
            self.lag_ns = lag_ns
            self._clocks.set_lag(self.column, lag_ns)

    def estimate(self, at: TopicPartition) -> int | None:
        """Event time reached in one partition: the newest one, plus the partition's running time since then.

        Without a record in the partition, it uses the station's lag in another one. For a station that has been silent
        since before this owner took over, it assumes a large lag, so that the clock moves and verdicts are forgotten
        eventually.
        """
        return self._clocks.estimate(at, self.column)

    def wake(self, due_ns: int | None) -> None:
        """Has `ShardClocks.due` return this clock once it has reached a time; None: not at all."""
        self._clocks.wake(self.column, due_ns)

    def tick(self) -> None:
        """Advances this clock, and with it all clocks of the shard."""
        self._clocks.tick()

    def remove(self) -> None:
        """Its station is dropped."""
        self._clocks.remove(self)
