"""Which time a chart shows, and in which steps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from inspector.archive.chart_counts import COARSE_S, fine_since_ns
from inspector.archive.chart_rows import Scope, Stretch
from inspector.web.piece_links import list_path, moment
from inspector.web.piece_query import time_ns

NS = 10**9
STEPS_S = (
    1,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    28_800,
    43_200,
    86_400,
    172_800,
    345_600,
)
MAX_STEPS = 96
SPANS: Mapping[str, int] = {"1h": 3600, "8h": 8 * 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
"""Names of the times to choose from, with their seconds."""
DEFAULT = "8h"
MAX_SPAN_S = 366 * 86_400
COARSE_SPAN_S = 4 * 3600
"""Shorter times are counted from the verdicts quickly enough."""
SCOPE = ("line", "station", "product", "lot", "bundle")


@dataclass(frozen=True, slots=True)
class ChartRange:
    """A time in steps, whose pieces it is about, and the address fields that say the latter."""

    scope: Scope
    stretch: Stretch
    fields: Mapping[str, str]
    problems: tuple[str, ...] = ()

    def pieces(self, more: Mapping[str, str] | None = None) -> str:
        """The address of all pieces of the chart; `more` are further fields of the list's filter."""
        return self._between(self.stretch.since_ns, self.stretch.until_ns, more or {})

    def step_pieces(self, step: int, more: Mapping[str, str]) -> str:
        start_ns = self.stretch.start_ns(step)
        return self._between(start_ns, start_ns + self.stretch.step_ns, more)

    def _between(self, since_ns: int, until_ns: int, more: Mapping[str, str]) -> str:
        times = {"since": moment(since_ns), "until": moment(until_ns)}
        return list_path({**self._named(), **times, **more}.items())

    def _named(self) -> dict[str, str]:
        return {name: self.fields[name] for name in SCOPE}


def read_range(query: QueryParams, now_ns: int | None = None) -> ChartRange:
    """Never fails: what cannot be read is replaced by the last hours, and a problem says so."""
    fields = {name: query.get(name, "").strip()[:256] for name in (*SCOPE, "range", "since", "until")}
    scope = Scope(*(fields[name] or None for name in SCOPE))
    now_ns = time.time_ns() if now_ns is None else now_ns
    problems = []
    try:
        until_ns, span_s = _asked(fields, now_ns)
    except ValueError as error:
        problems.append(str(error))
        until_ns, span_s = now_ns, SPANS[DEFAULT]
    return ChartRange(scope, steps(until_ns, span_s, now_ns), fields, tuple(problems))


def _asked(fields: Mapping[str, str], now_ns: int) -> tuple[int, int]:
    """End in nanoseconds and length in seconds. Raises ValueError."""
    until_ns = time_ns(fields["until"]) if fields["until"] else now_ns
    if not fields["since"]:
        return until_ns, SPANS.get(fields["range"], SPANS[DEFAULT])
    span_s = -((time_ns(fields["since"]) - until_ns) // NS)
    if not 0 < span_s <= MAX_SPAN_S:
        raise ValueError("charts show at least a second and at most a year: choose a shorter time")
    return until_ns, span_s


def steps(until_ns: int, span_s: int, now_ns: int | None = None) -> Stretch:
    """The last `span_s` seconds in round steps; the last step holds `until_ns`. Long times of which only counts by the
    hour are left get steps of whole hours."""
    since_ns = until_ns - span_s * NS
    has_fine = since_ns >= fine_since_ns(time.time_ns() if now_ns is None else now_ns) + COARSE_S * NS
    least_s = COARSE_S if span_s >= COARSE_SPAN_S and not has_fine else 1
    step_s = next(seconds for seconds in STEPS_S if seconds >= least_s and seconds * MAX_STEPS >= span_s)
    end = -(-until_ns // (step_s * NS))
    num_steps = min(-(-span_s // step_s), MAX_STEPS)
    return Stretch((end - num_steps) * step_s * NS, step_s * NS, num_steps)
