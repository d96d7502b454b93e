"""Pieces are found by every field, newest first, page by page, the same on both databases."""

from collections.abc import Callable

import pytest

from inspector.archive import plan
from inspector.archive.database import Database
from inspector.archive.find import Archive, NotInArchiveError, PieceFilter, PieceRow
from inspector.archive.schema import VERDICTS
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS, DECISION_REVIEW
from streams.observation import InspectionId
from tests.inspector.archive.parts import BEGIN_NS, SECOND_NS, fill

NUM = 300
SINCE_NS, UNTIL_NS = BEGIN_NS + 100 * SECOND_NS, BEGIN_NS + 200 * SECOND_NS

CASES: list[tuple[PieceFilter, Callable[[PieceRow], bool]]] = [
    (PieceFilter(), lambda row: True),
    (PieceFilter(piece_id="p00007"), lambda row: row.piece_id == "p00007"),
    (PieceFilter(lot="lot-2"), lambda row: row.lot == "lot-2"),
    (PieceFilter(line="a"), lambda row: True),
    (PieceFilter(line="b"), lambda row: False),
    (PieceFilter(station="s1"), lambda row: row.station == "s1"),
    (PieceFilter(line="a", station="s1"), lambda row: row.station == "s1"),
    (PieceFilter(product="cup"), lambda row: row.product == "cup"),
    (PieceFilter(decisions=[DECISION_FAIL]), lambda row: row.decision == DECISION_FAIL),
    (PieceFilter(decisions=[DECISION_FAIL, DECISION_REVIEW]), lambda row: row.decision != DECISION_PASS),
    (PieceFilter(decisions=[DECISION_PASS, DECISION_FAIL]), lambda row: row.decision != DECISION_REVIEW),
    (PieceFilter(defect_class="crack"), lambda row: row.defect_class == "crack"),
    (PieceFilter(defect_class="dent", station="s0"), lambda row: (row.defect_class, row.station) == ("dent", "s0")),
    (PieceFilter(defect_class=""), lambda row: row.decision == DECISION_PASS),
    (PieceFilter(bundle_digest="digest-1"), lambda row: row.bundle_digest == "digest-1"),
    (PieceFilter(since_ns=SINCE_NS, until_ns=UNTIL_NS), lambda row: SINCE_NS <= row.entry_ns < UNTIL_NS),
    (PieceFilter(min_score=0.5), lambda row: (row.score or 0) >= 0.5),
    (PieceFilter(max_score=0.1, since_ns=SINCE_NS), lambda row: (row.score or 0) <= 0.1 and row.entry_ns >= SINCE_NS),
    (
        PieceFilter(min_score=0.3, max_score=0.4, since_ns=BEGIN_NS, until_ns=UNTIL_NS, product="plate"),
        lambda row: 0.3 <= (row.score or 0) <= 0.4 and row.entry_ns < UNTIL_NS and row.product == "plate",
    ),
    (
        PieceFilter(station="s2", product="cup", decisions=[DECISION_FAIL], defect_class="crack"),
        lambda row: (row.station, row.product, row.decision, row.defect_class) == ("s2", "cup", DECISION_FAIL, "crack"),
    ),
]


@pytest.fixture
def filled(database: Database) -> Archive:
    fill(database, range(NUM))
    return Archive(database)


@pytest.mark.parametrize("most_by_score", [0, plan.MAX_BY_SCORE])
def test_every_filter_finds_the_pieces_that_it_names_newest_first(
    filled: Archive, most_by_score: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range of scores is searched by score where it leaves few rows, else by time."""
    monkeypatch.setattr(plan, "MAX_BY_SCORE", most_by_score)
    everything = filled.find(PieceFilter(), limit=NUM)
    assert len(everything) == NUM
    assert [row.entry_ns for row in everything] == sorted((row.entry_ns for row in everything), reverse=True)
    for piece_filter, fits in CASES:
        assert filled.find(piece_filter, limit=NUM) == [row for row in everything if fits(row)], piece_filter


def test_pages_follow_each_other_without_a_gap_or_a_double(filled: Archive) -> None:
    for piece_filter, _ in CASES:
        pages, before = list[PieceRow](), None
        while page := filled.find(piece_filter, before, limit=7):
            assert len(page) <= 7
            pages += page
            before = page[-1].key
        assert pages == filled.find(piece_filter, limit=NUM), piece_filter


def test_a_page_goes_on_after_its_last_row_was_removed(database: Database, filled: Archive) -> None:
    first = filled.find(PieceFilter(), limit=10)
    with database.write() as connection:
        connection.execute(VERDICTS.delete().where(VERDICTS.c.key == first[-1].key))
    following = filled.find(PieceFilter(), first[-1].key, limit=10)
    assert [row.piece_id for row in following] == [f"p{number:05d}" for number in range(NUM - 12, NUM - 22, -1)]
    assert filled.find(PieceFilter(), 0) == []


def test_a_piece_is_found_by_its_inspection_and_by_its_key(filled: Archive) -> None:
    row = filled.by_inspection(InspectionId("a", "s1", "p00007", 0))
    assert row is not None
    assert row.piece_id == "p00007"
    assert filled.row(row.key) == row
    assert filled.by_inspection(InspectionId("a", "s1", "p00007", 1)) is None
    assert not filled.recordings(row.key)
    assert not filled.feedback(row.key)


def test_a_key_without_a_verdict_is_an_error_that_says_so(filled: Archive) -> None:
    with pytest.raises(NotInArchiveError, match="no verdict 12345"):
        filled.verdict(12345)
    with pytest.raises(NotInArchiveError):
        filled.row(12345)


def test_stations_and_their_products_are_listed(filled: Archive) -> None:
    assert [(place.line, place.station, place.product) for place in filled.stations()] == [
        ("a", station, product) for station in ("s0", "s1", "s2") for product in ("cup", "plate")
    ]
    assert min(place.first_ns for place in filled.stations()) == BEGIN_NS
    assert max(place.last_ns for place in filled.stations()) == BEGIN_NS + (NUM - 1) * SECOND_NS
