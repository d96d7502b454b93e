"""Estimates the log's time of day on this machine from the stamps that the log gives to what is written.

How long a record has waited is measured by the clock that stamped it: that of a worker may be minutes off.
"""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("inspector.streams.clock")

WARN_ABOVE_S = 1.0
_STAMP_NS = 1_000_000
"""Kafka's stamps are whole milliseconds, cut off."""
_DRIFT = 2e-4
"""Two clocks of quartz part by less than this."""


class LogClock:
    """The log's clock runs with this machine's monotonic one, at a distance that every answered write narrows down:
    its stamp lies between the moments of sending and of the answer. Setting the time of day here changes nothing.

    `by_wall`: the log is stamped by this very machine, nothing needs to be measured.
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
        """Least and greatest distance from the monotonic clock to the log's."""
        self._measured_ns = 0
        self._seen: int | None = None
        self._has_warned = False

    def now_ns(self) -> int:
        """The log's time as well as it is known; this machine's before the first write."""
        if self._by_wall or self._bounds is None:
            return self._wall_ns()
        return self._monotonic_ns() + sum(self._bounds) // 2

    def reached_ns(self) -> int:
        """A time that the log's clock has reached for certain, to count waiting from: before the first write, the
        newest stamp that was read. A worker that has just started calls nothing old by a clock that may be wrong."""
        if self._by_wall or self._bounds is not None or self._seen is None:
            return self.now_ns()
        return self._monotonic_ns() + self._seen

    @property
    def skew_s(self) -> float:
        """How far this machine's time of day is ahead of the log's; 0 as long as that is not known."""
        return (self._wall_ns() - self.now_ns()) / 1e9

    def read(self, append_ns: int) -> None:
        """A record with this stamp was read: the log's clock is not behind it."""
        distance = append_ns - self._monotonic_ns()
        self._seen = distance if self._seen is None else max(self._seen, distance)

    def monotonic_ns(self) -> int:
        """What `wrote` takes as the moments of sending and of the answer."""
        return self._monotonic_ns()

    def wrote(self, sent_ns: int, append_ns: int, answered_ns: int) -> None:
        """A record was stamped `append_ns` between these moments of the monotonic clock."""
        low, high = append_ns - answered_ns, append_ns + _STAMP_NS - sent_ns
        if self._bounds is not None:
            drift = round((answered_ns - self._measured_ns) * _DRIFT)
            narrowed = max(low, self._bounds[0] - drift), min(high, self._bounds[1] + drift)
            if narrowed[0] <= narrowed[1]:  # else one of the clocks was set, or another broker stamps
                low, high = narrowed
        self._bounds, self._measured_ns = (low, high), answered_ns
        self._warn()

    def _warn(self) -> None:
        skew_s = self.skew_s
        is_off = abs(skew_s) > WARN_ABOVE_S
        if is_off and not self._has_warned:
            log.warning(
                "This machine's clock is %.1f s %s the log's: waiting is counted and verdicts are stamped by the log's "
                "clock; set the clocks of this machine and of the brokers (chrony or systemd-timesyncd).",
                abs(skew_s),
                "ahead of" if skew_s > 0 else "behind",
            )
        elif not is_off and self._has_warned:
            log.warning("This machine's clock agrees with the log's again (%.3f s).", skew_s)
        self._has_warned = is_off
