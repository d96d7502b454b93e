"""Turns event times, append times and confirmed idle time into one clock per station that never runs backwards."""

from collections.abc import Set as AbstractSet

from streams.records import TopicPartition

MAX_CONFIRMATION_GAP_S = 1.0
"""Two confirmations further apart than this say nothing about the time between them (an outage, a SIGSTOP)."""
MAX_APPEND_GAP_NS = 1_000_000_000
"""Two records appended further apart say nothing either, because records held up elsewhere may follow. Idle time
confirmed between them still counts."""


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


class StationClock:
    """The event time that a station has reached; None until one of its records is read."""

    def __init__(self, time: ShardTime, now_ns: int | None, unknown_lag_ns: int) -> None:
        self.now_ns = now_ns
        self._unknown_lag_ns = unknown_lag_ns
        self._time = time
        self._newest: dict[TopicPartition, tuple[int, int]] = {}
        """Newest event time, and the partition's running time at that record."""
        self._lag: dict[TopicPartition, int] = {}

    @property
    def has_begun(self) -> bool:
        return self.now_ns is not None or bool(self._newest)

    def add_stamp(self, at: TopicPartition, event_ns: int, append_ns: int) -> None:
        """Takes a usable record of this station; call ShardTime.read for it first."""
        if at not in self._newest or event_ns >= self._newest[at][0]:
            self._newest[at] = event_ns, self._time.ran_ns.get(at, 0)
            self._lag[at] = append_ns - event_ns

    def estimate(self, at: TopicPartition) -> int | None:
        """Event time reached in one partition: the newest one, plus the partition's running time since then.

        Without a record in the partition, it uses the station's lag in another one. For a station that has been silent
        since before this owner took over, it assumes a large lag, so that the clock moves and verdicts are forgotten
        eventually.
        """
        if at in self._newest:
            event_ns, ran_ns = self._newest[at]
            return event_ns + self._time.ran_ns.get(at, 0) - ran_ns
        appended = self._time.appended.get(at)
        if appended is None:
            return None
        return appended - min(self._lag.values(), default=self._unknown_lag_ns)

    def tick(self) -> None:
        """Advances with the slowest unread partition or, if all is read, with the newest record and confirmed idle
        time."""
        if self._time.unread:
            self._move([self.estimate(at) for at in self._time.unread], slowest=True)
        elif self._time.at_end:
            self._move([self.estimate(at) for at in self._time.appended], slowest=False)

    def _move(self, estimates: list[int | None], *, slowest: bool) -> None:
        known = [estimate for estimate in estimates if estimate is not None]
        if not known or (slowest and len(known) < len(estimates)):
            return
        reached = min(known) if slowest else max(known) + self._time.idle_ns
        self.now_ns = reached if self.now_ns is None else max(self.now_ns, reached)
