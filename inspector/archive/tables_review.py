"""Tables of the package `inspector.review`, which owns this file: the queue, who holds what, answers, known pieces.

Times are nanoseconds since the Unix epoch; labels and decisions are the numbers of the wire's enums.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from inspector.archive.metadata import BYTES, KEY, METADATA, NUMBER, TEXT, inspection_columns, partial_index

REVIEW_PIECES = Table(
    "review_pieces",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("verdict_key", NUMBER, nullable=False),
    *inspection_columns(),
    Column("decision", Integer, nullable=False),
    # How many people shall look at it: 2 for a second opinion.
    Column("wanted", Integer, nullable=False),
    Column("added_ns", NUMBER, nullable=False),
    # When its recordings were there, so that it can be given out; NULL before.
    Column("ready_ns", NUMBER),
    # When all findings were given, or when it left the queue otherwise; NULL while it is open.
    Column("closed_ns", NUMBER),
    # Why it left: answered, known, no_recordings, or too_old; empty while it is open.
    Column("closed_as", TEXT, nullable=False, server_default=""),
    UniqueConstraint("line", "station", "piece_id", "pass_number"),
    sqlite_autoincrement=True,
)
"""Pieces that people look at. `verdict_key` is the key of the verdict in `verdicts`."""
partial_index(
    "review_pieces_without_recordings", REVIEW_PIECES.c.key, where=text("ready_ns IS NULL AND closed_ns IS NULL")
)

REVIEW_KNOWN = Table(
    "review_known",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("verdict_key", NUMBER, nullable=False),
    *inspection_columns(),
    Column("decision", Integer, nullable=False),
    Column("label", Integer, nullable=False),
    # Defect classes, as a JSON list.
    Column("defects", TEXT, nullable=False),
    Column("added_by", TEXT, nullable=False),
    Column("added_ns", NUMBER, nullable=False),
    # Since when it is given to nobody any more; NULL while it is in use.
    Column("retired_ns", NUMBER),
    UniqueConstraint("line", "station", "piece_id", "pass_number"),
    sqlite_autoincrement=True,
)
"""Pieces whose truth is known, slipped in among the others to score the reviewers."""

REVIEW_SLOTS = Table(
    "review_slots",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("piece_key", ForeignKey(REVIEW_PIECES.c.key)),
    # 0, or 1 for the second opinion.
    Column("slot", Integer, nullable=False),
    # In place of `piece_key` for a known piece.
    Column("known_key", ForeignKey(REVIEW_KNOWN.c.key)),
    # Random: names the piece in the page. NULL before it is given out for the first time.
    Column("token", TEXT),
    Column("reviewer", TEXT),
    Column("lent_ns", NUMBER),
    # From then on another person may get it.
    Column("until_ns", NUMBER),
    # The finding; NULL before it is given.
    Column("label", Integer),
    # Defect classes, as a JSON list.
    Column("defects", TEXT),
    Column("answered_ns", NUMBER),
    # Counts the answers, undone ones included: part of the identity of a finding on the feedback topic.
    Column("attempt", Integer, nullable=False, server_default="0"),
    UniqueConstraint("piece_key", "slot"),
    UniqueConstraint("piece_key", "reviewer"),
    UniqueConstraint("token"),
    sqlite_autoincrement=True,
)
"""One row for each finding that is wanted or was given: who holds the piece, until when, and the answer."""
_S = REVIEW_SLOTS.c
partial_index("review_slots_open", _S.piece_key, where=text("answered_ns IS NULL"))
Index("review_slots_of_reviewer", _S.reviewer, _S.answered_ns)
partial_index("review_slots_of_known", _S.known_key, where=text("known_key IS NOT NULL"))

REVIEW_OUTBOX = Table(
    "review_outbox",
    METADATA,
    # Identity of the finding, as in `Feedback.id`.
    Column("id", TEXT, primary_key=True),
    Column("line", TEXT, nullable=False),
    # The serialised `Feedback`.
    Column("body", BYTES, nullable=False),
    # Not published before: until then an undo leaves no trace.
    Column("due_ns", NUMBER, nullable=False),
    # The process that publishes it has it until then; NULL before the first attempt.
    Column("claimed_until_ns", NUMBER),
    Column("sent_ns", NUMBER),
)
"""Findings on their way to the feedback topic. A row is written with its answer, in one transaction."""
partial_index("review_outbox_unsent", REVIEW_OUTBOX.c.due_ns, where=text("sent_ns IS NULL"))

REVIEW_POSITION = Table(
    "review_position",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("verdict_key", NUMBER, nullable=False),
)
"""Key of the last verdict that was considered for the queue."""
