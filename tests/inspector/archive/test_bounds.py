"""What the archive takes has an end: of the disk, of the rights on its files, of the time that a database takes."""

import logging
import shutil
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from sqlalchemy import text

from inspector.archive import database as database_module
from inspector.archive import postgresql_engine
from inspector.archive.database import Bounds, Database, DatabaseError
from inspector.archive.migrate import upgrade
from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.retention import Limits, RowRetention
from inspector.verdicts.follow import StoreError
from tests.inspector.archive.parts import entries, fill, token_after, verdict_store


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_with_too_little_space_on_the_disk_nothing_is_added_but_old_verdicts_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}", bounds=Bounds(min_free_bytes=1000))) as database:
        upgrade(database)
        fill(database, range(50))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000, 9001, 999))
        with pytest.raises(StoreError, match=r"999 bytes are free on its disk.* lower archive\.min_free_bytes"):
            verdict_store(database).store(entries(range(50, 60)), token_after(60))
        assert RowRetention(database, Limits({1: 1.0}), threading.Event()).apply() == 30
        with database.write() as connection:  # an alert, an answer
            connection.execute(text("UPDATE followers SET updated_ns = 1"))
        monkeypatch.setattr(database_module, "FREE_PAGES_BYTES", 4096)  # the space of removed rows is enough now
        verdict_store(database).store(entries(range(50, 60)), token_after(60))


def test_files_that_the_archive_makes_are_for_its_user_only(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        upgrade(database)
        fill(database, range(3))
        names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert names == dict.fromkeys(("archive.sqlite", "archive.sqlite-wal", "archive.sqlite-shm"), 0o600)
    store = FolderStore(tmp_path / "recordings")
    store.put(b"picture")
    paths = [tmp_path / "recordings", *(tmp_path / "recordings").rglob("*")]
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths} == {(True, 0o700), (False, 0o600)}


def test_a_lock_and_a_statement_of_postgresql_are_waited_for_within_bounds(postgres_url: str) -> None:
    bounds = Bounds(lock_timeout_s=0.05, statement_timeout_s=0.2)
    with closing(Database(postgres_url)) as other, closing(Database(postgres_url, bounds=bounds)) as database:
        upgrade(other)
        fill(other, range(1))
        with other.write() as connection:
            connection.execute(text("UPDATE followers SET updated_ns = 1"))
            with pytest.raises(StoreError, match="lock timeout"):
                verdict_store(database).store(entries(range(3)), token_after(3))
        with pytest.raises(StoreError, match="statement timeout"), database.read() as connection:
            connection.execute(text("SELECT pg_sleep(20)"))
        verdict_store(database).store(entries(range(3)), token_after(3))


def test_a_transaction_that_is_left_open_is_ended_by_postgresql(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_engine, "IDLE_TRANSACTION_S", 0.05)
    with closing(Database(postgres_url)) as database:
        with pytest.raises(StoreError):
            _leave_open(database, postgres_url)
        with database.read() as connection:
            shown = [connection.execute(text(f"SHOW {n}")).scalar_one() for n in ("lock_timeout", "statement_timeout")]
    assert shown == ["10s", "2min"]


def _leave_open(database: Database, url: str) -> None:
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
        _wait_for_the_end(url)
        connection.execute(text("SELECT 1"))


def _wait_for_the_end(url: str) -> None:
    pause = threading.Event()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'inspector archive' AND datname = current_database()"
        )
        for _ in range(1000):
            (number,) = connection.execute(query).fetchone() or (0,)
            if number == 0:
                return
            pause.wait(0.02)
    raise AssertionError("it was not ended")


def test_a_user_without_the_right_to_make_tables_is_told_the_remedy(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'its-secret'")
    place = postgres_url.partition("@")[2]
    with (
        closing(Database(f"postgresql://clerk@{place}", "its-secret")) as database,
        pytest.raises(DatabaseError, match=r"GRANT USAGE, CREATE ON SCHEMA public TO clerk") as raised,
    ):
        verdict_store(database).token()
    assert "its-secret" not in str(raised.value) + caplog.text
