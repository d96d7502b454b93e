"""The embedded log recognises its files: it writes into no other, and none is changed under it."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog
from streams.embedded.file import APPLICATION_ID, VERSION
from streams.log import LogError, Position, Start
from tests.embedded_parts import FRAMES, frames, output, publish, values

OLD_SCHEMA = """
CREATE TABLE topics (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hold INTEGER NOT NULL,
  floor INTEGER NOT NULL DEFAULT 0, floor_ns INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, append_ns INTEGER NOT NULL, type TEXT NOT NULL,
  key BLOB NOT NULL, value BLOB NOT NULL);
CREATE INDEX records_of_topic ON records (topic, id);
CREATE TABLE positions (topic TEXT PRIMARY KEY, next INTEGER NOT NULL, memo TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (
  line TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, expires_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE flushes (number INTEGER NOT NULL);
INSERT INTO flushes VALUES (0);
INSERT INTO topics (name, hold) VALUES ('qa.l1.frames', 0);
INSERT INTO records (topic, append_ns, type, key, value) VALUES (1, 5, 't', x'', x'6f6c64');
INSERT INTO leases VALUES ('l1', 'w', 7, 0);
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def hashes(folder: Path) -> dict[str, str]:
    return {at.name: hashlib.sha256(at.read_bytes()).hexdigest() for at in folder.iterdir() if at.is_file()}


def empty(path: Path) -> None:
    path.touch()


def tables(path: Path) -> None:
    database(path, "CREATE TABLE t (a)")


def tables_in_wal_mode(path: Path) -> None:
    database(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")


def killed_before_its_checkpoint(path: Path) -> None:
    """The file alone looks empty: the tables are in the WAL, as after `kill -9`."""
    other = path.with_name("origin")
    with closing(sqlite3.connect(other)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        path.write_bytes(other.read_bytes())
        path.with_name("log.db-wal").write_bytes(other.with_name("origin-wal").read_bytes())


def an_application(path: Path) -> None:
    database(path, "PRAGMA application_id = 252006673")


def a_version(path: Path) -> None:
    database(path, "PRAGMA user_version = 1", "CREATE TABLE records (id)")


def a_later_log(path: Path) -> None:
    database(path, f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 9", "CREATE TABLE topics (id)")


def text(path: Path) -> None:
    path.write_text("no database, but long enough to be read as one\n" * 500)


def bytes_of(count: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(b"x" * count)

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (tables, "another program .* tables t"),
        (tables_in_wal_mode, "another program"),
        (killed_before_its_checkpoint, "another program"),
        (an_application, "application id 252006673"),
        (a_version, "another program"),
        (a_later_log, "version 9, expected at most"),
        (text, "not a database"),
        *((bytes_of(count), "not a database") for count in (1, 99, 100, 511, 512, 1000)),
    ],
)
def test_a_file_of_something_else_is_refused_and_not_touched(
    path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(path)
    before = hashes(path.parent)
    with pytest.raises(LogError, match=rf"log\.db.*{words}"):
        EmbeddedLog(path)
    after = hashes(path.parent)
    after.pop("log.db-shm", None)  # an index in memory that the reading of a WAL makes; its owner rebuilds it
    assert after == before


def test_a_folder_as_path_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LogError, match="is a folder"):
        EmbeddedLog(path)


def test_a_pipe_as_path_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(LogError, match="not a regular file"):
        EmbeddedLog(path)


def test_a_path_below_a_file_is_refused(path: Path) -> None:
    path.touch()
    with pytest.raises(LogError, match="cannot create its folder"):
        EmbeddedLog(path / "deeper" / "log.db")


@pytest.mark.parametrize("make", [None, empty, lambda path: database(path, "VACUUM")])
def test_a_new_or_empty_file_becomes_a_log(path: Path, make: Callable[[Path], None] | None) -> None:
    if make is not None:
        make(path)
    publish(EmbeddedLog(path), *frames(b"1"))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID  # what `file` shows, without a WAL


@pytest.mark.parametrize("is_checkpointed", [True, False])
def test_a_log_of_version_1_goes_on_and_is_marked(path: Path, is_checkpointed: bool) -> None:
    old = path.with_name("old")
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(OLD_SCHEMA)
        if is_checkpointed:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(old.read_bytes())
        path.with_name("log.db-wal").write_bytes(old.with_name("old-wal").read_bytes())
    log = EmbeddedLog(path)
    publish(log, *frames(b"new"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert values(source.poll(0)) == [b"old", b"new"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("SELECT bytes FROM topics").fetchone() == (3 + 512 + 2 + 3 + 512,)


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    path.unlink()
    EmbeddedLog(path)


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def delete_wal(path: Path) -> None:
    path.with_name("log.db-wal").unlink()


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("change", [delete, replace, truncate, delete_wal, move_folder])
def test_a_file_that_is_changed_under_its_users_ends_all_of_them(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "folder" / "log.db"
    log = EmbeddedLog(path)
    with closing(log.publisher()) as publisher, closing(log.tail(Start())) as tail, closing(log.sink()) as sink:
        source = log.source(["l1"], "qa", "w")
        epoch = source.poll(0).epoch
        change(path)
        for use in (
            lambda: publisher.publish(frames(b"1")),
            lambda: tail.poll(0),
            lambda: source.poll(0),
            lambda: sink.commit([output("verdicts", b"v")], {FRAMES: Position(1)}, epoch),
            source.close,
        ):
            with pytest.raises(LogError, match=r"moved, replaced or emptied|is damaged"):
                use()
        if change is not delete_wal:
            with pytest.raises(LogError, match=r"moved, replaced or emptied|is damaged"):
                log.tail(Start())


def test_a_link_leads_to_the_log(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "log.db")
    log = EmbeddedLog(link)
    publish(log, *frames(b"1"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert values(source.poll(0)) == [b"1"]


@pytest.mark.parametrize("name", ["log?mode=memory", "log#1.db", "100%25.db", "with space.db", "L\u00e4ufe.db"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    publish(EmbeddedLog(tmp_path / name), *frames(b"1"))
    assert (tmp_path / name).is_file()
    assert [at.name for at in tmp_path.iterdir()] == [name]
