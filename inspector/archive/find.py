"""Looks up pieces in the archive: the read interface of page, review desk, alerts and command line."""

import json
from collections.abc import Collection
from threading import BoundedSemaphore

from sqlalchemy import ColumnElement, RowMapping, and_, func, select

from inspector.archive.body import StoredVerdict, unpack
from inspector.archive.database import Database
from inspector.archive.limited import in_turn
from inspector.archive.metadata import stored_text
from inspector.archive.rows import KeptFeedback, KeptRecording, MadeWhere, PieceFilter, PieceRow
from inspector.archive.schema import HEAT_MAPS, ID_CONFLICTS, STATIONS, VERDICT_BODIES, VERDICTS
from inspector.archive.search import PIECE_COLUMNS, piece_row, search
from inspector.archive.tables_log import FEEDBACK
from inspector.archive.tables_recordings import PIECE_RECORDINGS, RECORDING_OBJECTS
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import InspectionId

__all__ = ["Archive", "KeptFeedback", "KeptRecording", "MadeWhere", "NotInArchiveError", "PieceFilter", "PieceRow"]

MAX_LIMIT = 1000
"""Rows of one page at most."""
MAX_SEARCHES = 4
"""Searches at the same time, so that other reads have connections left."""
SEARCH_WAIT_S = 1.0
"""How long a search waits for its turn."""


class NotInArchiveError(Exception):
    """No verdict has this key: retention removed it, or it never was here."""


class Archive:
    """Reads; never writes. Safe for several threads. Every method raises StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._searches = BoundedSemaphore(MAX_SEARCHES)

    def find(self, piece_filter: PieceFilter, before: int | None = None, limit: int = 100) -> list[PieceRow]:
        """Newest entry first, at most `MAX_LIMIT` rows; `before` is the key of the last row of the page before."""
        with in_turn(self._searches, SEARCH_WAIT_S), self._database.read() as connection:
            return search(connection, piece_filter, before, min(limit, MAX_LIMIT))

    def row(self, key: int) -> PieceRow:
        """Raises NotInArchiveError."""
        with self._database.read() as connection:
            row = connection.execute(select(*PIECE_COLUMNS).where(VERDICTS.c.key == key)).first()
        if row is None:
            raise _not_here(key)
        return piece_row(row)

    def verdict(self, key: int) -> Verdict:
        """The whole verdict, with heat maps. Raises NotInArchiveError, BodyError."""
        with self._database.read() as connection:
            body = connection.execute(
                select(VERDICT_BODIES.c.body).where(VERDICT_BODIES.c.verdict_key == key)
            ).scalar_one_or_none()
            if body is None:
                raise _not_here(key)
            maps = connection.execute(
                select(HEAT_MAPS.c.image, HEAT_MAPS.c.png).where(HEAT_MAPS.c.verdict_key == key)
            ).all()
        return unpack(StoredVerdict(body, {row.image: row.png for row in maps}))

    def by_inspection(self, inspection: InspectionId) -> PieceRow | None:
        """The newest verdict of this inspection."""
        query = select(*PIECE_COLUMNS).where(is_inspection(inspection)).order_by(VERDICTS.c.key.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else piece_row(row)

    def read_twice(self, inspections: Collection[InspectionId]) -> set[InspectionId]:
        """Those under whose id a second part was read: their verdict may be about either part."""
        table = ID_CONFLICTS.c
        pieces = {stored_text(inspection.piece_id) for inspection in inspections}
        query = select(table.line, table.station, table.piece_id, table.pass_number).where(table.piece_id.in_(pieces))
        with self._database.read() as connection:
            conflicts = {InspectionId(*row) for row in connection.execute(query)}
        return conflicts.intersection(inspections)

    def recordings(self, key: int) -> list[KeptRecording]:
        """The recordings that the piece was judged on, by source and sequence."""
        table, files = PIECE_RECORDINGS.c, RECORDING_OBJECTS.c
        query = (
            select(table.source, table.sequence, table.kind, table.sha256,
                   func.coalesce(files.kind, "").label("format"), func.coalesce(files.bytes, 0).label("num_bytes"),
                   table.stored_ns, table.absent, table.detail)
            .select_from(PIECE_RECORDINGS.outerjoin(RECORDING_OBJECTS))
            .where(table.verdict_key == key)
            .order_by(table.source, table.sequence)
        )  # fmt: skip
        with self._database.read() as connection:
            return [KeptRecording(**row) for row in connection.execute(query).mappings()]

    def feedback(self, key: int) -> list[KeptFeedback]:
        """People's findings about the piece, oldest first."""
        feedback = FEEDBACK.c
        query = (
            select(feedback.label, feedback.defects, feedback.author, feedback.note, feedback.given_ns,
                   feedback.append_ns, feedback.author_proof)
            .join(VERDICTS, and_(*(FEEDBACK.c[name] == VERDICTS.c[name] for name in _INSPECTION)))
            .where(VERDICTS.c.key == key)
            .order_by(FEEDBACK.c.given_ns, FEEDBACK.c.key)
        )  # fmt: skip
        with self._database.read() as connection:
            return [_feedback(row) for row in connection.execute(query).mappings()]

    def stations(self) -> list[MadeWhere]:
        """Every line, station and product that the archive has pieces of."""
        query = select(STATIONS).order_by(STATIONS.c.line, STATIONS.c.station, STATIONS.c.product)
        with self._database.read() as connection:
            return [MadeWhere(*row) for row in connection.execute(query)]


_INSPECTION = ("line", "station", "piece_id", "pass_number")


def is_inspection(inspection: InspectionId) -> ColumnElement[bool]:
    """Looked up by the piece: with `|| ''` no database takes the index of line and station, which leaves half of all
    pieces to be read (at 10^6 verdicts 950 ms in place of 1 ms)."""
    line, station, piece_id, pass_number = inspection
    table = VERDICTS.c
    return and_(
        table.piece_id == stored_text(piece_id),
        table.line.concat("") == stored_text(line),
        table.station.concat("") == stored_text(station),
        table.pass_number == pass_number,
    )


def _not_here(key: int) -> NotInArchiveError:
    return NotInArchiveError(f"the archive has no verdict {key}: it was removed by age, or never stored")


def _feedback(row: RowMapping) -> KeptFeedback:
    return KeptFeedback(**{**row, "defects": tuple(json.loads(row["defects"]))})
