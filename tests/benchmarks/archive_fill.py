"""Fills an archive with made-up verdicts by statements of its own, since a line would need days."""

import time

from sqlalchemy import text

from inspector.archive.body import pack
from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.schema import VERDICTS
from tests.inspector.archive.parts import make_verdict

PER_S = 12
STARTED_NS = time.time_ns()
CHUNK = 100_000
BODY_EVERY = 20
STATIONS, PRODUCTS, LOT_PIECES, BUNDLE_PIECES = 8, 5, 500, 400_000
SCRAMBLE = 2_654_435_761

_FILL = """
INSERT INTO verdicts (key, topic_id, partition, "offset", line, station, piece_id, pass_number, product, lot, recipe,
  recipe_version, bundle, bundle_version, bundle_digest, engine, deployment, route, decision, reason, defect_class,
  score, pass_below, fail_above, cost_ms, deadline_missed, entry_ns, capture_ns, arrival_ns, decision_ns, publish_ns,
  append_ns, day, stored_bytes)
WITH RECURSIVE pieces (i, r) AS (
  SELECT CAST(:first AS BIGINT), CAST(:first AS BIGINT) * :scramble % 4294967296
  UNION ALL SELECT i + 1, (i + 1) * :scramble % 4294967296 FROM pieces WHERE i + 1 < :last)
SELECT i, 1, i % 4, i, 'line-' || (r % 2), 'station-' || (r % :stations), 'piece-' || r, 0,
  'product-' || (i / 5000 % :products), 'lot-' || (i / :lot), 'recipe', '3', 'bundle', '1.2.0',
  'digest-' || (i / :bundle), 'onnx/fp32', i / :bundle, 'cascade:exit',
  CASE WHEN r % 100 < 2 THEN 2 WHEN r % 100 < 5 THEN 3 ELSE 1 END, 1 + r % 3,
  CASE WHEN r % 100 < 5 THEN 'class-' || (r / 100 % 12) ELSE '' END,
  (r % 100003) / 100003.0, 0.2, 0.8, 4.5, {no},
  :begin + i * 1000000000 / :rate, :begin + i * 1000000000 / :rate, 0, 0,
  :begin + i * 1000000000 / :rate + 20000000 + r % 50000000, :begin + i * 1000000000 / :rate + 90000000,
  (:begin + i * 1000000000 / :rate) / 86400000000000, 600
FROM pieces"""


def begin_ns(rows: int) -> int:
    """The newest of so many verdicts came when the benchmark began: charts look back from now."""
    return STARTED_NS // 10**9 * 10**9 - rows * 10**9 // PER_S


def fill(database: Database, rows: int) -> None:
    upgrade(database)
    body = pack(make_verdict(3)).body
    with database.write() as connection:
        connection.execute(text("INSERT INTO topics (id, name) VALUES (1, 'b.line-0.verdicts')"))
        for index in VERDICTS.indexes:
            index.drop(connection)
    for first in range(0, rows, CHUNK):
        with database.write() as connection:
            if not database.is_sqlite:  # nobody doubts the numbers of topics
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            numbers = _numbers(rows) | {"first": first + 1, "last": min(first + CHUNK, rows) + 1}
            connection.execute(text(_FILL.format(no="0" if database.is_sqlite else "false")), numbers)
            bodies = {"body": body, "first": first, "last": first + CHUNK, "n": BODY_EVERY}
            connection.execute(text(_BODIES), bodies)
    with database.write() as connection:
        for index in VERDICTS.indexes:
            index.create(connection)
        if not database.is_sqlite:
            connection.execute(text("SELECT setval('verdicts_key_seq', (SELECT max(key) FROM verdicts))"))
        connection.execute(text(_STATIONS))
    fill_counts(database)
    analyse(database)


def fill_counts(database: Database) -> None:
    """What the counter of charts counts, for all verdicts at once."""
    with database.write() as connection:
        for table in ("chart_counts", "chart_progress"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        for kind, word, number in _COUNTED:
            connection.execute(text(_COUNTS.format(kind=kind, word=word, number=number)))
        connection.execute(text(_COARSE))
        connection.execute(text("INSERT INTO chart_progress SELECT 'counted', max(key) FROM verdicts"))


def _numbers(rows: int) -> dict[str, int]:
    return {
        "scramble": SCRAMBLE, "stations": STATIONS, "products": PRODUCTS, "lot": LOT_PIECES, "bundle": BUNDLE_PIECES,
        "begin": begin_ns(rows), "rate": PER_S,
    }  # fmt: skip


_BODIES = """
INSERT INTO verdict_bodies SELECT key, :body FROM verdicts WHERE key > :first AND key <= :last AND key % :n = 0"""
_STATIONS = """
INSERT INTO stations (line, station, product, first_ns, last_ns)
SELECT line, station, product, min(entry_ns), max(entry_ns) FROM verdicts GROUP BY line, station, product"""


def analyse(database: Database) -> None:
    """PostgreSQL does this by itself some minutes after so many inserts; SQLite never does."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


_COUNTED = (
    (1, "defect_class", "decision"),
    (2, "''", "CAST(score * 40 - 0.5 AS INTEGER)"),
    (3, "''", "CAST(8 * ln(CAST(publish_ns - capture_ns AS REAL) / 1e6) / ln(2.0) - 0.5 AS INTEGER)"),
    (5, "'0.2 0.8'", "0"),
)
_COUNTS = """
INSERT INTO chart_counts SELECT {kind}, 300, entry_ns / 300000000000 * 300000000000, line, station, product,
  bundle_digest, {word}, {number}, count(*) FROM verdicts GROUP BY 3, 4, 5, 6, 7, 8, 9"""
_COARSE = """
INSERT INTO chart_counts SELECT kind, 3600, start_ns / 3600000000000 * 3600000000000, line, station, product,
  bundle_digest, word, number, sum(count) FROM chart_counts WHERE grain_s = 300 GROUP BY 1, 3, 4, 5, 6, 7, 8, 9"""
