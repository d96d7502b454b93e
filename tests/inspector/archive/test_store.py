"""Rows and position are stored together: each verdict once, by however many processes and attempts."""

import pytest
from sqlalchemy import func, select

from inspector.archive import write
from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.schema import GAPS, VERDICTS
from inspector.archive.verdict_row import VerdictRow, verdict_row
from inspector.verdicts.follow import StoreError
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from streams import resume_token
from streams.log import Gap
from streams.records import TopicPartition
from tests.inspector.archive.parts import SOURCE, Noted, entries, make_entry, make_verdict, token_after, verdict_store


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(VERDICTS)).scalar_one()


def test_a_verdict_is_given_back_as_it_was_with_its_heat_maps(database: Database, archive: Archive) -> None:
    store = verdict_store(database)
    assert store.token() is None
    store.store(entries(range(50)), token_after(50))
    rows = archive.find(PieceFilter())
    assert [row.piece_id for row in rows] == [f"p{number:05d}" for number in reversed(range(50))]
    for row in rows:
        assert archive.verdict(row.key) == make_verdict(int(row.piece_id[1:]))


def test_records_that_were_stored_are_not_stored_again(database: Database) -> None:
    watcher = Noted()
    store = verdict_store(database, watcher)
    store.store(entries(range(30)), token_after(30))
    store.store(entries(range(20, 40)), token_after(40))
    assert (watcher.num_stored, count(database)) == (40, 40)


def test_two_archivers_that_take_turns_store_each_verdict_once(database: Database) -> None:
    one, other = verdict_store(database), verdict_store(database)
    assert one.token() == other.token() is None
    one.store(entries(range(10)), token_after(10))
    other.store(entries(range(8)), token_after(8))
    assert resume_token.decode(other.token() or b"") == {SOURCE: 10}
    other.store(entries(range(8, 16)), token_after(16))
    one.store(entries(range(10, 12)), token_after(12))
    assert count(database) == 16
    assert resume_token.decode(one.token() or b"") == {SOURCE: 16}


def test_a_recreated_topic_has_records_of_its_own_at_the_same_offsets(database: Database) -> None:
    store = verdict_store(database)
    store.store(entries(range(10)), token_after(10))
    again = [make_entry(make_verdict(number), number - 100) for number in range(100, 105)]
    store.store(again, token_after(5, "two"))
    assert count(database) == 15
    assert resume_token.read(store.token() or b"") == ({SOURCE: 5}, {SOURCE.topic: "two"})


def test_an_archiver_that_still_reads_the_topic_before_it_was_recreated_begins_again(database: Database) -> None:
    one, other = verdict_store(database), verdict_store(database)
    one.store(entries(range(10)), token_after(10))
    other.token()
    one.store([make_entry(make_verdict(100), 0)], token_after(1, "two"))
    with pytest.raises(StoreError, match="another archiver reads a recreated topic"):
        other.store(entries(range(10, 12)), token_after(12))
    assert resume_token.decode(other.token() or b"") == {SOURCE: 1}


def test_a_position_without_the_identity_of_its_topic_continues(database: Database) -> None:
    store = verdict_store(database)
    store.store(entries(range(5)), resume_token.encode({SOURCE: 5}))
    store.store(entries(range(3, 8)), token_after(8))
    store.store(entries(range(6, 9)), resume_token.encode({SOURCE: 9}))
    assert count(database) == 9


def test_gaps_are_kept_once_each(database: Database) -> None:
    store = verdict_store(database)
    for next_offset in (7, 9):
        store.skip([Gap(SOURCE, 3, next_offset, 17), Gap(TopicPartition("t.b.verdicts", 1), 5, 0, 18, True)])
    with database.read() as connection:
        rows = connection.execute(select(GAPS.c.first_offset, GAPS.c.next_offset, GAPS.c.is_recreated)).all()
    assert sorted(tuple(row) for row in rows) == [(3, 9, False), (5, 0, True)]


def test_text_that_a_database_cannot_hold_is_stored_as_far_as_it_can(database: Database, archive: Archive) -> None:
    named = Inspection(line="a", station="s\x00", piece_id="p" * 10_000, pass_number=2**32 - 1)
    verdict = Verdict(inspection=named, lot="'; DROP TABLE verdicts; --", defect_score=float("nan"), entry_ns=2**62)
    verdict.classes.add(name="\x00", probability=0.5)
    verdict.cost_ms = float("inf")
    store = verdict_store(database)
    store.store([make_entry(verdict, 0), *entries([1])], token_after(2))
    (row, _) = archive.find(PieceFilter())
    assert (row.station, len(row.piece_id), row.lot, row.score) == ("s\ufffd", 256, verdict.lot, None)
    assert archive.verdict(row.key).inspection == named
    assert archive.find(PieceFilter(piece_id="p" * 10_000)) == archive.find(PieceFilter(station="s\x00")) == [row]


def test_a_record_that_the_database_refuses_does_not_hold_up_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def with_a_null(entry: Entry) -> VerdictRow:
        row = verdict_row(entry)
        if row.columns["piece_id"] == "p00002":
            row.columns["line"] = None
        return row

    monkeypatch.setattr(write, "verdict_row", with_a_null)
    verdict_store(database).store(entries(range(5)), token_after(5))
    assert count(database) == 4
    assert "The database refuses the record t.a.verdicts/0@2" in caplog.text
