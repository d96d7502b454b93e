"""Tables of the package `inspector.alerts`, which owns this file.

Times are nanoseconds since the Unix epoch. A condition watches a *place*: line, station and part (a camera or
sensor, a worker, or empty).
"""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table

from inspector.archive.metadata import BYTES, KEY, METADATA, NUMBER, TEXT


def _place_columns(*, primary_key: bool) -> list[Column[str]]:
    names = ("condition", "line", "station", "part")
    return [Column(name, TEXT, primary_key=primary_key, nullable=False) for name in names]


ALERT_CHARTS = Table(
    "alert_charts",
    METADATA,
    *_place_columns(primary_key=True),
    # Settings of the condition: the state of a chart with other settings is not used.
    Column("design", TEXT, nullable=False),
    # As JSON.
    Column("state", TEXT, nullable=False),
    # Sorted usual scores, as 32-bit floats; empty for other charts.
    Column("reference", BYTES, nullable=False),
)
"""State of each chart behind the last verdict that was stored."""

ALERT_OWNER = Table(
    "alert_owner",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # A random number of the process that wrote the charts last: any other one has to read them again.
    Column("process", TEXT, nullable=False),
)
"""One row."""

ALERTS = Table(
    "alerts",
    METADATA,
    Column("key", TEXT, primary_key=True),
    *_place_columns(primary_key=False),
    Column("level", TEXT, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    # firing, acknowledged or resolved.
    Column("state", TEXT, nullable=False),
    Column("raised_ns", NUMBER, nullable=False),
    Column("acknowledged_ns", NUMBER),
    Column("acknowledged_by", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
    Column("resolved_ns", NUMBER),
    Column("resolution", TEXT, nullable=False),
    # Whether its raising was sent out, or waits to be: False while a silence keeps it in.
    Column("is_announced", Boolean, nullable=False),
)
Index("alerts_by_time", ALERTS.c.raised_ns, ALERTS.c.key)
Index("alerts_by_state", ALERTS.c.state, ALERTS.c.raised_ns)
Index("alerts_by_place", ALERTS.c.condition, ALERTS.c.line, ALERTS.c.station, ALERTS.c.part, ALERTS.c.state)

ALERT_SILENCES = Table(
    "alert_silences",
    METADATA,
    *_place_columns(primary_key=True),
    # The alert that was silenced; the silence holds for the next ones of the place, too.
    Column("alert_key", ForeignKey(ALERTS.c.key, ondelete="CASCADE"), nullable=False),
    Column("until_ns", NUMBER, nullable=False),
    Column("silenced_by", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
)

ALERT_EVENTS = Table(
    "alert_events",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("alert_key", ForeignKey(ALERTS.c.key, ondelete="CASCADE"), nullable=False, index=True),
    Column("what", TEXT, nullable=False),
    Column("at_ns", NUMBER, nullable=False),
    Column("who", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
    sqlite_autoincrement=True,
)
"""History of each alert."""

ALERT_OUTBOX = Table(
    "alert_outbox",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("target", TEXT, nullable=False),
    Column("alert_key", TEXT, nullable=False),
    # `ALERT_EVENTS.id`.
    Column("event", NUMBER, nullable=False),
    # As JSON, as it was when the event happened.
    Column("body", TEXT, nullable=False),
    Column("queued_ns", NUMBER, nullable=False),
    Column("not_before_ns", NUMBER, nullable=False),
    sqlite_autoincrement=True,
)
"""Events that are still to be delivered, in order."""
Index("alert_outbox_by_target", ALERT_OUTBOX.c.target, ALERT_OUTBOX.c.id)
