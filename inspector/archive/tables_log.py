"""Tables of what else the log holds: dead letters as counts, people's findings, deployments."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from inspector.archive.metadata import KEY, METADATA, NUMBER, TEXT, inspection_columns, partial_index

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("line", TEXT, primary_key=True),
    Column("station", TEXT, primary_key=True),
    Column("reason", Integer, primary_key=True, autoincrement=False),
    # Start of the minute of the append times.
    Column("minute_ns", NUMBER, primary_key=True, autoincrement=False),
    Column("count", NUMBER, nullable=False),
    # The detail of the minute's first one.
    Column("example", TEXT, nullable=False),
)
"""How many records could not be used, by station, reason and minute."""
Index("dead_letters_by_minute", DEAD_LETTERS.c.minute_ns)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("topic_id", ForeignKey("topics.id"), nullable=False),
    Column("partition", NUMBER, nullable=False),
    Column("offset", NUMBER, nullable=False),
    *inspection_columns(),
    Column("label", Integer, nullable=False),
    # Defect classes, as a JSON list.
    Column("defects", TEXT, nullable=False),
    Column("author", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
    Column("given_ns", NUMBER, nullable=False),
    Column("append_ns", NUMBER, nullable=False),
    # Identity of the finding; empty where the author gave none.
    Column("id", TEXT, nullable=False, server_default=""),
    # How the author's name was proven; empty for a name that nobody has proven.
    Column("author_proof", TEXT, nullable=False, server_default=""),
    UniqueConstraint("topic_id", "partition", "offset", "append_ns"),
    sqlite_autoincrement=True,
)
"""People's findings about pieces, as on the feedback topic. They may come before their verdict."""
Index("feedback_by_piece", FEEDBACK.c.piece_id, FEEDBACK.c.given_ns)
Index("feedback_by_time", FEEDBACK.c.append_ns)
# Of one author: the id of another person's finding must not keep it out.
partial_index(
    "feedback_once_id", FEEDBACK.c.author_proof, FEEDBACK.c.author, FEEDBACK.c.id, unique=True, where=text("id <> ''")
)

DEPLOYMENTS = Table(
    "deployments",
    METADATA,
    Column("line", TEXT, primary_key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("recipe", TEXT, nullable=False),
    Column("folder", TEXT, nullable=False),
    Column("bundle", TEXT, nullable=False),
    Column("version", TEXT, nullable=False),
    Column("digest", TEXT, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("share", Float(53), nullable=False),
    # Stations of a canary, as a JSON list.
    Column("stations", TEXT, nullable=False),
    Column("deployed_ns", NUMBER, nullable=False),
    Column("deployed_by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("rolls_back", NUMBER, nullable=False),
    Column("previous", NUMBER, nullable=False),
    Column("withdrawn", TEXT, nullable=False),
    Column("append_ns", NUMBER, nullable=False),
)
"""Deployments, by their last records on the control topics."""
