"""A PostgreSQL server whose processes stand still: everybody is told within a time, and all goes on when it does."""

from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from inspector.archive import postgresql_engine
from inspector.archive.database import Bounds, Database
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.limited import LimitedDatabase
from inspector.archive.migrate import upgrade
from inspector.verdicts.follow import StoreError
from streams.embedded.log import EmbeddedLog
from tests.inspector.archive.parts import fill, make_verdict, publish
from tests.inspector.archive.test_outages import assert_whole, following, num_stored, wait_for
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.broker
SOON = Bounds(lock_timeout_s=0.5, statement_timeout_s=0.5)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_engine, "CONNECT_S", 2)
    monkeypatch.setattr("inspector.archive.database.ANSWER_MARGIN_S", 0.5)
    monkeypatch.setattr("inspector.archive.limited.ANSWER_MARGIN_S", 0.5)
    monkeypatch.setattr("inspector.verdicts.follow.MAX_DELAY_S", 0.1)


def test_who_looks_something_up_is_told_that_the_server_does_not_answer(postgres: Postgres, postgres_url: str) -> None:
    """It used to wait for as long as the server stood still."""
    with closing(LimitedDatabase(postgres_url, read_s=0.5)) as database:
        upgrade(database)
        fill(database, range(3))
        archive = Archive(database)
        assert len(archive.find(PieceFilter())) == 3
        with postgres.standing_still():
            with pytest.raises(StoreError, match="has not answered for"):
                archive.find(PieceFilter())
            with pytest.raises(StoreError, match="timeout expired"):  # of a new connection
                archive.find(PieceFilter())
        assert len(archive.find(PieceFilter())) == 3


def read_twice(database: Database, postgres: Postgres) -> None:
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
        with postgres.standing_still():
            connection.execute(text("SELECT 2"))


def write_twice(database: Database, postgres: Postgres) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO numbers VALUES (1)"))
        with postgres.standing_still():
            connection.execute(text("INSERT INTO numbers VALUES (2)"))


def test_a_read_that_has_begun_ends_too(postgres: Postgres, postgres_url: str) -> None:
    with closing(LimitedDatabase(postgres_url, read_s=0.5)) as database:
        with pytest.raises(StoreError, match="has not answered for"):
            read_twice(database, postgres)
        with database.read() as connection:
            assert connection.execute(text("SELECT 3")).scalar_one() == 3


def test_a_write_that_nobody_answers_ends_and_stores_all_or_nothing(postgres: Postgres, postgres_url: str) -> None:
    with closing(LimitedDatabase(postgres_url, bounds=SOON, read_s=0.5)) as database:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
        with pytest.raises(StoreError, match="has not answered for"):
            write_twice(database, postgres)
        with database.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM numbers")).scalar_one() == 0


def test_the_archiver_goes_on_when_the_server_does(
    postgres: Postgres, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = EmbeddedLog(tmp_path / "log.sqlite")
    registry = CollectorRegistry()
    with closing(Database(postgres_url, bounds=Bounds(statement_timeout_s=5.0, lock_timeout_s=5.0))) as database:
        with following(log, database, registry):
            publish(log, [make_verdict(number) for number in range(50)])
            wait_for(lambda: num_stored(registry) == 50)
            with postgres.standing_still():
                publish(log, [make_verdict(number) for number in range(50, 80)])  # the line goes on
                wait_for(lambda: "has not answered for 5.5 s" in caplog.text)
            wait_for(lambda: num_stored(registry) == 80)
        assert_whole(log, database, 80)
    assert "archive of verdicts: interrupted" in caplog.text
    assert "archive of verdicts: continues." in caplog.text
