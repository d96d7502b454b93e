"""Tables of the counts that charts are drawn from: a few rows for each hour, whatever the number of pieces."""

from sqlalchemy import Column, Integer, Table

from inspector.archive.metadata import METADATA, NUMBER, TEXT

CHART_COUNTS = Table(
    "chart_counts",
    METADATA,
    # The kind of count: a value of `Kind` in `inspector/archive/chart_counts.py`.
    Column("kind", Integer, primary_key=True, autoincrement=False),
    # Length of the time that a row is about: five minutes or an hour.
    Column("grain_s", Integer, primary_key=True, autoincrement=False),
    # Its start, by the moment of entry.
    Column("start_ns", NUMBER, primary_key=True, autoincrement=False),
    Column("line", TEXT, primary_key=True),
    Column("station", TEXT, primary_key=True),
    Column("product", TEXT, primary_key=True),
    Column("bundle_digest", TEXT, primary_key=True),
    # Defect class, sensor or limits; empty where `kind` needs none.
    Column("word", TEXT, primary_key=True),
    # Decision, state of a sensor, or number of a bin.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("count", NUMBER, nullable=False),
    sqlite_with_rowid=False,
)
"""Counted in the order of the verdicts' keys, up to `chart_progress`. Lots are left out: there may be one for each
piece. Retention leaves these numbers."""

CHART_PROGRESS = Table(
    "chart_progress",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("done_key", NUMBER, nullable=False),
)
"""One row: the last verdict that was counted."""
