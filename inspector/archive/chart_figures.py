"""Counts for charts, by stretches of time: decisions, classes, scores, latency, sensors.

Long stretches are read from the counts of five minutes or an hour. Short ones, and those of one lot, are counted from
the verdicts by one index: their time grows with the pieces in the stretch, not with those in the archive.
"""

import time
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Float, Integer, Row, Select, TextClause, cast, func, select

from inspector.archive.chart_counts import (
    COARSE_S,
    FINE_S,
    NS,
    NUM_SCORE_BINS,
    Kind,
    fine_since_ns,
    latency_of_bin,
    num_waiting,
)
from inspector.archive.chart_rows import (
    DecisionCount,
    LatencyCount,
    Limits,
    Scope,
    ScoreCount,
    SensorCount,
    StationCount,
    Stretch,
)
from inspector.archive.database import Database
from inspector.archive.metadata import NUMBER, stored_text
from inspector.archive.plan import line_column
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import HAS_LOT, STATIONS, VERDICT_SENSORS, VERDICTS
from inspector.archive.search import search
from inspector.archive.tables_charts import CHART_COUNTS

MAX_LATENCIES = 20_000
"""Latencies that are fetched for one chart of a short stretch; where there are more pieces, a sample of every n-th."""
MAX_GROUPS = 50_000
"""Rows of one answer; a producer that invents a class for each piece costs no more memory."""
NUM_LIMITS = 4
_T = VERDICTS.c
_C = CHART_COUNTS.c
_SUM = cast(func.sum(_C.count), NUMBER)
Cells = TypeVarTuple("Cells")
Term = ColumnElement[bool] | TextClause


class ChartFigures:
    """Reads figures; safe for several threads. Every method raises StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest_ns(self, scope: Scope) -> int | None:
        """Entry of the newest piece; None where there is none."""
        if scope.lot is None and scope.bundle_digest is None:
            return self._newest_at(scope)
        named = PieceFilter(
            line=scope.line,
            station=scope.station,
            product=scope.product,
            lot=scope.lot,
            bundle_digest=scope.bundle_digest,
        )
        with self._database.read() as connection:
            return next((row.entry_ns for row in search(connection, named, None, 1)), None)

    def _newest_at(self, scope: Scope) -> int | None:
        at = STATIONS.c
        named = ((at.line, scope.line), (at.station, scope.station), (at.product, scope.product))
        terms = [column == stored_text(value) for column, value in named if value is not None]
        with self._database.read() as connection:
            return connection.execute(select(func.max(at.last_ns)).where(*terms)).scalar_one_or_none()

    def oldest_ns(self) -> int | None:
        """Entry of the oldest piece; None where there is none."""
        query = select(_T.entry_ns).order_by(_T.entry_ns).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def num_waiting(self, scope: Scope, stretch: Stretch) -> int:
        """About how many verdicts the figures of this stretch may lack, because they are not counted yet."""
        if not is_counted(scope, stretch):
            return 0
        with self._database.read() as connection:
            return num_waiting(connection)

    def decisions(self, scope: Scope, stretch: Stretch) -> list[DecisionCount]:
        if is_counted(scope, stretch):
            by = (_start_step(stretch), _C.number, _C.word)
            rows = self._rows(select(*by, _SUM).where(*_counted(Kind.PIECES, scope, stretch)).group_by(*by))
        else:
            by = (_step(stretch), _T.decision, _T.defect_class)
            rows = self._rows(select(*by, func.count()).where(*_within(scope, stretch)).group_by(*by))
        return [DecisionCount(*row) for row in rows]

    def scores(self, scope: Scope, stretch: Stretch) -> list[ScoreCount]:
        if is_counted(scope, stretch):
            terms = _counted(Kind.SCORES, scope, stretch)
            return [ScoreCount(*row) for row in self._rows(select(_C.number, _SUM).where(*terms).group_by(_C.number))]
        place = cast(func.floor(_T.score * NUM_SCORE_BINS), Integer)
        terms = [*_within(scope, stretch), _T.score.is_not(None)]
        rows = self._rows(select(place, func.count()).where(*terms).group_by(place))
        return [ScoreCount(min(number, NUM_SCORE_BINS - 1), count) for number, count in rows]

    def limits(self, scope: Scope, stretch: Stretch) -> list[Limits]:
        """The limits that most pieces were judged by, the commonest first."""
        if is_counted(scope, stretch):
            terms = _counted(Kind.LIMITS, scope, stretch)
            words = self._rows(select(_C.word, _SUM).where(*terms).group_by(_C.word))
            limits = [_limits(word, count) for word, count in words]
        else:
            terms = [*_within(scope, stretch), _T.pass_below.is_not(None), _T.fail_above.is_not(None)]
            by = (_T.pass_below, _T.fail_above)
            limits = [Limits(*row) for row in self._rows(select(*by, func.count()).where(*terms).group_by(*by))]
        return sorted(limits, key=lambda each: -each.count)[:NUM_LIMITS]

    def latencies(self, scope: Scope, stretch: Stretch, num_pieces: int) -> list[LatencyCount]:
        """From the counts to within 5 %; else exact, of more than `MAX_LATENCIES` pieces from every n-th one."""
        if is_counted(scope, stretch):
            by = (_start_step(stretch), _C.number)
            rows = self._rows(select(*by, _SUM).where(*_counted(Kind.LATENCIES, scope, stretch)).group_by(*by))
            return [LatencyCount(step, latency_of_bin(number), count) for step, number, count in rows]
        every = max(1, -(-num_pieces // MAX_LATENCIES))
        took_ms = cast(_T.publish_ns - _T.capture_ns, Float) / 1e6
        query = select(_step(stretch), took_ms).where(*_within(scope, stretch), _scrambled(_T.key) % every == 0)
        return [LatencyCount(step, float(value), 1) for step, value in self._rows(query)]

    def sensors(self, scope: Scope, stretch: Stretch) -> list[SensorCount]:
        """Cameras and sensors that were not present; one that always was has no row."""
        if is_counted(scope, stretch):
            counted = (_start_step(stretch), _C.line, _C.station, _C.word, _C.number)
            terms = _counted(Kind.SENSORS, scope, stretch)
            return [SensorCount(*row) for row in self._rows(select(*counted, _SUM).where(*terms).group_by(*counted))]
        other = VERDICT_SENSORS.c
        by = (_step(stretch), _T.line, _T.station, other.sensor, other.state)
        absent = select(*by, func.count()).join(VERDICT_SENSORS, other.verdict_key == _T.key)
        rows = self._rows(absent.where(*_within(scope, stretch)).group_by(*by))
        return [SensorCount(*row) for row in rows]

    def pieces(self, scope: Scope, stretch: Stretch) -> list[StationCount]:
        if is_counted(scope, stretch):
            by = (_start_step(stretch), _C.line, _C.station)
            rows = self._rows(select(*by, _SUM).where(*_counted(Kind.PIECES, scope, stretch)).group_by(*by))
        else:
            by = (_step(stretch), _T.line, _T.station)
            rows = self._rows(select(*by, func.count()).where(*_within(scope, stretch)).group_by(*by))
        return [StationCount(*row) for row in rows]

    def _rows(self, query: Select[*Cells]) -> list[Row[*Cells]]:
        with self._database.read() as connection:
            return list(connection.execute(query.limit(MAX_GROUPS)))


def _scrambled(key: ColumnElement[int]) -> ColumnElement[int]:
    """A number that follows from the key, without its order: where stations take turns, the keys of one may all be
    odd."""
    return key % 2**20 * 2_654_435_761 // 2**16


def _limits(words: str, count: int) -> Limits:
    low, high = words.split()
    return Limits(float(low), float(high), count)


def is_counted(scope: Scope, stretch: Stretch) -> bool:
    """Whether the counts can answer this."""
    return scope.lot is None and grain_of(stretch, time.time_ns()) is not None


def grain_of(stretch: Stretch, now_ns: int) -> int | None:
    """Seconds of the counts' rows that make up the steps; None where there are no such rows."""
    if _is_made_of(stretch, COARSE_S):
        return COARSE_S
    return FINE_S if _is_made_of(stretch, FINE_S) and stretch.since_ns >= fine_since_ns(now_ns) else None


def _is_made_of(stretch: Stretch, grain_s: int) -> bool:
    return stretch.step_ns % (grain_s * NS) == 0 and stretch.since_ns % (grain_s * NS) == 0


def _step(stretch: Stretch) -> ColumnElement[int]:
    return (_T.entry_ns - stretch.since_ns) // stretch.step_ns


def _start_step(stretch: Stretch) -> ColumnElement[int]:
    return (_C.start_ns - stretch.since_ns) // stretch.step_ns


def _within(scope: Scope, stretch: Stretch) -> list[Term]:
    return [*_of(scope), _T.entry_ns >= stretch.since_ns, _T.entry_ns < stretch.until_ns]


def _of(scope: Scope) -> list[Term]:
    lot: list[Term] = [] if scope.lot is None else [_T.lot == stored_text(scope.lot), HAS_LOT]
    return [*_terms(scope, line_column(scope.station), _T.station, _T.product, _T.bundle_digest), *lot]


def _counted(kind: Kind, scope: Scope, stretch: Stretch) -> list[Term]:
    grain = _C.grain_s == grain_of(stretch, time.time_ns())
    times = [_C.kind == kind.value, grain, _C.start_ns >= stretch.since_ns, _C.start_ns < stretch.until_ns]
    return [*times, *_terms(scope, _C.line, _C.station, _C.product, _C.bundle_digest)]


def _terms(scope: Scope, *columns: ColumnElement[str]) -> list[Term]:
    values = (scope.line, scope.station, scope.product, scope.bundle_digest)
    return [column == stored_text(value) for column, value in zip(columns, values, strict=True) if value is not None]
