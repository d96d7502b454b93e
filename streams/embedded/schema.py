"""The tables of a log: creates them in a new file and upgrades those of an older version."""

import secrets
import sqlite3

from streams.embedded.file import APPLICATION_ID, VERSION

ROW_BYTES = 512
"""Page space of a record in addition to its key and value; rather too large than too small."""

IDENTITY_TABLE = "identity"
_SCHEMA = """
CREATE TABLE topics (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hold INTEGER NOT NULL,
  floor INTEGER NOT NULL DEFAULT 0, floor_ns INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, append_ns INTEGER NOT NULL, type TEXT NOT NULL,
  key BLOB NOT NULL, value BLOB NOT NULL);
CREATE INDEX records_of_topic ON records (topic, id);
CREATE TABLE positions (topic TEXT PRIMARY KEY, next INTEGER NOT NULL, memo TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (
  line TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, beat INTEGER NOT NULL, boot TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE flushes (number INTEGER NOT NULL);
INSERT INTO flushes VALUES (0);
"""
_COUNT_BYTES = """
UPDATE topics SET bytes = (
  SELECT coalesce(sum(length(key) + length(value) + ?), 0) FROM records WHERE topic = topics.id)"""
_FROM_1 = """
ALTER TABLE topics ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE beats (
  line TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, beat INTEGER NOT NULL, boot TEXT NOT NULL)
  WITHOUT ROWID;
INSERT INTO beats SELECT line, owner, epoch, min(expires_ns, 1), '' FROM leases;
DROP TABLE leases;
ALTER TABLE beats RENAME TO leases;
"""


def create(db: sqlite3.Connection) -> None:
    """Within a transaction, so that a failure leaves nothing behind."""
    _run(db, _SCHEMA)


def upgrade(db: sqlite3.Connection) -> None:
    """From version 1 (leases by the wall clock, no application id), within a transaction."""
    _run(db, _FROM_1)
    db.execute(_COUNT_BYTES, (ROW_BYTES,))


def add_identity(db: sqlite3.Connection) -> None:
    """Distinguishes this log from every other, and offsets of this one from theirs; other versions ignore it."""
    db.execute(f"CREATE TABLE IF NOT EXISTS {IDENTITY_TABLE} (id TEXT NOT NULL)")
    db.execute(
        f"INSERT INTO {IDENTITY_TABLE} SELECT ? WHERE NOT EXISTS (SELECT 1 FROM {IDENTITY_TABLE})",  # noqa: S608
        (secrets.token_hex(16),),
    )


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
