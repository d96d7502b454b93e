"""The database is full, locked, gone or of another version: the follower waits, says so, and catches up."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import event, text

from inspector.archive.database import Database, DatabaseError
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.followers import archive_followers
from inspector.archive.metrics import ArchiveMetrics
from inspector.archive.migrate import upgrade
from inspector.archive.rebuild import verify
from inspector.verdicts import follow as follow_module
from inspector.verdicts.follow import StoreError
from streams.embedded.log import EmbeddedLog
from tests.inspector.archive.parts import entries, make_verdict, publish, token_after, verdict_store
from tests.servers.databases import DATABASES
from tests.servers.postgres import Postgres
from tests.threads import run_together


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "POLL_S", 0.02)
    monkeypatch.setattr(follow_module, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(follow_module, "MAX_DELAY_S", 0.05)


@contextmanager
def following(log: EmbeddedLog, database: Database, registry: CollectorRegistry) -> Iterator[None]:
    stop = threading.Event()
    follower = archive_followers(log, database, ArchiveMetrics(registry, database))[0]
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def num_stored(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("inspector_archive_stored_total", {"records": "verdicts"}) or 0.0


def is_failing(registry: CollectorRegistry) -> bool:
    return registry.get_sample_value("inspector_archive_failing") == 1.0


def assert_whole(log: EmbeddedLog, database: Database, count: int) -> None:
    differences: list[object] = []
    assert verify(log, database, differences.append).equal == count
    assert not differences


def test_a_full_disk_is_waited_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = EmbeddedLog(tmp_path / "log.sqlite")
    registry = CollectorRegistry()
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        upgrade(database)
        limits = {"pages": 0}

        def limit(connection: object, _: object) -> None:
            if limits["pages"]:
                connection.execute(f"PRAGMA max_page_count = {limits['pages']}")  # type: ignore[attr-defined]

        event.listen(database.engine, "connect", limit)
        with database.read() as connection:
            limits["pages"] = connection.execute(text("PRAGMA page_count")).scalar_one() + 5
        database.engine.dispose()
        with following(log, database, registry):
            publish(log, [make_verdict(number) for number in range(300)])
            wait_for(lambda: is_failing(registry))
            publish(log, [make_verdict(number) for number in range(300, 320)])  # the line goes on
            limits["pages"] = 2**30
            database.engine.dispose()
            wait_for(lambda: num_stored(registry) == 320)
        assert_whole(log, database, 320)
        assert not is_failing(registry)
    assert "archive of verdicts: interrupted" in caplog.text
    assert "database or disk is full" in caplog.text
    assert "archive of verdicts: continues." in caplog.text


def test_a_postgresql_server_that_stops_and_comes_back_has_every_verdict_once(
    postgres: Postgres, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = EmbeddedLog(tmp_path / "log.sqlite")
    registry = CollectorRegistry()
    with closing(Database(postgres_url)) as database:
        with following(log, database, registry):
            publish(log, [make_verdict(number) for number in range(50)])
            wait_for(lambda: num_stored(registry) == 50)
            postgres.kill()
            publish(log, [make_verdict(number) for number in range(50, 80)])
            wait_for(lambda: "interrupted" in caplog.text)
            postgres.start()
            wait_for(lambda: num_stored(registry) == 80)
            publish(log, [make_verdict(80)])
            wait_for(lambda: num_stored(registry) == 81)
        assert_whole(log, database, 81)
    assert "not-a-secret" not in caplog.text


def test_a_file_that_was_removed_is_made_again_from_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rows written to the removed file were lost, and nobody knew."""
    log = EmbeddedLog(tmp_path / "log.sqlite")
    registry = CollectorRegistry()
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        with following(log, database, registry):
            publish(log, [make_verdict(number) for number in range(20)])
            wait_for(lambda: num_stored(registry) == 20)
            for name in ("archive.sqlite", "archive.sqlite-wal", "archive.sqlite-shm"):
                (tmp_path / name).unlink()
            publish(log, [make_verdict(20)])
            wait_for(lambda: num_stored(registry) == 41)
        assert_whole(log, database, 21)
    assert "was removed or replaced" in caplog.text


def test_another_programs_write_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.database.BUSY_S", 0.1)
    url = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    with closing(Database(url)) as database, closing(sqlite3.connect(tmp_path / "archive.sqlite")) as other:
        upgrade(database)
        store = verdict_store(database)
        other.execute("BEGIN IMMEDIATE")
        with closing(other):
            with pytest.raises(StoreError, match="locked"):
                store.store(entries(range(3)), token_after(3))
            assert Archive(database).find(PieceFilter()) == []
        store.store(entries(range(3)), token_after(3))
        assert len(Archive(database).find(PieceFilter())) == 3


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match=r"written by a newer version .* 9999, expected at most"):
        upgrade(database)


def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'other.sqlite'}")) as database:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE feedback (id INTEGER)"))
        with pytest.raises(DatabaseError, match="has tables of another program \\(feedback\\)"):
            upgrade(database)


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


def test_two_programs_that_begin_at_once_make_the_tables_once(empty_url: str) -> None:
    errors: list[BaseException] = []
    with closing(Database(empty_url)) as one, closing(Database(empty_url)) as other:
        run_together(partial(_upgrade, each, errors) for each in (one, other))
        assert not errors
        assert Archive(one).find(PieceFilter()) == []


def _upgrade(database: Database, errors: list[BaseException]) -> None:
    try:
        upgrade(database)
    except BaseException as exc:  # noqa: BLE001 - of a thread
        errors.append(exc)


@pytest.mark.parametrize(
    ("url", "problem"),
    [("mysql://u@h/n", "of the kind 'mysql'"), ("no url", "is no URL"), ("postgresql+asyncpg://u:p@h/n", "")],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url: str, problem: str) -> None:
    if not problem:
        assert Database(url, "secret").name == "postgresql+psycopg://u:***@h/n"
        return
    with pytest.raises(DatabaseError, match=problem):
        Database(url)


def test_metrics_show_the_sizes_of_the_files(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        ArchiveMetrics(registry, database)
        assert registry.get_sample_value("inspector_archive_database_bytes") == 0.0
        upgrade(database)
        verdict_store(database).store(entries(range(100)), token_after(100))
        wal_bytes = registry.get_sample_value("inspector_archive_wal_bytes")
        assert wal_bytes == (tmp_path / "archive.sqlite-wal").stat().st_size > 0
        assert (registry.get_sample_value("inspector_archive_database_bytes") or 0) > wal_bytes
