"""Reads of many people: ended after a time, and few at once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import text

from inspector.archive import limited
from inspector.archive.limited import MAX_READS, BusyError, LimitedDatabase, TookTooLongError

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


@pytest.fixture
def database(database_url: str) -> Iterator[LimitedDatabase]:
    with closing(LimitedDatabase(database_url, read_s=0.2)) as opened:
        yield opened


def test_a_read_that_takes_too_long_is_ended_and_the_connection_is_free_again(database: LimitedDatabase) -> None:
    endless = ENDLESS["sqlite" if database.is_sqlite else "postgresql"]
    for _ in range(MAX_READS + 2):
        with pytest.raises(TookTooLongError, match="choose a shorter time"), database.read() as connection:
            connection.execute(text(endless)).scalar_one()
    with database.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_writes_have_no_time_limit(database: LimitedDatabase) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
    with database.write() as connection:
        connection.execute(text("DROP TABLE numbers"))


def test_many_readers_leave_connections_for_a_writer(
    database: LimitedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited, "WAIT_S", 0.1)
    with ExitStack() as readers:
        for _ in range(MAX_READS):
            readers.enter_context(database.read())
        with pytest.raises(BusyError), database.read():
            pass
        with database.write():
            assert threading.active_count() > 0
