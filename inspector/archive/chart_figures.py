"""Counts for charts, by stretches of time: decisions, classes, scores, latency, sensors.

Each call reads a bounded stretch of the archive by one index and groups it in the database: its time grows with the
pieces in that stretch, not with those in the archive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Float, Integer, cast, func, select

from inspector.archive.database import Database
from inspector.archive.schema import VERDICT_SENSORS, VERDICTS

MAX_STEPS = 200
MAX_LATENCIES = 20_000
"""Latencies that are fetched for one chart; where there are more pieces, every n-th one by its key."""
MAX_GROUPS = 20_000
"""Rows of one answer; a producer that invents a class for each piece costs no more memory."""
NUM_SCORE_BINS = 40

_T = VERDICTS.c


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in equal steps, by the moment of entry in nanoseconds since the Unix epoch."""

    since_ns: int
    step_ns: int
    num_steps: int

    def __post_init__(self) -> None:
        if not 0 < self.num_steps <= MAX_STEPS or self.step_ns <= 0:
            raise ValueError(f"{self.num_steps} steps of {self.step_ns} ns, expected 1 to {MAX_STEPS} longer than 0")

    @property
    def until_ns(self) -> int:
        return self.since_ns + self.num_steps * self.step_ns

    def start_ns(self, step: int) -> int:
        return self.since_ns + step * self.step_ns


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose pieces a chart is about; None lets all through."""

    line: str | None = None
    station: str | None = None
    product: str | None = None
    lot: str | None = None
    bundle_digest: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How many pieces of one step had this decision and class."""

    step: int
    decision: int
    defect_class: str
    count: int
    num_late: int
    """Those whose deadline was missed."""


@dataclass(frozen=True, slots=True)
class ScoreCount:
    """How many scores lie in the bin from `bin / NUM_SCORE_BINS` on, by decision."""

    bin: int
    decision: int
    count: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Two limits that pieces were judged by, and how many were."""

    pass_below: float
    fail_above: float
    count: int


@dataclass(frozen=True, slots=True)
class SensorCount:
    """How many pieces of one step lacked this sensor of a station, by the sensor's state."""

    step: int
    line: str
    station: str
    sensor: str
    state: int
    count: int


@dataclass(frozen=True, slots=True)
class StationCount:
    """Pieces of one step at a station."""

    step: int
    line: str
    station: str
    count: int


class ChartFigures:
    """Reads figures; safe for several threads. Every method raises StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest_ns(self, scope: Scope) -> int | None:
        """Entry of the newest piece; None where there is none."""
        query = select(_T.entry_ns).where(*_of(scope)).order_by(_T.entry_ns.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def decisions(self, scope: Scope, stretch: Stretch) -> list[DecisionCount]:
        step = _step(stretch)
        late = func.sum(cast(_T.deadline_missed, Integer))
        query = (
            select(step, _T.decision, _T.defect_class, func.count(), late)
            .where(*_within(scope, stretch))
            .group_by(step, _T.decision, _T.defect_class)
            .limit(MAX_GROUPS)
        )
        with self._database.read() as connection:
            return [DecisionCount(*row) for row in connection.execute(query)]

    def scores(self, scope: Scope, stretch: Stretch) -> list[ScoreCount]:
        place = cast(func.floor(_T.score * NUM_SCORE_BINS), Integer)
        query = (
            select(place, _T.decision, func.count())
            .where(*_within(scope, stretch), _T.score.is_not(None))
            .group_by(place, _T.decision)
            .limit(MAX_GROUPS)
        )
        with self._database.read() as connection:
            return [ScoreCount(min(row[0], NUM_SCORE_BINS - 1), row[1], row[2]) for row in connection.execute(query)]

    def limits(self, scope: Scope, stretch: Stretch, at_most: int = 4) -> list[Limits]:
        """The limits that most pieces were judged by, the commonest first."""
        num = func.count()
        query = (
            select(_T.pass_below, _T.fail_above, num)
            .where(*_within(scope, stretch), _T.pass_below.is_not(None), _T.fail_above.is_not(None))
            .group_by(_T.pass_below, _T.fail_above)
            .order_by(num.desc())
            .limit(at_most)
        )
        with self._database.read() as connection:
            return [Limits(low, high, count) for low, high, count in connection.execute(query)]

    def latencies_ms(self, scope: Scope, stretch: Stretch, num_pieces: int) -> list[list[float]]:
        """From capture to publication, by step. Of more than `MAX_LATENCIES` pieces every n-th one."""
        every = max(1, -(-num_pieces // MAX_LATENCIES))
        took_ms = cast(_T.publish_ns - _T.capture_ns, Float) / 1e6
        query = select(_step(stretch), took_ms).where(*_within(scope, stretch), _T.key % every == 0)
        found: list[list[float]] = [[] for _ in range(stretch.num_steps)]
        with self._database.read() as connection:
            for step, value in connection.execute(query.limit(2 * MAX_LATENCIES)):
                found[step].append(float(value))
        return found

    def sensors(self, scope: Scope, stretch: Stretch) -> list[SensorCount]:
        """Cameras and sensors that were not present; one that always was has no row."""
        step, other = _step(stretch), VERDICT_SENSORS.c
        groups = (step, _T.line, _T.station, other.sensor, other.state)
        query = (
            select(*groups, func.count())
            .join(VERDICT_SENSORS, other.verdict_key == _T.key)
            .where(*_within(scope, stretch))
            .group_by(*groups)
            .limit(MAX_GROUPS)
        )
        with self._database.read() as connection:
            return [SensorCount(*row) for row in connection.execute(query)]

    def pieces(self, scope: Scope, stretch: Stretch) -> list[StationCount]:
        groups = (_step(stretch), _T.line, _T.station)
        query = select(*groups, func.count()).where(*_within(scope, stretch)).group_by(*groups).limit(MAX_GROUPS)
        with self._database.read() as connection:
            return [StationCount(*row) for row in connection.execute(query)]


def _step(stretch: Stretch) -> ColumnElement[int]:
    return (_T.entry_ns - stretch.since_ns) // stretch.step_ns


def _within(scope: Scope, stretch: Stretch) -> Sequence[ColumnElement[bool]]:
    return [*_of(scope), _T.entry_ns >= stretch.since_ns, _T.entry_ns < stretch.until_ns]


def _of(scope: Scope) -> list[ColumnElement[bool]]:
    wanted = {
        _T.line: scope.line,
        _T.station: scope.station,
        _T.product: scope.product,
        _T.lot: scope.lot,
        _T.bundle_digest: scope.bundle_digest,
    }
    return [column == value for column, value in wanted.items() if value is not None]
