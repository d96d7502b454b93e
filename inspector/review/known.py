"""Known pieces: their truth was found otherwise, and the answers to them score the reviewers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, exists, insert, select, update

from inspector.archive.database import Database
from inspector.archive.find import PieceRow
from inspector.archive.schema import ID_CONFLICTS
from inspector.archive.tables_recordings import PIECE_RECORDINGS
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_PIECES
from inspector.review.findings import Finding
from inspector.review.queue import close_piece, hold, release
from protos.inspection.v1.records_pb2 import Label

KNOWN_HOLD = "known"
_K, _P, _R = REVIEW_KNOWN.c, REVIEW_PIECES.c, PIECE_RECORDINGS.c


class KnownPieceError(ValueError):
    """The piece cannot be a known one; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class KnownPiece:
    """One known piece as entered."""

    key: int
    verdict_key: int
    line: str
    station: str
    piece_id: str
    pass_number: int
    decision: int
    label: int
    defects: tuple[str, ...]
    added_by: str
    added_ns: int


def was_read_twice(table: Table) -> ColumnElement[bool]:
    """Whether two parts had the id of the row: nobody knows which one people would look at."""
    same = (ID_CONFLICTS.c[name] == table.c[name] for name in ("line", "station", "piece_id", "pass_number"))
    return exists().where(*same)


class KnownPieces:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, piece: PieceRow, truth: Finding, added_by: str, now_ns: int) -> None:
        """Enters a piece, or corrects its truth; it leaves the queue, and retention does not remove it. Raises
        KnownPieceError, StoreError."""
        if truth.label not in (Label.LABEL_OK, Label.LABEL_NOK):
            raise KnownPieceError(f"{piece.piece_id}: its truth is not known; say ok or nok")
        identity = {name: getattr(piece, name) for name in ("line", "station", "piece_id", "pass_number")}
        entered = {"label": truth.label, "defects": truth.defects_json, "added_by": added_by, "added_ns": now_ns}
        same = and_(*(_K[name] == value for name, value in identity.items()))
        with self._database.write() as connection:
            kept = select(_R.key).where(_R.verdict_key == piece.key, _R.sha256.is_not(None)).limit(1)
            if connection.execute(kept).first() is None:
                raise KnownPieceError(f"{piece.piece_id}: no recording of it is kept, so nobody could look at it")
            doubts = (ID_CONFLICTS.c[name] == value for name, value in identity.items())
            if connection.execute(select(ID_CONFLICTS.c.line).where(*doubts)).first() is not None:
                raise KnownPieceError(f"{piece.piece_id}: two parts were read under this id, so its truth is not known")
            changed = connection.execute(update(REVIEW_KNOWN).where(same).values(**entered, retired_ns=None))
            if changed.rowcount == 0:
                values = {**identity, **entered, "verdict_key": piece.key, "decision": piece.decision}
                connection.execute(insert(REVIEW_KNOWN).values(**values))
            hold(connection, piece.key, KNOWN_HOLD, now_ns)
            queued = and_(*(_P[name] == value for name, value in identity.items()), _P.closed_ns.is_(None))
            for row in connection.execute(select(_P.key, _P.verdict_key).where(queued)).all():
                close_piece(connection, row.key, row.verdict_key, "known", now_ns)

    def retire(self, key: int, now_ns: int) -> bool:
        """Gives it to nobody any more; the answers to it still count. False where there is no such piece."""
        with self._database.write() as connection:
            row = connection.execute(
                update(REVIEW_KNOWN)
                .where(_K.key == key, _K.retired_ns.is_(None))
                .values(retired_ns=now_ns)
                .returning(_K.verdict_key)
            ).first()
            if row is not None:
                release(connection, row.verdict_key, KNOWN_HOLD)
        return row is not None

    def all(self) -> Sequence[KnownPiece]:
        """Those in use, in the order of their entry. Raises StoreError."""
        query = select(REVIEW_KNOWN).where(_K.retired_ns.is_(None)).order_by(_K.key)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            KnownPiece(
                **{name: row[name] for name in KnownPiece.__slots__ if name != "defects"},
                defects=tuple(json.loads(row["defects"])),
            )
            for row in rows
        ]
