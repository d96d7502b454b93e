"""Estimates the log's time of day on this machine from the timestamps that the log gives to written records.

The age of a record is measured by the clock that stamped it, because a worker's clock may be minutes off.
"""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("inspector.streams.clock")

WARN_ABOVE_S = 1.0
_STAMP_NS = 1_000_000
"""Kafka truncates timestamps to whole milliseconds."""
_DRIFT = 2e-4
"""Two quartz clocks drift apart by less than this."""


class LogClock:
    """Tracks the offset from this machine's monotonic clock to the log's clock. Every acknowledged write narrows it
    down, because the record's timestamp lies between sending and acknowledgement. Setting the time of day here has no
    effect.

    `by_wall`: this machine stamps the log, so nothing has to be measured.
    """

    def __init__(
        self,
        *,
        by_wall: bool = True,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._by_wall, self._monotonic_ns, self._wall_ns = by_wall, monotonic_ns, wall_ns
        self._bounds: tuple[int, int] | None = None
        """Least and greatest offset from the monotonic clock to the log's."""
        self._measured_ns = 0
        self._seen: int | None = None
        self._has_warned = False

    def now_ns(self) -> int:
        """The best estimate of the log's time; this machine's time before the first write."""
        if self._by_wall or self._bounds is None:
            return self._wall_ns()
        return self._monotonic_ns() + sum(self._bounds) // 2

    def reached_ns(self) -> int:
        """A time that the log's clock has certainly reached, used to measure ages: before the first write, it follows
        the newest timestamp read. So a worker that has just started does not rely on a wrong clock of its own."""
        if self._by_wall or self._bounds is not None or self._seen is None:
            return self.now_ns()
        return self._monotonic_ns() + self._seen

    @property
    def skew_s(self) -> float:
        """How far this machine's time of day is ahead of the log's; 0 while it is unknown."""
        return (self._wall_ns() - self.now_ns()) / 1e9

    def read(self, append_ns: int) -> None:
        """A record with this stamp was read: the log's clock is not behind it."""
        distance = append_ns - self._monotonic_ns()
        self._seen = distance if self._seen is None else max(self._seen, distance)

    def monotonic_ns(self) -> int:
        """The clock for the send and acknowledgement times that `wrote` takes."""
        return self._monotonic_ns()

    def wrote(self, sent_ns: int, append_ns: int, answered_ns: int) -> None:
        """A record was stamped `append_ns` between these two times of the monotonic clock."""
        low, high = append_ns - answered_ns, append_ns + _STAMP_NS - sent_ns
        if self._bounds is not None:
            drift = round((answered_ns - self._measured_ns) * _DRIFT)
            narrowed = max(low, self._bounds[0] - drift), min(high, self._bounds[1] + drift)
            if narrowed[0] <= narrowed[1]:  # otherwise one of the clocks was set, or another broker stamps
                low, high = narrowed
        self._bounds, self._measured_ns = (low, high), answered_ns
        self._warn()

    def _warn(self) -> None:
        skew_s = self.skew_s
        is_off = abs(skew_s) > WARN_ABOVE_S
        if is_off and not self._has_warned:
            log.warning(
                "This machine's clock is %.1f s %s the log's. Ages and verdict timestamps use the log's clock. "
                "Synchronise the clocks of this machine and of the brokers (chrony or systemd-timesyncd).",
                abs(skew_s),
                "ahead of" if skew_s > 0 else "behind",
            )
        elif not is_off and self._has_warned:
            log.warning("This machine's clock agrees with the log's again (%.3f s).", skew_s)
        self._has_warned = is_off
