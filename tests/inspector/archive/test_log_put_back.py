"""A log that goes back to an earlier state under the same identity loses no later record, and doubles none."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.followers import archive_followers
from inspector.archive.schema import GAPS
from inspector.archive.tables_log import DEAD_LETTERS, FEEDBACK
from inspector.verdicts import follow as follow_module
from protos.inspection.v1.records_pb2 import LABEL_NOK, DeadLetter, Feedback, Inspection
from streams import resume_token
from streams.embedded.log import EmbeddedLog
from streams.log import Gap
from streams.records import Output, Topics
from tests.inspector.archive.parts import SOURCE, TOPICS, entries, make_verdict, publish, token_after, verdict_store
from tests.threads import LIMIT_S, running
from tests.waiting import until

LETTERS = TOPICS.of("dead-letters")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "POLL_S", 0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def copy(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copied:
        source.backup(copied)


def put_back(path: Path, copied: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        (path.parent / name).unlink(missing_ok=True)
    copy(copied, path)


def follow_all(path: Path, database: Database, is_done: Callable[[], bool]) -> None:
    with closing(EmbeddedLog(path)) as log, running(each.run for each in archive_followers(log, database)):
        until(is_done, LIMIT_S)


def pieces(database: Database) -> list[int]:
    return sorted(int(row.piece_id[1:]) for row in Archive(database).find(PieceFilter(), limit=500))


def num_letters(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.sum(DEAD_LETTERS.c.count))).scalar() or 0)


def num_findings(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()


def others(log: EmbeddedLog, number: int) -> None:
    """A dead letter and a finding."""
    publisher = log.publisher()
    finding = Feedback(inspection=Inspection(line="a", piece_id=f"p{number}"), label=LABEL_NOK, id=f"finding-{number}")
    publisher.publish(
        [
            Output(LETTERS, 0, b"k", DeadLetter(station=f"s{number}").SerializeToString(), ""),
            Output(TOPICS.of("feedback"), 0, b"k", finding.SerializeToString(), ""),
        ]
    )
    publisher.flush()
    publisher.close()


@pytest.mark.parametrize("num_after", [1, 40], ids=["is shorter", "has grown past the position"])
def test_records_behind_a_log_that_was_put_back_are_stored_once(
    path: Path, database: Database, num_after: int, tmp_path: Path
) -> None:
    log = EmbeddedLog(path)
    publish(log, [make_verdict(number) for number in range(5)])
    others(log, 0)
    copy(path, tmp_path / "copy.sqlite")
    publish(log, [make_verdict(number) for number in range(5, 10)])
    others(log, 1)
    log.close()
    follow_all(
        path, database, lambda: (len(pieces(database)), num_letters(database), num_findings(database)) == (10, 2, 2)
    )
    put_back(path, tmp_path / "copy.sqlite")
    log = EmbeddedLog(path)
    for number in range(100, 100 + num_after):
        publish(log, [make_verdict(number)])
        others(log, number)
    log.close()
    whole = 10 + num_after, 2 + num_after, 2 + num_after
    follow_all(path, database, lambda: (len(pieces(database)), num_letters(database), num_findings(database)) == whole)
    assert pieces(database) == [*range(10), *range(100, 100 + num_after)]
    assert (num_letters(database), num_findings(database)) == whole[1:]
    follow_all(path, database, lambda: True)
    with database.read() as connection:
        gaps = connection.execute(select(GAPS.c.is_recreated)).scalars().all()
    assert len(gaps) == 3
    assert all(gaps)


def test_a_topic_that_the_earlier_state_did_not_have_is_read_whole_when_it_comes_again(
    path: Path, database: Database, tmp_path: Path
) -> None:
    log = EmbeddedLog(path)
    publish(log, [make_verdict(0)])
    copy(path, tmp_path / "copy.sqlite")
    publish(log, [make_verdict(number, "b") for number in range(1, 6)], Topics("t", "b"))
    log.close()
    follow_all(path, database, lambda: len(pieces(database)) == 6)
    put_back(path, tmp_path / "copy.sqlite")
    log = EmbeddedLog(path)
    publish(log, [make_verdict(number) for number in range(10, 20)])
    log.close()
    follow_all(path, database, lambda: len(pieces(database)) == 16)
    log = EmbeddedLog(path)
    publish(log, [make_verdict(number, "b") for number in range(20, 22)], Topics("t", "b"))
    log.close()
    follow_all(path, database, lambda: len(pieces(database)) == 18)
    assert pieces(database) == [*range(6), *range(10, 22)]


def test_a_gap_of_a_log_that_was_put_back_ends_the_position(database: Database) -> None:
    store = verdict_store(database)
    store.store(entries(range(10)), token_after(10))
    store.token()
    store.skip([Gap(SOURCE, 10, 0, 1, is_recreated=True)])
    assert store.token() is None
    store.store(entries(range(6)), token_after(6))
    store.store(entries(range(6, 13)), token_after(13))
    assert pieces(database) == list(range(13))
    assert resume_token.decode(store.token() or b"") == {SOURCE: 13}
