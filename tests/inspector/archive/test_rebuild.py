"""The archive is compared with the log row by row, and made again from it."""

from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from inspector.archive import log_reading
from inspector.archive.compare import Difference, Kind
from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.followers import archive_followers
from inspector.archive.rebuild import Repairs, rebuild, rebuild_findings, verify
from inspector.archive.schema import HEAT_MAPS, HOLDS, REMOVED, VERDICT_BODIES, VERDICT_SENSORS, VERDICTS
from inspector.archive.tables_log import DEAD_LETTERS, DEPLOYMENTS, FEEDBACK
from protos.inspection.v1.control_pb2 import Deployment
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_ID_READ_TWICE as READ_TWICE
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_MALFORMED as MALFORMED
from protos.inspection.v1.records_pb2 import LABEL_NOK, DeadLetter, Feedback, Inspection
from streams.embedded.log import EmbeddedLog
from streams.log import Log
from streams.records import Output
from tests.inspector.archive.parts import BEGIN_NS, SECOND_NS, TOPICS, entries, make_verdict, publish, token_after
from tests.inspector.archive.parts import verdict_store as store_of
from tests.threads import LIMIT_S, running
from tests.waiting import until

NUM = 60


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedLog:
    monkeypatch.setattr(log_reading, "POLL_S", 0.01)
    embedded = EmbeddedLog(tmp_path / "log.sqlite")
    publish(embedded, [make_verdict(number) for number in range(NUM)])
    return embedded


def archive_all(log: Log, database: Database, table_counts: dict[str, int]) -> None:
    """Follows until the tables have so many rows."""
    with running(follower.run for follower in archive_followers(log, database)):
        until(lambda: all(count(database, name) >= number for name, number in table_counts.items()), LIMIT_S)


def count(database: Database, name: str) -> int:
    table = VERDICTS.metadata.tables[name]
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def refuse(difference: Difference) -> None:
    raise AssertionError(difference)


def found(log: Log, database: Database) -> list[tuple[Kind, int | None, str]]:
    differences: list[Difference] = []
    tally = verify(log, database, differences.append)
    assert sum(tally.differences.values()) == len(differences)
    assert tally.is_clean == (not differences)
    return [(each.kind, each.key, each.detail) for each in differences]


def test_an_archive_that_followed_the_log_equals_it(log: EmbeddedLog, database: Database) -> None:
    archive_all(log, database, {"verdicts": NUM})
    seen: list[tuple[int, int]] = []
    tally = verify(log, database, refuse, lambda done, whole: seen.append((done, whole)))
    assert (tally.equal, tally.pending, tally.removed, tally.differences) == (NUM, 0, 0, {})
    assert seen[-1][0] == seen[-1][1]


def test_every_kind_of_difference_is_found_and_repaired_and_keys_stay(log: EmbeddedLog, database: Database) -> None:
    archive_all(log, database, {"verdicts": NUM})
    pieces = {row.key: row for row in Archive(database).find(PieceFilter(), limit=NUM)}
    with database.write() as connection:
        connection.execute(update(VERDICTS).where(VERDICTS.c.key == 5).values(decision=1, lot="x"))
        connection.execute(update(VERDICT_BODIES).where(VERDICT_BODIES.c.verdict_key == 6).values(body=b"damaged"))
        connection.execute(delete(VERDICT_BODIES).where(VERDICT_BODIES.c.verdict_key == 7))
        connection.execute(delete(HEAT_MAPS).where(HEAT_MAPS.c.verdict_key == 9))
        connection.execute(delete(VERDICT_SENSORS).where(VERDICT_SENSORS.c.verdict_key == 8))
        connection.execute(update(VERDICTS).where(VERDICTS.c.key == 20).values(append_ns=VERDICTS.c.append_ns + 1))
        connection.execute(delete(VERDICTS).where(VERDICTS.c.key.in_([30, NUM])))
    kinds = {(kind, key): detail for kind, key, detail in found(log, database)}
    assert set(kinds) == {
        *((Kind.DIFFERENT, key) for key in (5, 6, 7, 8, 9)), (Kind.EXTRA, 20), (Kind.MISSING, None),
    }  # fmt: skip
    assert kinds[Kind.DIFFERENT, 5].endswith("lot, decision")
    assert kinds[Kind.DIFFERENT, 8].endswith("sensors")
    assert rebuild(log, database) == Repairs(added=3, changed=5, removed=1)
    assert not found(log, database)
    after = {row.key: row for row in Archive(database).find(PieceFilter(), limit=NUM)}
    assert len(after) == NUM
    assert all(after[key] == pieces[key] for key in after.keys() & pieces.keys())


def test_an_empty_archive_is_made_from_the_log_and_followed_from_there(log: EmbeddedLog, database: Database) -> None:
    assert rebuild(log, database) == Repairs(added=NUM)
    publish(log, [make_verdict(NUM)])
    archive_all(log, database, {"verdicts": NUM + 1, "positions": 1})
    assert not found(log, database)
    assert count(database, "verdicts") == NUM + 1


def test_rows_without_a_record_are_removed_but_for_those_that_someone_needs(
    log: EmbeddedLog, database: Database
) -> None:
    archive_all(log, database, {"verdicts": NUM})
    store = store_of(database)
    store.token()
    with database.write() as connection:  # as if the log had lost its last records
        copies = connection.execute(select(VERDICTS).where(VERDICTS.c.key > NUM - 2)).mappings().all()
        for number, row in enumerate(copies):
            connection.execute(VERDICTS.insert(), {**row, "key": 1000 + number, "offset": 10**6 + number})
        connection.execute(HOLDS.insert(), {"verdict_key": 1001, "holder": "review", "name": "", "since_ns": 1})
    assert [kind for kind, _, _ in found(log, database)] == [Kind.EXTRA, Kind.EXTRA]
    assert rebuild(log, database) == Repairs(removed=1, held=1)


def test_rows_that_are_older_than_the_log_stay(log: EmbeddedLog, database: Database) -> None:
    """The log keeps its records for days, the archive for as long as it is told to."""
    store = store_of(database)
    store.store(entries(range(NUM)), token_after(NUM, "an earlier log"))
    assert rebuild(log, database) == Repairs(added=NUM)
    assert count(database, "verdicts") == 2 * NUM


def test_what_the_archive_has_not_come_to_is_pending_and_what_was_removed_is_not_missing(
    log: EmbeddedLog, database: Database
) -> None:
    archive_all(log, database, {"verdicts": NUM})
    publish(log, [make_verdict(number) for number in range(NUM, NUM + 5)])
    with database.write() as connection:
        connection.execute(REMOVED.insert(), {"decision": 1, "until_ns": BEGIN_NS + 10 * SECOND_NS})
        connection.execute(delete(VERDICTS).where(VERDICTS.c.decision == 1, VERDICTS.c.key <= 5))
    tally = verify(log, database, refuse)
    assert (tally.pending, tally.removed, tally.equal) == (5, 3, NUM - 3)
    assert rebuild(log, database) == Repairs(added=5)


def test_dead_letters_feedback_and_deployments_are_followed_too(log: EmbeddedLog, database: Database) -> None:
    named = Inspection(line="a", station="s1", piece_id="p00001")
    finding = Feedback(inspection=named, label=LABEL_NOK, defects=["crack"], author="ann", note="a\x00b", given_ns=7)
    letters = [
        DeadLetter(reason=MALFORMED, detail="no", station="s1"),
        DeadLetter(reason=READ_TWICE, inspection=named, station="s1"),
    ]
    outputs = [
        *(Output(TOPICS.of("dead-letters"), 0, b"s1", letter.SerializeToString(), "x") for letter in [*letters] * 3),
        Output(TOPICS.of("feedback"), 0, b"s1", finding.SerializeToString(), "x"),
        Output(TOPICS.of("feedback"), 0, b"s1", b"\xff", "x"),
        Output(TOPICS.of("control"), 0, b"deployment/3", Deployment(number=3, by="bob").SerializeToString(), "x"),
        Output(TOPICS.of("control"), 0, b"active/cup", b"\x0a\x00", "x"),
    ]
    publisher = log.publisher()
    publisher.publish(outputs)
    publisher.flush()
    publisher.close()
    archive_all(log, database, {"verdicts": NUM, "dead_letters": 2, "feedback": 1, "deployments": 1, "positions": 4})
    with database.read() as connection:
        counts = connection.execute(select(DEAD_LETTERS.c.line, DEAD_LETTERS.c.reason, DEAD_LETTERS.c.count)).all()
        deployed = connection.execute(select(DEPLOYMENTS.c.line, DEPLOYMENTS.c.number, DEPLOYMENTS.c.deployed_by)).all()
    assert sorted(tuple(row) for row in counts) == [("a", 2, 3), ("a", 22, 3)]
    assert [tuple(row) for row in deployed] == [("a", 3, "bob")]
    (row,) = Archive(database).find(PieceFilter(piece_id="p00001"))
    (kept,) = Archive(database).feedback(row.key)
    assert (kept.label, kept.defects, kept.author, kept.note, kept.given_ns) == (2, ("crack",), "ann", "a\ufffdb", 7)
    with database.write() as connection:
        connection.execute(delete(FEEDBACK))
    assert rebuild_findings(log, database) == 1
    assert rebuild_findings(log, database) == 0


def test_the_id_of_another_person_keeps_no_finding_out(log: EmbeddedLog, database: Database) -> None:
    named = Inspection(line="line-1", station="s1", piece_id="p0")
    said = [
        Feedback(inspection=named, author=author, author_proof=proof, id="same", given_ns=1)
        for author, proof in (("ada", "token"), ("ada", ""), ("bob", "token"), ("ada", "token"))
    ]
    records = [Output(TOPICS.of("feedback"), 0, b"s1", each.SerializeToString(), "x") for each in said]
    publisher = log.publisher()
    publisher.publish(records)
    publisher.flush()
    publisher.close()
    archive_all(log, database, {"feedback": 3})
    with database.read() as connection:
        kept = connection.execute(select(FEEDBACK.c.author, FEEDBACK.c.author_proof)).all()
    assert sorted(map(tuple, kept)) == [("ada", ""), ("ada", "token"), ("bob", "token")]
