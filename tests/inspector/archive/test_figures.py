"""Figures count what the verdicts and the feedback say."""

import json

import pytest

from inspector.archive.database import Database
from inspector.archive.figures import By, ClassCount, Decisions, Figures, Findings, Scope
from inspector.archive.schema import TOPICS as TOPICS_TABLE
from inspector.archive.tables_log import FEEDBACK
from protos.inspection.v1.records_pb2 import LABEL_NOK, LABEL_OK
from tests.inspector.archive.parts import BEGIN_NS, SECOND_NS, fill

NUM = 300
ALL = Scope(BEGIN_NS, BEGIN_NS + NUM * SECOND_NS)


@pytest.fixture
def figures(database: Database) -> Figures:
    fill(database, range(NUM))
    return Figures(database)


def say(database: Database, *labels: tuple[int, int]) -> None:
    """Findings (piece, label) in their order."""
    with database.write() as connection:
        topic_id = connection.execute(TOPICS_TABLE.insert().returning(TOPICS_TABLE.c.id), {"name": "f"}).scalar_one()
        for offset, (piece, label) in enumerate(labels):
            row = {"topic_id": topic_id, "partition": 0, "offset": offset, "line": "a", "station": f"s{piece % 3}",
                   "piece_id": f"p{piece:05d}", "pass_number": 0, "label": label, "defects": json.dumps([]),
                   "author": "ann", "note": "", "given_ns": offset, "append_ns": offset}  # fmt: skip
            connection.execute(FEEDBACK.insert(), row)


def test_decisions_are_counted_by_group(figures: Figures) -> None:
    assert figures.decisions(ALL) == [Decisions((), 180, 60, 60, 0)]
    by_station = figures.decisions(ALL, By.STATION)
    assert [each.group for each in by_station] == [("a", "s0"), ("a", "s1"), ("a", "s2")]
    assert sum(each.total for each in by_station) == NUM
    assert [each.total for each in figures.decisions(ALL, By.LOT)] == [50] * 6
    assert by_station[0].pass_share == pytest.approx(0.6)


def test_a_scope_leaves_out_other_times_and_places(figures: Figures) -> None:
    hundred = Scope(BEGIN_NS + 100 * SECOND_NS, BEGIN_NS + 200 * SECOND_NS)
    assert sum(each.total for each in figures.decisions(hundred)) == 100
    assert figures.decisions(Scope(0, BEGIN_NS)) == []
    assert sum(each.total for each in figures.decisions(Scope(0, 2**62, station="s1", product="cup"))) == 50


def test_classes_come_commonest_first(figures: Figures) -> None:
    """Pieces that end in 3 fail by a crack, all others by a dent."""
    assert figures.pareto(ALL) == [ClassCount("dent", 30, 60), ClassCount("crack", 30, 0)]


def test_the_newest_finding_about_a_piece_counts(database: Database, figures: Figures) -> None:
    """Pieces 0 to 2 of each five pass, the fourth fails, the fifth is for review."""
    say(database, (3, LABEL_NOK), (3, LABEL_OK), (8, LABEL_NOK), (13, LABEL_NOK), (0, LABEL_NOK), (1, LABEL_OK),
        (4, LABEL_OK), (99999, LABEL_NOK), (5, 0))  # fmt: skip
    (counts,) = figures.findings(ALL)
    assert counts == Findings((), failed_ok=1, failed_nok=2, passed_ok=1, passed_nok=1, review_ok=1, review_nok=0)
    assert counts.false_reject_share == pytest.approx(1 / 3)
    assert counts.escape_share == pytest.approx(1 / 2)
    assert [each.group for each in figures.findings(ALL, By.STATION)] == [("a", "s0"), ("a", "s1"), ("a", "s2")]


def test_latency_is_from_capture_to_publication(figures: Figures) -> None:
    latency = figures.latency(ALL)
    assert (latency.num_pieces, latency.p50_ms, latency.p99_ms, latency.max_ms) == (NUM, 20, 20, 20)
    assert figures.latency(Scope(0, 1)).p50_ms is None
