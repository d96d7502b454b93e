"""Charts of a part of the pieces: of one line, station, product or bundle, in little time."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Connection, event

from inspector.archive import chart_figures
from inspector.archive.chart_figures import ChartFigures
from inspector.archive.chart_rows import Scope, Stretch
from inspector.archive.database import Database
from inspector.archive.figures import By, Figures
from inspector.archive.figures import Scope as FiguresScope
from tests.inspector.archive.parts import BEGIN_NS, SECOND_NS, fill

NUM = 300
ALL = Stretch(BEGIN_NS, 10 * SECOND_NS, NUM // 10)


@pytest.mark.parametrize("station", ["s0", "s1", "s2"])
def test_a_sample_holds_pieces_of_stations_that_take_turns(
    database: Database, monkeypatch: pytest.MonkeyPatch, station: str
) -> None:
    """Every third piece is of one station: every third key was of one, and of the others none."""
    monkeypatch.setattr(chart_figures, "MAX_LATENCIES", 34)
    fill(database, range(NUM))
    sample = ChartFigures(database).latencies(Scope(line="a", station=station), ALL, NUM // 3)
    assert 20 <= len(sample) <= 50


@pytest.mark.parametrize(
    ("scope", "newest"),
    [
        (Scope(), 299),
        (Scope(line="a"), 299),
        (Scope(station="s0"), 297),
        (Scope(line="a", station="s1", product="plate"), 298),
        (Scope(bundle_digest="digest-1"), 199),
        (Scope(station="s0", bundle_digest="digest-1"), 198),
        (Scope(lot="lot-2"), 149),
        (Scope(station="unknown"), None),
        (Scope(lot="unknown"), None),
    ],
)
def test_the_newest_piece_of_each_scope_is_found(database: Database, scope: Scope, newest: int | None) -> None:
    fill(database, range(NUM))
    expected = None if newest is None else BEGIN_NS + newest * SECOND_NS
    assert ChartFigures(database).newest_ns(scope) == expected


@contextmanager
def plans(database: Database) -> Iterator[list[str]]:
    """How SQLite reads the verdicts, of each statement."""
    steps: list[str] = []

    def note(connection: Connection, _: object, statement: str, parameters: tuple[object, ...], *__: object) -> None:
        if "FROM verdicts" in statement:
            driver = connection.connection.driver_connection
            assert driver is not None
            with closing(driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)) as rows:
                steps.extend(row[3] for row in rows if "verdicts" in row[3])

    event.listen(database.engine, "before_cursor_execute", note)
    yield steps
    event.remove(database.engine, "before_cursor_execute", note)


def test_figures_of_one_line_read_no_other_times(sqlite: Database) -> None:
    """They read all pieces of the line."""
    fill(sqlite, range(NUM))
    charts, figures = ChartFigures(sqlite), Figures(sqlite)
    with plans(sqlite) as steps:
        charts.decisions(Scope(line="a"), ALL)
        charts.latencies(Scope(line="a"), ALL, NUM)
        figures.decisions(FiguresScope(BEGIN_NS, BEGIN_NS + SECOND_NS, line="a"), By.STATION)
        figures.latency(FiguresScope(BEGIN_NS, BEGIN_NS + SECOND_NS, line="a"))
    assert set(steps) == {"SEARCH verdicts USING INDEX verdicts_by_time (entry_ns>? AND entry_ns<?)"}
