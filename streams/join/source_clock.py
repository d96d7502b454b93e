"""Measures the clock of one source against the log's: the lowest delay from event to append, and its drift.

Transport only adds to a delay, so the lowest delay within a window shows the clock best.
"""

from collections import deque
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import NamedTuple

from streams.join.clips import SECOND_NS

WINDOW_NS = 30 * SECOND_NS
CATCH_UP_NS = SECOND_NS
"""Records that were held back arrive together, in less than this."""
_BUCKET_NS = SECOND_NS // 2
_MINUTE_NS = 60 * SECOND_NS
MAX_MINUTES = 60
MAX_SILENCES = 8
_MIN_MINUTES = 10
"""100 ppm are 6 ms per minute; over a few minutes, transport delays vary more."""


class Delays(NamedTuple):
    """What the records of one source for one piece took from event to append."""

    lowest_ns: int
    highest_ns: int
    append_ns: int
    """Of the newest of them."""


class Silence(NamedTuple):
    """The log got nothing from a source between two append times."""

    from_ns: int | None
    """None before its first record."""
    to_ns: int
    event_ns: int
    """Of the record that ended it."""
    lowest_ns: int | None
    """The lowest delay before it."""
    is_hold_up: bool
    """That record came late, and was not recorded before the silence: it was held up meanwhile."""


@dataclass(slots=True)
class _Low:
    append_ns: int
    delay_ns: int


class SourceClock:
    """The delays of one source: the lowest per bucket of the last window, and per minute of the last hour."""

    def __init__(self, step_ns: int, hold_up_ns: int) -> None:
        """Records that are late by up to `hold_up_ns` after a silence count as held up for a moment."""
        self.newest_ns: int | None = None
        """Append time of the newest record."""
        self.drift_ppm: float | None = None
        """How fast the source's clock falls behind the log's (negative: gains on it); None while unknown."""
        self._step_ns, self._hold_up_ns = step_ns, hold_up_ns
        self._newest_event_ns = self._gap_ns = 0
        self._held_until_ns: int | None = None
        self._first: _Low | None = None
        """The reference for a fall of the delay."""
        self._lows: deque[_Low] = deque()
        """Append times and delays, both rising: the first is the lowest of the window."""
        self._minutes: deque[_Low] = deque(maxlen=MAX_MINUTES)
        self.silences: deque[Silence] = deque(maxlen=MAX_SILENCES)
        """The newest that were longer than a step."""

    def __len__(self) -> int:
        return len(self._lows) + len(self._minutes) + len(self.silences)

    @property
    def lowest_ns(self) -> int | None:
        """The lowest delay since the clock last stepped, within the window; negative where it is ahead."""
        return self._lows[0].delay_ns if self._lows else None

    @property
    def is_catching_up(self) -> bool:
        """Whether its records were late a moment ago without a step of the clock; the next records will tell."""
        held_until_ns, newest_ns = self._held_until_ns, self.newest_ns
        return held_until_ns is not None and newest_ns is not None and newest_ns < held_until_ns + CATCH_UP_NS

    @property
    def before_ns(self) -> int | None:
        """The lowest delay; while records arrive that were held up, that before they were, None if unknown."""
        if self.is_catching_up and self.silences:
            return self.silences[-1].lowest_ns
        return None if self.has_fallen or self.is_catching_up else self.lowest_ns

    @property
    def has_fallen(self) -> bool:
        """Whether its delay fell by more than a step: records arrived faster than time passes, so they were held back
        before."""
        return (
            self._first is not None
            and bool(self._lows)
            and self._first.delay_ns - self._lows[0].delay_ns > self._step_ns
        )

    def is_silent(self, from_ns: int, to_ns: int) -> bool:
        """Whether no record is known that was appended between these times."""
        if self.newest_ns is None or self.newest_ns <= from_ns:
            return True
        return any((each.from_ns or 0) <= from_ns and to_ns <= each.to_ns for each in self.silences)

    def add_stamp(self, delay_ns: int, append_ns: int) -> None:
        """Takes the delay of a record, usable or not. A rise by more than a step restarts the measurement: the clock
        was set back, or records were held back, and the last of these show the clock again."""
        self._listen(delay_ns, append_ns)
        if self._lows and delay_ns - self._lows[0].delay_ns > self._step_ns:
            self._rise(delay_ns, append_ns)
        else:
            self._gap_ns = append_ns - (self.newest_ns or append_ns)
            if not self.is_catching_up:
                self._held_until_ns = None
        self._newest_event_ns = max(self._newest_event_ns, append_ns - delay_ns)
        self.newest_ns = append_ns if self.newest_ns is None else max(self.newest_ns, append_ns)
        while self._lows and self._lows[-1].delay_ns >= delay_ns:
            self._lows.pop()
        if not self._lows or append_ns - self._lows[-1].append_ns >= _BUCKET_NS:
            self._lows.append(_Low(append_ns, delay_ns))
        while len(self._lows) > 1 and self._lows[0].append_ns < self.newest_ns - WINDOW_NS:
            self._lows.popleft()
        if self._first is None or append_ns - self._first.append_ns > WINDOW_NS:
            self._first = _Low(append_ns, delay_ns)
        self._count_minute(delay_ns, append_ns)

    def _listen(self, delay_ns: int, append_ns: int) -> None:
        """Notes the silence that this record ends."""
        if self.newest_ns is not None and append_ns - self.newest_ns <= self._step_ns:
            return
        event_ns, lowest_ns = append_ns - delay_ns, self.lowest_ns
        is_hold_up = (
            self.newest_ns is not None
            and lowest_ns is not None
            and delay_ns - lowest_ns > self._step_ns
            and event_ns > self.newest_ns - self._step_ns
        )
        self.silences.append(Silence(self.newest_ns, append_ns, event_ns, lowest_ns, is_hold_up))

    def _rise(self, delay_ns: int, append_ns: int) -> None:
        """Handles a late record. After a silence longer than the previous gap, this record or earlier ones were held
        up, so nothing is concluded for a moment; otherwise the clock has stepped."""
        rise_ns, silent_ns = delay_ns - self._lows[0].delay_ns, append_ns - (self.newest_ns or append_ns)
        has_stepped = append_ns - delay_ns < self._newest_event_ns - self._step_ns // 2
        is_held_up = not has_stepped and silent_ns >= self._gap_ns + rise_ns // 2
        if is_held_up or (self.is_catching_up and not has_stepped):
            self._held_until_ns = append_ns if is_held_up else self._held_until_ns
            if rise_ns <= self._hold_up_ns:
                return
        else:
            self._held_until_ns = None
        self._lows.clear()
        self._first = None

    def _count_minute(self, delay_ns: int, append_ns: int) -> None:
        minute = append_ns // _MINUTE_NS
        if self._minutes and self._minutes[-1].append_ns // _MINUTE_NS >= minute:
            if delay_ns < self._minutes[-1].delay_ns:
                self._minutes[-1] = _Low(append_ns, delay_ns)
            return
        if len(self._minutes) > 1 and abs(self._minutes[-1].delay_ns - self._minutes[-2].delay_ns) > self._step_ns:
            newest = self._minutes[-1]
            self._minutes.clear()
            self._minutes.append(newest)
        self.drift_ppm = _drift_ppm(list(self._minutes))
        self._minutes.append(_Low(append_ns, delay_ns))


def _drift_ppm(lows: list[_Low]) -> float | None:
    """The median slope between any two minutes (Theil and Sen); 0 if the delays scatter more than they move; None with
    too few."""
    if len(lows) < _MIN_MINUTES:
        return None
    slope = median((b.delay_ns - a.delay_ns) / (b.append_ns - a.append_ns) for a, b in combinations(lows, 2))
    level = median(low.delay_ns - slope * (low.append_ns - lows[0].append_ns) for low in lows)
    scatter = median(abs(low.delay_ns - level - slope * (low.append_ns - lows[0].append_ns)) for low in lows)
    moved = abs(slope) * (lows[-1].append_ns - lows[0].append_ns)
    return slope * 1e6 if moved > 4 * scatter else 0.0
