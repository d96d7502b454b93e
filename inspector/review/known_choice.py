"""Chooses the known piece that comes before a piece of the queue: one that looks like it in everything that the page
shows, so that nothing tells which of both is known."""

import secrets

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from inspector.archive.schema import VERDICTS
from inspector.archive.tables_recordings import PIECE_RECORDINGS
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_SLOTS
from inspector.review.known import was_read_twice

_S, _K, _V = REVIEW_SLOTS.c, REVIEW_KNOWN.c, VERDICTS.c
ALIKE = ("line", "station", "product", "decision", "reason")
"""Columns of a verdict that a person sees, or may guess from what they see."""


def known_like(connection: Connection, verdict_key: int, reviewer: str, rest_ns: int, now_ns: int) -> int | None:
    """Key of a known piece that looks like the piece of the verdict, that nobody else holds, and that the reviewer did
    not get for `rest_ns`; drawn from those that were given to them least. None where there is none."""
    num_given, given_to_reviewer = func.count(_S.key), and_(_S.known_key == _K.key, _S.reviewer == reviewer)
    piece = VERDICTS.alias("piece")
    query = (
        select(_K.key, num_given.label("num_given"))
        .join_from(REVIEW_KNOWN, REVIEW_SLOTS, given_to_reviewer, isouter=True)
        .join(VERDICTS, _V.key == _K.verdict_key)
        .join(piece, and_(piece.c.key == verdict_key, *(piece.c[name] == _V[name] for name in ALIKE)))
        .where(_K.retired_ns.is_(None), ~was_read_twice(REVIEW_KNOWN), ~_held_by_another(reviewer))
        .where(*_same_recordings(verdict_key))
        .group_by(_K.key)
        .having(or_(num_given == 0, func.max(_S.lent_ns) < now_ns - rest_ns))
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    least = min(row.num_given for row in rows)
    return int(secrets.choice([row.key for row in rows if row.num_given == least]))


def _held_by_another(reviewer: str) -> ColumnElement[bool]:
    """Two people who sit next to each other never have the same piece, as with all others."""
    held = REVIEW_SLOTS.alias("held").c
    return exists().where(
        held.known_key == _K.key, held.reviewer != reviewer, held.answered_ns.is_(None), held.token.is_not(None)
    )


def _same_recordings(verdict_key: int) -> tuple[ColumnElement[bool], ...]:
    """As many pictures of each camera, and the same sensors: a line that got a camera since shows nothing of it."""
    known, piece = PIECE_RECORDINGS.alias("of_known").c, PIECE_RECORDINGS.alias("of_piece").c
    of_known = (known.verdict_key == _K.verdict_key, known.sha256.is_not(None))
    of_piece = (piece.verdict_key == verdict_key, piece.sha256.is_not(None))
    same = (known[name] == piece[name] for name in ("source", "sequence", "kind"))
    num_piece = select(func.count(piece.key)).where(*of_piece).scalar_subquery()
    num_known = select(func.count(known.key)).where(*of_known).scalar_subquery()
    num_both = select(func.count(known.key)).where(*of_known, *of_piece, *same).scalar_subquery()
    return num_known == num_piece, num_both == num_piece
