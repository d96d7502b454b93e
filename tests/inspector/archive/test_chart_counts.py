"""Counts for charts: the same figures as counted from the verdicts, each verdict once."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from inspector.archive.chart_counts import (
    CHUNK,
    COARSE_S,
    FINE_DAYS,
    FINE_S,
    MAX_LATENCY_BIN,
    NS,
    NUM_SCORE_BINS,
    ChartCounter,
    latency_bin,
    latency_of_bin,
    run,
    score_bin,
)
from inspector.archive.chart_figures import ChartFigures, grain_of, is_counted
from inspector.archive.chart_rows import Scope, Stretch
from inspector.archive.database import Database
from inspector.archive.tables_charts import CHART_COUNTS
from inspector.verdicts.follow import StoreError
from tests.inspector.archive.tables import postgres_archive
from tests.inspector.web.filled_archive import FilledArchive, Names, verdict_of
from tests.servers.databases import DATABASES
from tests.servers.postgres import Postgres
from tests.threads import run_together

NUM_PIECES = 9_000
FINE_NS, COARSE_NS = FINE_S * NS, COARSE_S * NS
BEGIN_NS = time.time_ns() // COARSE_NS * COARSE_NS - 2 * COARSE_NS
COUNTED = Stretch(BEGIN_NS, FINE_NS, 4)
EXACT = Stretch(BEGIN_NS, FINE_NS // 2, 8)
"""The same time in steps that the counts do not have."""
BY_HOUR = Stretch(BEGIN_NS, COARSE_NS, 1)
SCOPES = [Scope(), Scope(station="press"), Scope(line="line-1", product="housing"), Scope(bundle_digest="0123456789ab"),
          Scope(station="none")]  # fmt: skip


@pytest.fixture(scope="module", params=DATABASES)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledArchive]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('archive') / 'archive.sqlite'}")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        database = Database(postgres_archive(server))
    filled = FilledArchive(database, Names(lines=("line-1", "line-2")))
    filled.fill(NUM_PIECES, start_ns=BEGIN_NS)
    filled.count()
    yield filled
    database.close()


@pytest.mark.parametrize("scope", SCOPES)
def test_counts_are_those_of_the_verdicts(filled: FilledArchive, scope: Scope) -> None:
    figures = ChartFigures(filled.database)
    assert is_counted(scope, COUNTED)
    assert not is_counted(scope, EXACT)

    for counted, exact in (
        (decisions(figures, scope, COUNTED), decisions(figures, scope, EXACT)),
        (sensors(figures, scope, COUNTED), sensors(figures, scope, EXACT)),
        (pieces(figures, scope, COUNTED), pieces(figures, scope, EXACT)),
        (scores(figures, scope, COUNTED), scores(figures, scope, EXACT)),
    ):
        assert counted == exact
    assert figures.limits(scope, COUNTED) == figures.limits(scope, EXACT)


def decisions(figures: ChartFigures, scope: Scope, stretch: Stretch) -> Counter:
    counts: Counter = Counter()
    for each in figures.decisions(scope, stretch):
        counts[stretch.start_ns(each.step) // FINE_NS, each.decision, each.defect_class] += each.count
    return counts


def sensors(figures: ChartFigures, scope: Scope, stretch: Stretch) -> Counter:
    counts: Counter = Counter()
    for each in figures.sensors(scope, stretch):
        counts[stretch.start_ns(each.step) // FINE_NS, each.line, each.station, each.sensor, each.state] += each.count
    return counts


def pieces(figures: ChartFigures, scope: Scope, stretch: Stretch) -> Counter:
    counts: Counter = Counter()
    for each in figures.pieces(scope, stretch):
        counts[stretch.start_ns(each.step) // FINE_NS, each.line, each.station] += each.count
    return counts


def scores(figures: ChartFigures, scope: Scope, stretch: Stretch) -> Counter:
    return Counter({each.bin: each.count for each in figures.scores(scope, stretch)})


def test_latencies_of_the_counts_are_within_five_percent(filled: FilledArchive) -> None:
    figures = ChartFigures(filled.database)
    counted = figures.latencies(Scope(), COUNTED, NUM_PIECES)
    exact = sorted(each.milliseconds for each in figures.latencies(Scope(), EXACT, NUM_PIECES))
    spread = sorted(value for each in counted for value in [each.milliseconds] * each.count)

    assert len(spread) == len(exact)
    assert all(abs(one - other) <= 0.05 * other for one, other in zip(spread, exact, strict=True))


def test_counts_by_the_hour_stay_when_those_of_five_minutes_are_removed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")
    filled, counter, figures = FilledArchive(database), ChartCounter(database), ChartFigures(database)
    filled.fill(1000, start_ns=BEGIN_NS)
    filled.count()
    counter.tidy(BEGIN_NS + (FINE_DAYS - 1) * 86_400 * NS)
    assert decisions(figures, Scope(), COUNTED).total() == 1000

    counter.tidy(BEGIN_NS + (FINE_DAYS + 1) * 86_400 * NS)

    assert decisions(figures, Scope(), COUNTED).total() == 0
    assert decisions(figures, Scope(), BY_HOUR).total() == 1000
    database.close()


def test_old_times_are_read_by_the_hour_or_from_the_verdicts() -> None:
    later_ns = BEGIN_NS + (FINE_DAYS + 1) * 86_400 * NS

    assert grain_of(COUNTED, BEGIN_NS) == FINE_S
    assert grain_of(COUNTED, later_ns) is None
    assert grain_of(BY_HOUR, later_ns) == COARSE_S
    assert grain_of(EXACT, BEGIN_NS) is None


def test_a_stretch_of_one_lot_is_counted_from_the_verdicts(filled: FilledArchive) -> None:
    scope = Scope(lot="lot-3")

    assert not is_counted(scope, COUNTED)
    assert sum(each.count for each in ChartFigures(filled.database).decisions(scope, COUNTED)) == 500


def test_counting_again_changes_nothing(filled: FilledArchive) -> None:
    before = total(filled.database)

    assert ChartCounter(filled.database).count() == 0
    assert total(filled.database) == before


def total(database: Database) -> int:
    with database.read() as connection:
        return sum(connection.execute(select(CHART_COUNTS.c.count)).scalars())


def test_two_counters_count_each_verdict_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")
    filled = FilledArchive(database)
    filled.fill(3 * CHUNK, start_ns=BEGIN_NS)
    run_together([partial(_count_all, database)] * 2)

    stretch = Stretch(BEGIN_NS, FINE_NS, 2)
    assert sum(each.count for each in ChartFigures(database).pieces(Scope(), stretch)) == 3 * CHUNK
    database.close()


def _count_all(database: Database) -> None:
    counter = ChartCounter(database)
    while counter.count():
        pass


def test_a_late_verdict_is_added_to_its_five_minutes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")
    filled = FilledArchive(database)
    filled.fill(100, start_ns=BEGIN_NS)
    filled.count()
    filled.put(verdict_of(7, entry_ns=BEGIN_NS))
    figures = ChartFigures(database)

    assert figures.num_waiting(Scope(), COUNTED) == 1
    filled.count()
    assert figures.num_waiting(Scope(), COUNTED) == 0
    assert [each.count for each in figures.pieces(Scope(station="drill"), COUNTED)] == [51]
    database.close()


class AwayOnce:
    """A counter whose database is away at first."""

    def __init__(self, stop: Event) -> None:
        self.stop, self.calls = stop, list[str]()

    def tidy(self, now_ns: int) -> None:
        self.calls.append("tidy")

    def prepare(self) -> None:
        self.calls.append("prepare")
        if len(self.calls) == 1:
            raise StoreError("away")

    def count(self) -> int:
        self.calls.append("count")
        self.stop.set()
        return 0


def test_the_counter_goes_on_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.chart_counts.RETRY_S", 0.001)
    stop = Event()
    counter = AwayOnce(stop)

    run(counter, stop)  # type: ignore[arg-type]

    assert counter.calls == ["prepare", "prepare", "tidy", "count"]


@pytest.mark.parametrize("milliseconds", [-5.0, 0.0, 0.5, 1.0, 3.0, 88.0, 1234.5, 60_000.0, 1e9, 1e300])
def test_every_latency_has_a_bin(milliseconds: float) -> None:
    number = latency_bin(milliseconds)

    assert 0 <= number <= MAX_LATENCY_BIN
    if 1 <= milliseconds < 1e6:
        assert abs(latency_of_bin(number) - milliseconds) <= 0.05 * milliseconds


@pytest.mark.parametrize(("score", "number"), [(-1.0, 0), (0.0, 0), (0.5, 20), (1.0, NUM_SCORE_BINS - 1), (7.0, 39)])
def test_every_score_has_a_bin(score: float, number: int) -> None:
    assert score_bin(score) == number
