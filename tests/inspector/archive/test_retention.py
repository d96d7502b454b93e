"""Old verdicts are removed by decision, age and number; what someone needs stays."""

import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inspector.archive import retention
from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.migrate import upgrade
from inspector.archive.retention import Limits, RowRetention
from inspector.archive.schema import HEAT_MAPS, HOLDS, REMOVED, VERDICT_BODIES, VERDICTS
from inspector.review.outbox import FeedbackPublisher, Outbox
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS, DECISION_REVIEW
from streams.log import Publisher
from tests.inspector.archive.parts import BEGIN_NS, SECOND_NS, fill

NUM = 100
NOW_NS = BEGIN_NS + NUM * SECOND_NS
FOREVER: dict[int, float] = {DECISION_PASS: 1e4, DECISION_FAIL: 1e4, DECISION_REVIEW: 1e4}


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)


def apply(database: Database, limits: Limits) -> int:
    return RowRetention(database, limits, threading.Event(), lambda: NOW_NS).apply()


class OneRound(threading.Event):
    """Ends the loop that waits on it."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def test_the_first_start_makes_the_tables_and_warns_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'new.sqlite'}")) as database:
        RowRetention(database, Limits(FOREVER), OneRound()).run()
        FeedbackPublisher(_NoLog(), "t", Outbox(database), prepare=lambda: upgrade(database)).run(OneRound())
        assert left(database) == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


class _NoLog:
    def publisher(self) -> Publisher:
        raise AssertionError("there is nothing to publish")


def left(database: Database) -> list[int]:
    return sorted(int(row.piece_id[1:]) for row in Archive(database).find(PieceFilter(), limit=NUM))


def days(seconds: float) -> float:
    return seconds / 86_400


def hold(database: Database, *pieces: int) -> None:
    with database.write() as connection:
        for piece in pieces:
            key = connection.execute(select(VERDICTS.c.key).where(VERDICTS.c.piece_id == f"p{piece:05d}")).scalar_one()
            connection.execute(HOLDS.insert(), {"verdict_key": key, "holder": "review", "name": "", "since_ns": 1})


def test_each_decision_has_its_own_age_and_held_pieces_stay(database: Database) -> None:
    fill(database, range(NUM))
    hold(database, 0, 3, 50)
    limits = Limits({DECISION_PASS: days(20.5), DECISION_FAIL: days(50.5), DECISION_REVIEW: 1e4})
    removed = apply(database, limits)
    expected = [
        number
        for number in range(NUM)
        if number in (0, 3, 50)
        or {0: number >= 80, 1: number >= 80, 2: number >= 80, 3: number >= 50, 4: True}[number % 5]
    ]
    assert left(database) == expected
    assert removed == NUM - len(expected)
    assert apply(database, limits) == 0
    with database.read() as connection:
        for table in (VERDICT_BODIES, HEAT_MAPS):
            keys = connection.execute(select(table.c.verdict_key)).scalars().all()
            assert set(keys) <= set(connection.execute(select(VERDICTS.c.key)).scalars())
        until = {row.decision: row.until_ns for row in connection.execute(select(REMOVED))}
    assert until == {DECISION_PASS: BEGIN_NS + 77 * SECOND_NS, DECISION_FAIL: BEGIN_NS + 48 * SECOND_NS}


def test_of_too_many_the_oldest_passes_go_first(database: Database) -> None:
    fill(database, range(NUM))
    assert apply(database, Limits(FOREVER, max_verdicts=70)) == 30
    assert Counter(number % 5 for number in left(database)) == {0: 10, 1: 10, 2: 10, 3: 20, 4: 20}
    assert apply(database, Limits(FOREVER, max_verdicts=30)) == 40
    assert len(left(database)) == 30
    assert all(number % 5 > 2 for number in left(database))


def test_too_many_bytes_are_brought_under_the_limit(database: Database) -> None:
    fill(database, range(NUM))
    with database.read() as connection:
        stored = connection.execute(select(func.sum(VERDICTS.c.stored_bytes))).scalar_one()
    whole = int(stored) + NUM * retention.ROW_BYTES
    assert apply(database, Limits(FOREVER, max_bytes=whole)) == 0
    assert 0 < apply(database, Limits(FOREVER, max_bytes=whole // 2)) <= 60
    while apply(database, Limits(FOREVER, max_bytes=whole // 2)):
        pass
    with database.read() as connection:
        count, stored = connection.execute(select(func.count(), func.sum(VERDICTS.c.stored_bytes))).one()
    assert int(stored) + count * retention.ROW_BYTES <= whole // 2


def test_a_stop_ends_it_between_two_steps(database: Database) -> None:
    fill(database, range(NUM))
    stop = threading.Event()
    stop.set()
    RowRetention(database, Limits(dict.fromkeys(FOREVER, days(1))), stop, lambda: NOW_NS).apply()
    assert len(left(database)) == NUM
