"""Compares the clocks of one station's sources and decides for each piece which of them are wrong.

Two sources disagree if their lowest recent delays are more than `max_source_offset_s` apart (so it is not one delayed
record) and the piece's own records confirm it (so it is not an outage, which delays all). Records confirm nothing if
the log was away between them. Of two that disagree, the one that differs from the log's clock is wrong.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from streams.decode.clock_causes import likely_cause
from streams.join.assembly import JoinSettings
from streams.join.clips import SECOND_NS
from streams.join.join_metrics import JoinMetrics
from streams.join.source_clock import CATCH_UP_NS, WINDOW_NS, Delays, Silence, SourceClock
from streams.reminder import Happened, Reminder

log = logging.getLogger("streams.join.source_clocks")

LOG = "the log"
MAX_COMMON_NS = 1500 * SECOND_NS
"""All sources together may be late by this much, or by more while they catch up after an outage. A wrong time zone
makes at least half an hour."""
MAX_DRIFT_PPM = 50.0
"""The worst quartz crystal without a time server."""
REMIND_S = 60.0


class Doubt(NamedTuple):
    """A source with a wrong clock, and by how much its stamps are behind another's (negative: ahead)."""

    source: str
    behind_ns: int
    reference: str
    cause: str

    @property
    def text(self) -> str:
        size_s, way = abs(self.behind_ns) / 1e9, "behind" if self.behind_ns > 0 else "ahead of"
        held = ", or a producer that holds records back" if self.behind_ns > 0 else ""
        return (
            f"the clock of {self.source!r} is {size_s:.3f} s {way} that of {self.reference!r}, measured by "
            f"timestamps against the log's append times; likely {self.cause}{held}: set the clock of "
            f"{self.source!r}"
        )


class SourceClocks:
    """The clocks of the cameras, sensors and piece events that a station's recipes name."""

    def __init__(
        self, place: tuple[str, str], sources: Collection[str], settings: JoinSettings, metrics: JoinMetrics
    ) -> None:
        """`place` is line and station."""
        self._place, self._metrics = place, metrics
        self._most_ns = round(min(settings.max_source_offset_s, settings.max_skew_s) * SECOND_NS)
        self._skew_ns = round(settings.max_skew_s * SECOND_NS)
        self._jitter_s = settings.jitter_s
        hold_up_ns = round(max(settings.max_skew_s, settings.max_delay_s) * SECOND_NS)
        self._clocks = {source: SourceClock(self._most_ns, hold_up_ns) for source in sources}
        self._reminder = Reminder[tuple[str, str]](REMIND_S)
        self._reported: dict[str, tuple[int, float | None]] = {}
        """The figures of each source that the metrics have."""

    def add_stamp(self, source: str, event_ns: int, append_ns: int) -> None:
        """Takes the stamp of a record, usable or not. Ignores sources that no recipe names."""
        clock = self._clocks.get(source)
        if clock is None:
            return
        clock.add_stamp(append_ns - event_ns, append_ns)
        figures = clock.lowest_ns or 0, clock.drift_ppm
        if self._reported.get(source) != figures:
            self._reported[source] = figures
            self._metrics.source_clock(*self._place, source, figures[0] / 1e9, figures[1])
        drift_ppm = self._drift_ppm(source)
        if abs(drift_ppm) > MAX_DRIFT_PPM:
            size = f"{abs(drift_ppm):.0f} ppm ({abs(drift_ppm) * 0.0864:.1f} s a day)"
            way = "loses" if drift_ppm > 0 else "gains"
            self._reminder.add(
                (source, "drift"),
                "",
                f"its clock {way} {size} against the log's, other sources do not: "
                "synchronise it with a time server (NTP or PTP)",
            )

    def misfit(self, sensor: str, misfit_ns: int) -> None:
        """A chunk is stamped this much later than its sample count gives (negative: earlier), so its stream
        restarts."""
        self._metrics.misfit(*self._place, sensor, misfit_ns / 1e9)
        way = "after" if misfit_ns > 0 else "before"
        text = (
            f"a chunk is stamped {abs(misfit_ns) / 1e9:.3f} s {way} the time that its sample count gives (jitter_s is "
            f"{self._jitter_s:g}): its stamps jitter or drift, its clock was set, or it does not count lost samples"
        )
        self._reminder.add((sensor, "jitter"), "", text)

    def doubts(self, delays: dict[str, Delays], others: Collection[str] = ()) -> "Doubts":
        """The sources of a piece with wrong clocks. `delays` are those of its records by source; `others` are sources
        without records of the piece, judged by their clock alone."""
        records = {name: known for name in others if (known := self._fresh(name)) is not None} | delays
        lowest = {source: min(low, self._lowest_ns(source, low)) for source, (low, *_) in records.items()}
        apart = [(a, b) for a, b in combinations(sorted(records), 2) if self._are_apart(a, b, records, lowest)]
        odd = {doubt.source: doubt for doubt in self._odd(apart, lowest)}
        for source, lowest_ns in lowest.items():
            if source not in odd and lowest_ns > MAX_COMMON_NS and not self._was_held_back(source):
                odd[source] = self._doubt(source, lowest_ns, LOG)
        return Doubts(odd, frozenset(apart))

    def count(self, doubts: "Doubts") -> None:
        """Counts and reports the doubts about a piece, which cannot pass because of them."""
        for source, doubt in doubts.odd.items():
            if source in self._clocks:
                self._metrics.doubted(*self._place, source)
            self._reminder.add((source, "offset"), "", f"{doubt.text}; until then no piece passes")

    def explain(self, source: str, delay_ns: int, *, is_ahead: bool) -> str | None:
        """Why a record could not enter, if its source's clock is the cause; else None. `delay_ns` is the record's delay
        from event to append."""
        if (clock := self._clocks.get(source)) is not None and clock.is_catching_up:
            return None
        others = {other: ns for other in self._clocks if other != source and (ns := self._fresh_ns(other)) is not None}
        lowest_ns = min(delay_ns, self._lowest_ns(source, delay_ns))
        if others:
            reference, reference_ns = min(others.items(), key=lambda item: abs(item[1]))
        else:
            reference, reference_ns = LOG, 0
        behind_ns = lowest_ns - reference_ns
        if not self._is_apart(behind_ns) or is_ahead != (behind_ns < 0):
            return None
        doubt = self._doubt(source, behind_ns, reference)
        self._reminder.add((source, "offset"), "", f"{doubt.text}; until then its records are refused")
        return doubt.text

    def between(self, source: str, other: str) -> Doubt | None:
        """The doubt about two sources by their clocks alone; None if they agree or one of them is silent."""
        lowest = {name: ns for name in self._clocks if (ns := self._fresh_ns(name)) is not None}
        if source == other or not lowest.keys() >= {source, other} or self._was_held_back(source):
            return None
        if not self._is_apart(lowest[source] - lowest[other]):
            return None
        odd = {doubt.source: doubt for doubt in self._odd([(source, other)], lowest)}
        return odd.get(source) or odd.get(other)

    @property
    def has_reminders(self) -> bool:
        """Whether `remind` may have something to log."""
        return bool(self._reminder)

    def remind(self, now_s: float) -> None:
        """Logs the warnings that are due."""
        for (source, _), happened in self._reminder.due(now_s):
            log.warning("Line %s, station %s, %s: %s.", *self._place, source, _with_count(happened))

    def _is_apart(self, delay_ns: int) -> bool:
        return abs(delay_ns) > self._most_ns

    def _are_apart(self, a: str, b: str, records: Mapping[str, Delays], lowest: Mapping[str, int]) -> bool:
        """Whether the clocks of two sources differ, and every pair of the piece's records confirms it, unless the log
        was away between them.

        The confirmation must be stronger if both were held back, because then one may have arrived after the other. It
        is not needed if the clocks differ by more than a batch lasts and the later source was never held back.
        """
        early, late = sorted((a, b), key=lambda source: lowest[source])
        apart_ns = lowest[late] - lowest[early]
        is_ahead = min(apart_ns, -lowest[early]) > self._most_ns * 2 // 3  # of the log, which transport cannot explain
        if not self._is_apart(apart_ns) and not is_ahead:
            return False
        if apart_ns <= self._skew_ns or self._was_held_back(late):
            were_held_back = self._was_held_back(a) and self._was_held_back(b)
            least_ns = self._most_ns if were_held_back else self._most_ns // 2
            if records[late].lowest_ns - records[early].highest_ns <= least_ns:
                return self._were_apart(a, b)
        return not self._was_log_away(late, records[early].append_ns, records[late].append_ns, lowest[early])

    def _were_apart(self, a: str, b: str) -> bool:
        """Whether the clocks differed by more than a batch lasts before an outage, while the records that it held up
        still arrive: these have equal delays whatever their clocks."""
        before = [clock.before_ns for source in (a, b) if (clock := self._clocks.get(source)) is not None]
        known = [ns for ns in before if ns is not None]
        is_known = len(known) == 2 and not self._began_held_back(a) and not self._began_held_back(b)
        return is_known and abs(known[0] - known[1]) > self._skew_ns

    def _was_log_away(self, late: str, from_ns: int, to_ns: int, reference_ns: int) -> bool:
        """Whether the log got nothing from the station between two records of a piece, the second by `late`, because it
        was away: it held up what several sources recorded meanwhile. `reference_ns` is the other clock's lowest delay.

        The clock of `late` must be right by what is known from before: its delay then, and no record after the outage
        that was recorded before it.
        """
        own = self._clocks.get(late)
        silence = None if own is None else next((each for each in own.silences if each.to_ns > from_ns), None)
        if silence is None or to_ns < silence.to_ns or (silence.from_ns is not None and not silence.is_hold_up):
            return False
        if silence.lowest_ns is not None and self._is_apart(silence.lowest_ns - reference_ns):
            return False
        outage = self._outage(late, silence)
        return outage is not None and from_ns <= outage[0]

    def _outage(self, late: str, silence: Silence) -> tuple[int, int] | None:
        """The time at which the log got nothing from any source and held up several, if it explains the silence of this
        one and the first record after it; else None."""
        shared = [
            other
            for source, clock in self._clocks.items()
            for other in clock.silences
            if source != late and other.is_hold_up and abs(other.to_ns - silence.to_ns) < CATCH_UP_NS
        ]
        if not shared:
            return None
        begins_ns = max(each.from_ns or 0 for each in (silence, *shared))
        if silence.event_ns <= begins_ns - self._most_ns:
            return None
        margin_ns = self._most_ns // 2
        outage = begins_ns + margin_ns, min(each.to_ns for each in (silence, *shared)) - margin_ns
        return outage if all(clock.is_silent(*outage) for clock in self._clocks.values()) else None

    def _was_held_back(self, source: str) -> bool:
        clock = self._clocks.get(source)
        return clock is not None and (clock.has_fallen or clock.is_catching_up or self._began_held_back(source))

    def _began_held_back(self, source: str) -> bool:
        """Whether nothing is known of a source yet but what an outage held up."""
        clock = self._clocks.get(source)
        if clock is None or clock.newest_ns is None or not clock.silences:
            return False
        first = clock.silences[0]
        is_new = first.from_ns is None and clock.newest_ns < first.to_ns + CATCH_UP_NS
        return is_new and self._outage(source, first) is not None

    def _lowest_ns(self, source: str, otherwise: int) -> int:
        clock = self._clocks.get(source)
        return otherwise if clock is None or clock.lowest_ns is None else clock.lowest_ns

    def _fresh(self, source: str) -> Delays | None:
        """The lowest delay of a source that is not silent, as if its newest record had it."""
        lowest_ns, clock = self._fresh_ns(source), self._clocks.get(source)
        if lowest_ns is None or clock is None or clock.newest_ns is None:
            return None
        return Delays(lowest_ns, lowest_ns, clock.newest_ns)

    def _fresh_ns(self, source: str) -> int | None:
        """The lowest delay of a source that is not silent."""
        clock = self._clocks.get(source)
        newest_ns = max((other.newest_ns for other in self._clocks.values() if other.newest_ns is not None), default=0)
        if clock is None or clock.newest_ns is None or clock.newest_ns < newest_ns - WINDOW_NS:
            return None
        return clock.lowest_ns

    def _drift_ppm(self, source: str) -> float:
        """Drift of a source relative to the one that drifts least; the shared part is the log's own drift."""
        drift_ppm = self._clocks[source].drift_ppm
        if drift_ppm is None:
            return 0.0
        drifts = [clock.drift_ppm for clock in self._clocks.values() if clock.drift_ppm is not None]
        return drift_ppm - min(drifts, key=abs)

    def _odd(self, apart: list[tuple[str, str]], lowest: Mapping[str, int]) -> Iterator[Doubt]:
        """Of sources that disagree, those that differ from the log's clock; if all do, the one that disagrees with most
        others; if that is undecided, both."""
        names = sorted({name for pair in apart for name in pair})
        odd = [name for name in names if abs(lowest[name]) > self._most_ns // 2]
        if len(odd) == len(names):
            counts = {name: sum(name in pair for pair in apart) for name in names}
            most = max(counts.values(), default=0)
            odd = [name for name in names if counts[name] == most]
        for name in odd or names:
            against = [b if a == name else a for a, b in apart if name in (a, b)]
            reference = min(against, key=lambda other: (other in odd, abs(lowest[other])))
            yield self._doubt(name, lowest[name] - lowest[reference], reference)

    def _doubt(self, source: str, behind_ns: int, reference: str) -> Doubt:
        drift_ppm = self._drift_ppm(source) if source in self._clocks else 0.0
        drift = f"a drift (now {abs(drift_ppm):.0f} ppm) that no time server (NTP or PTP) corrects"
        return Doubt(
            source, behind_ns, reference, drift if abs(drift_ppm) > MAX_DRIFT_PPM else likely_cause(behind_ns / 1e9)
        )


class Doubts(NamedTuple):
    """Sources of a piece with wrong clocks, and the pairs of sources that disagree."""

    odd: Mapping[str, Doubt]
    apart: frozenset[tuple[str, str]]

    def between(self, source: str, other: str) -> Doubt | None:
        """The doubt about two sources; None if they agree."""
        first, second = sorted((source, other))
        if (first, second) not in self.apart:
            return None
        return self.odd.get(source) or self.odd.get(other)


def _with_count(happened: Happened) -> str:
    return happened.words if happened.count == 1 else f"{happened.words} ({happened.count} times since the last line)"
