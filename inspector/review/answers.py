"""Takes the answers of reviewers, and takes them back. An answer and its record for the feedback topic are written in
one transaction. Answers to known pieces are kept here only, for they say nothing new about the piece; they take the
same steps, so that no time tells them: their record is empty, and there is no piece of the queue to settle."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, literal, select, update

from inspector.archive.database import Database
from inspector.archive.dialect import insert as upsert
from inspector.archive.metadata import NUMBER
from inspector.archive.schema import HOLDS
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_OUTBOX, REVIEW_PIECES, REVIEW_SLOTS
from inspector.review.findings import Finding, feedback
from inspector.review.outbox import NOT_PUBLISHED
from inspector.review.queue import close_piece
from inspector.review.settings import ReviewSettings
from protos.inspection.v1.records_pb2 import Label
from streams.observation import InspectionId

_S, _P, _K, _O = REVIEW_SLOTS.c, REVIEW_PIECES.c, REVIEW_KNOWN.c, REVIEW_OUTBOX.c


_NO_PIECE = 0
"""A key that no piece of the queue has: stands for a known piece in statements about the queue."""


class NotHeldError(Exception):
    """The reviewer does not hold this piece (any more); the message says what to do."""


class _Slot(NamedTuple):
    """A row of REVIEW_SLOTS that a person has or had."""

    key: int
    piece_key: int | None
    known_key: int | None
    attempt: int
    label: int | None
    defects: str | None
    answered_ns: int | None
    token: str
    reviewer: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a reviewer answered a piece, so far."""

    verdict_key: int
    label: int | None
    """None while it is not answered."""
    defects: tuple[str, ...] = ()


_SLOTS = select(*(_S[name] for name in _Slot._fields))


class Answers:
    def __init__(self, database: Database, settings: ReviewSettings) -> None:
        self._database, self._settings = database, settings

    def answer(self, reviewer: str, token: str, finding: Finding, now_ns: int) -> None:
        """Keeps the answer, durably. The same answer again changes nothing. Raises NotHeldError, StoreError."""
        with self._database.write() as connection:
            slot = _slot(connection, reviewer, token)
            if slot is None:
                raise NotHeldError("the piece was not answered in time and went to somebody else: go on with the next")
            if slot.answered_ns is not None:
                _demand_same(slot, finding)
                return
            values = {"label": finding.label, "defects": finding.defects_json, "answered_ns": now_ns}
            attempt = slot.attempt + 1
            connection.execute(update(REVIEW_SLOTS).where(_S.key == slot.key).values(**values, attempt=attempt))
            self._publish_later(connection, slot, finding, f"{token}.{attempt}", now_ns)
            self._settle(connection, slot.piece_key or _NO_PIECE, finding, now_ns)

    def standing(self, reviewer: str, token: str) -> Standing | None:
        """None where the token is not the reviewer's. Raises StoreError."""
        with self._database.read() as connection:
            return _standing(connection, _slot(connection, reviewer, token, lock=False))

    def last(self, reviewer: str, now_ns: int) -> Standing | None:
        """What an undo would take back. Raises StoreError."""
        with self._database.read() as connection:
            earliest_ns = now_ns - round(self._settings.undo_s * 1e9)
            return _standing(connection, _last_answered(connection, reviewer, earliest_ns, lock=False))

    def undo(self, reviewer: str, now_ns: int) -> bool:
        """Gives the piece of the reviewer's last answer back to them; False where there is none to undo. Raises
        StoreError."""
        earliest_ns = now_ns - round(self._settings.undo_s * 1e9)
        with self._database.write() as connection:
            slot = _last_answered(connection, reviewer, earliest_ns)
            if slot is None:
                return False
            until_ns = now_ns + round(self._settings.lease_s * 1e9)
            values = {"label": None, "defects": None, "answered_ns": None, "until_ns": until_ns}
            connection.execute(update(REVIEW_SLOTS).where(_S.key == slot.key).values(**values))
            self._take_back(connection, slot, now_ns)
        return True

    def _publish_later(
        self, connection: Connection, slot: _Slot, finding: Finding, identity: str, now_ns: int, delay: bool = True
    ) -> None:
        inspection = _inspection(connection, slot)
        record = feedback(inspection, finding, slot.reviewer, now_ns, identity).SerializeToString()
        due_ns = now_ns + (round(self._settings.publish_after_s * 1e9) if delay else 0)
        body = NOT_PUBLISHED if slot.piece_key is None else record
        row = {"id": identity, "line": inspection.line, "body": body, "due_ns": due_ns}
        connection.execute(insert(REVIEW_OUTBOX).values(**row))

    def _settle(self, connection: Connection, piece_key: int, finding: Finding, now_ns: int) -> None:
        """Closes the piece after its last answer, or asks a second person where the only one does not know."""
        query = select(_P.verdict_key, _P.wanted).where(_P.key == piece_key).with_for_update()
        verdict_key, num_opinions = connection.execute(query).one_or_none() or (_NO_PIECE, 1)
        if finding.label == Label.LABEL_UNSURE and num_opinions == 1 and self._settings.second_after_unsure:
            ask_second(connection, piece_key)
            return
        still_open = exists().where(_S.piece_key == piece_key, _S.answered_ns.is_(None))
        if not connection.execute(select(still_open)).scalar_one():
            close_piece(connection, piece_key, verdict_key, "answered", now_ns)

    def _take_back(self, connection: Connection, slot: _Slot, now_ns: int) -> None:
        """The piece is open again. A finding that was published, or may be on its way, is withdrawn by another one."""
        _open_again(connection, slot.piece_key or _NO_PIECE, now_ns)
        identity = f"{slot.token}.{slot.attempt}"
        unsent = delete(REVIEW_OUTBOX).where(_O.id == identity, _O.claimed_until_ns.is_(None), _O.sent_ns.is_(None))
        if connection.execute(unsent).rowcount == 0:
            withdrawn = Finding(Label.LABEL_WITHDRAWN)
            self._publish_later(connection, slot, withdrawn, f"{identity}.withdrawn", now_ns, delay=False)


def ask_second_opinion(connection: Connection, inspection: InspectionId, now_ns: int) -> bool:
    """Has one more person look at a piece of the queue, which opens again where it is closed; False where it is none,
    or two people look at it already."""
    is_this = [_P[name] == value for name, value in zip(inspection._fields, inspection, strict=True)]
    one_opinion = select(_P.key).where(*is_this, _P.wanted == 1, _P.ready_ns.is_not(None))
    piece = connection.execute(one_opinion.with_for_update()).one_or_none()
    if piece is None:
        return False
    ask_second(connection, piece.key)
    _open_again(connection, piece.key, now_ns)
    return True


def ask_second(connection: Connection, piece_key: int) -> None:
    """Wants the finding of one more person, who has not seen the piece."""
    connection.execute(update(REVIEW_PIECES).where(_P.key == piece_key).values(wanted=2))
    second = select(_P.key, literal(1)).where(_P.key == piece_key)
    connection.execute(insert(REVIEW_SLOTS).from_select(["piece_key", "slot"], second))


def _open_again(connection: Connection, piece_key: int, now_ns: int) -> None:
    """Retention must leave the piece, as before its answer."""
    connection.execute(update(REVIEW_PIECES).where(_P.key == piece_key).values(closed_ns=None, closed_as=""))
    held = select(_P.verdict_key, literal("review"), literal(""), literal(now_ns, NUMBER)).where(_P.key == piece_key)
    statement = upsert(connection, HOLDS).from_select(["verdict_key", "holder", "name", "since_ns"], held)
    connection.execute(statement.on_conflict_do_nothing())


def _slot(connection: Connection, reviewer: str, token: str, *, lock: bool = True) -> _Slot | None:
    return _first(connection, _S.token == token, _S.reviewer == reviewer, lock=lock)


def _last_answered(connection: Connection, reviewer: str, earliest_ns: int, *, lock: bool = True) -> _Slot | None:
    return _first(connection, _S.reviewer == reviewer, _S.answered_ns >= earliest_ns, lock=lock)


def _first(connection: Connection, *terms: ColumnElement[bool], lock: bool) -> _Slot | None:
    """The one that was answered last."""
    query = _SLOTS.where(*terms).order_by(_S.answered_ns.desc(), _S.key.desc()).limit(1)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _Slot(*row)


def _standing(connection: Connection, slot: _Slot | None) -> Standing | None:
    if slot is None:
        return None
    in_queue, known = select(_P.verdict_key).join(REVIEW_SLOTS), select(_K.verdict_key).join(REVIEW_SLOTS)
    query = (in_queue if slot.piece_key is not None else known).where(_S.key == slot.key)
    key = connection.execute(query).scalar_one()
    return Standing(key, slot.label, tuple(json.loads(slot.defects or "[]")))


def _demand_same(slot: _Slot, finding: Finding) -> None:
    if (slot.label, slot.defects) != (finding.label, finding.defects_json):
        raise NotHeldError("the piece was answered before, and differently: undo that answer to change it")


def _inspection(connection: Connection, slot: _Slot) -> InspectionId:
    pieces, key = (_P, slot.piece_key) if slot.known_key is None else (_K, slot.known_key)
    columns = (pieces.line, pieces.station, pieces.piece_id, pieces.pass_number)
    return InspectionId(*connection.execute(select(*columns).where(pieces.key == key)).one())


def num_answers(connection: Connection, reviewer: str, since_ns: int) -> dict[int, int]:
    """How often the reviewer gave each label, known pieces included."""
    theirs = (_S.reviewer == reviewer, _S.answered_ns >= since_ns)
    query = select(_S.label, func.count()).where(*theirs).group_by(_S.label)
    return {int(label): int(count) for label, count in connection.execute(query)}
