"""The tables of the archive: verdicts, and all records about pieces. Every table of the database is in METADATA.

Decisions, reasons and states are the numbers of the wire's enums. Times are nanoseconds since the Unix epoch.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from inspector.archive.metadata import BYTES, KEY, METADATA, NUMBER, REAL, TEXT, inspection_columns, partial_index

TOPICS = Table(
    "topics",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
)

FOLLOWERS = Table(
    "followers",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("updated_ns", NUMBER, nullable=False),
)
"""One row for each follower. It is locked while its rows and positions are written."""

POSITIONS = Table(
    "positions",
    METADATA,
    Column("follower", ForeignKey(FOLLOWERS.c.name, ondelete="CASCADE"), primary_key=True),
    Column("topic_id", ForeignKey(TOPICS.c.id), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    # Kafka's topic id or the embedded log's id, empty where it is not known. A recreated topic has another one.
    Column("identity", TEXT, nullable=False),
    # -1 where the log was replaced: it is read from its oldest record on.
    Column("next_offset", NUMBER, nullable=False),
    # The record stored last. Where the log has another one at its offset, it is not the log that was read.
    Column("last_offset", NUMBER),
    Column("last_ns", NUMBER),
    # Records up to this append time had been stored when the log was replaced.
    Column("before_ns", NUMBER, nullable=False, server_default="0"),
)
"""Offset of the next record to store, for each partition that a follower reads."""

GAPS = Table(
    "gaps",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("follower", TEXT, nullable=False),
    Column("topic_id", ForeignKey(TOPICS.c.id), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", NUMBER, nullable=False),
    Column("next_offset", NUMBER, nullable=False),
    Column("oldest_ns", NUMBER, nullable=False),
    Column("is_recreated", Boolean, nullable=False),
    Column("noted_ns", NUMBER, nullable=False),
)
"""Records that the log deleted before they were read: offsets from `first_offset` on, below `next_offset`. Where the
topic was recreated, nobody knows how many they were: `next_offset` is of the new topic."""

VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("topic_id", ForeignKey(TOPICS.c.id), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", NUMBER, nullable=False),
    *inspection_columns(),
    Column("product", TEXT, nullable=False),
    Column("lot", TEXT, nullable=False),
    Column("recipe", TEXT, nullable=False),
    Column("recipe_version", TEXT, nullable=False),
    Column("bundle", TEXT, nullable=False),
    Column("bundle_version", TEXT, nullable=False),
    Column("bundle_digest", TEXT, nullable=False),
    Column("engine", TEXT, nullable=False),
    Column("deployment", NUMBER, nullable=False),
    Column("route", TEXT, nullable=False),
    Column("decision", Integer, nullable=False),
    Column("reason", Integer, nullable=False),
    # The likeliest defect class of a piece that did not pass; empty for PASS, and where no class was examined.
    Column("defect_class", TEXT, nullable=False),
    Column("score", REAL),
    Column("pass_below", REAL),
    Column("fail_above", REAL),
    Column("cost_ms", REAL, nullable=False),
    Column("deadline_missed", Boolean, nullable=False),
    Column("entry_ns", NUMBER, nullable=False),
    Column("capture_ns", NUMBER, nullable=False),
    Column("arrival_ns", NUMBER, nullable=False),
    Column("decision_ns", NUMBER, nullable=False),
    Column("publish_ns", NUMBER, nullable=False),
    Column("append_ns", NUMBER, nullable=False),
    # Days since the Unix epoch of `entry_ns`, in UTC.
    Column("day", Integer, nullable=False),
    # Bytes of the body and the heat maps as they are stored.
    Column("stored_bytes", NUMBER, nullable=False),
    # The same record always has the same time, and one at the same offset of a recreated topic another.
    UniqueConstraint("topic_id", "partition", "offset", "append_ns"),
    # A key is never used twice: recordings, reviews and links of the page name it.
    sqlite_autoincrement=True,
)
"""One row for each verdict record, with the fields that are looked up; the verdict itself is in `verdict_bodies`."""

_V = VERDICTS.c
HAS_LOT, HAS_CLASS, NOT_PASS = text("lot <> ''"), text("defect_class <> ''"), text("decision <> 1")
"""What three indexes hold; a query repeats the condition to use them."""
Index("verdicts_by_time", _V.entry_ns, _V.key)
Index("verdicts_by_piece", _V.piece_id, _V.entry_ns, _V.key)
Index("verdicts_by_station", _V.line, _V.station, _V.entry_ns, _V.key)
partial_index("verdicts_by_station_decision", *(_V.line, _V.station, _V.decision, _V.entry_ns, _V.key), where=NOT_PASS)
partial_index("verdicts_by_lot", _V.lot, _V.entry_ns, _V.key, where=HAS_LOT)
Index("verdicts_by_product", _V.product, _V.entry_ns, _V.key)
Index("verdicts_by_decision", _V.decision, _V.entry_ns, _V.key)
# With the columns that find a class of one product without reading the rows of the others.
partial_index(
    "verdicts_by_class",
    *(_V.defect_class, _V.entry_ns, _V.key),
    where=HAS_CLASS,
    include=("product", "line", "station", "decision"),
)
Index("verdicts_by_bundle", _V.bundle_digest, _V.entry_ns, _V.key)
Index("verdicts_by_score", _V.day, _V.score, _V.entry_ns, _V.key)

TOTALS = Table(
    "totals",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("verdicts", NUMBER, nullable=False),
    Column("stored_bytes", NUMBER, nullable=False),
)
"""One row: number and bytes of all rows in `verdicts`."""

STATIONS = Table(
    "stations",
    METADATA,
    Column("line", TEXT, primary_key=True),
    Column("station", TEXT, primary_key=True),
    Column("product", TEXT, primary_key=True),
    Column("first_ns", NUMBER, nullable=False),
    Column("last_ns", NUMBER, nullable=False),
)
"""Products of each station: a row for each combination in `verdicts`, with its oldest and newest entry."""

VERDICT_BODIES = Table(
    "verdict_bodies",
    METADATA,
    Column("verdict_key", ForeignKey(VERDICTS.c.key, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", BYTES, nullable=False),
)
"""The serialised `Verdict` without heat maps, compressed by zlib."""

HEAT_MAPS = Table(
    "heat_maps",
    METADATA,
    Column("verdict_key", ForeignKey(VERDICTS.c.key, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # Position in `Verdict.images`.
    Column("image", Integer, primary_key=True, autoincrement=False),
    Column("png", BYTES, nullable=False),
)

VERDICT_SENSORS = Table(
    "verdict_sensors",
    METADATA,
    Column("verdict_key", ForeignKey(VERDICTS.c.key, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sensor", TEXT, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("reason", Integer, nullable=False),
)
"""Cameras and sensors of a verdict that were not PRESENT; the others have no row."""

HOLDS = Table(
    "holds",
    METADATA,
    Column("verdict_key", ForeignKey(VERDICTS.c.key), primary_key=True, autoincrement=False),
    # Who needs the piece: `review`, `dataset`, or `person`.
    Column("holder", TEXT, primary_key=True),
    # Which one of these: a data set's name, or empty.
    Column("name", TEXT, primary_key=True),
    Column("since_ns", NUMBER, nullable=False),
)
"""Pieces whose verdict and recordings retention does not remove."""

REMOVED = Table(
    "removed",
    METADATA,
    Column("decision", Integer, primary_key=True, autoincrement=False),
    Column("until_ns", NUMBER, nullable=False),
)
"""Up to which entry retention has removed the verdicts of a decision."""

ID_CONFLICTS = Table(
    "id_conflicts",
    METADATA,
    Column("line", TEXT, primary_key=True),
    Column("station", TEXT, primary_key=True),
    Column("piece_id", TEXT, primary_key=True),
    Column("pass_number", NUMBER, primary_key=True, autoincrement=False),
    Column("append_ns", NUMBER, nullable=False),
)
Index("id_conflicts_by_piece", ID_CONFLICTS.c.piece_id)
"""Inspections under whose id a second part was read (dead letters ID_READ_TWICE): the verdict may be about either."""

from inspector.archive import (  # noqa: E402
    tables_alerts,  # noqa: F401
    tables_charts,  # noqa: F401
    tables_log,  # noqa: F401
    tables_recordings,  # noqa: F401
    tables_review,  # noqa: F401
)
