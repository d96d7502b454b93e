"""Reads and writes the rows of kept recordings."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import Connection, select, update

from inspector.archive.database import Database
from inspector.archive.dialect import insert
from inspector.archive.metadata import stored_text
from inspector.archive.recordings.files import RecordingFile
from inspector.archive.recordings.missing import MissingInput
from inspector.archive.schema import VERDICTS
from inspector.archive.tables_recordings import KEEPERS, KEPT_PIECES, PIECE_RECORDINGS, RECORDING_OBJECTS
from streams.observation import InspectionId

NAME = "recordings"
_MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verdict whose recordings may be kept."""

    key: int
    recipe: str
    decision: int
    entry_ns: int
    append_ns: int
    inspection: InspectionId


@dataclass(frozen=True, slots=True, eq=False)
class KeptFile:
    """A file that is in the object store. Holds no content: many wait for one transaction."""

    source: str
    sequence: int
    kind: str
    format: str
    detail: str
    digest: str
    num_bytes: int

    @classmethod
    def of(cls, file: RecordingFile, digest: str) -> Self:
        return cls(file.source, file.sequence, file.kind, file.format, file.detail, digest, len(file.content))


@dataclass(frozen=True, slots=True, eq=False)
class KeptPiece:
    """A piece and what could be kept of it."""

    candidate: Candidate
    files: Sequence[KeptFile] = ()
    missing: Sequence[MissingInput] = field(default_factory=tuple)

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)


class Conflict(Exception):  # noqa: N818 - no error: somebody else did the work
    """Another process has kept these pieces."""


class RecordingRows:
    """All methods raise StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def done_key(self) -> int:
        """Key of the last verdict that was looked at."""
        query = select(KEEPERS.c.done_key).where(KEEPERS.c.name == NAME)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def candidates(self, after: int, limit: int) -> list[Candidate]:
        """The next verdicts, in the order in which the archive stored them."""
        table = VERDICTS.c
        query = (
            select(table.key, table.recipe, table.decision, table.entry_ns, table.append_ns, table.line,
                   table.station, table.piece_id, table.pass_number)
            .where(table.key > after).order_by(table.key).limit(limit)
        )  # fmt: skip
        with self._database.read() as connection:
            return [Candidate(*row[:5], InspectionId(*row[5:])) for row in connection.execute(query)]

    def keep(self, pieces: Sequence[KeptPiece], before: int, done: int) -> None:
        """Stores the rows of pieces and moves on from the verdict `before` to `done`, in one transaction.

        Raises Conflict where another process was faster; nothing is stored then.
        """
        now_ns = time.time_ns()
        with self._database.write(grows=True) as connection:
            self._move(connection, before, done, now_ns)
            for piece in pieces:
                if self._is_there(connection, piece.candidate.key):  # retention may have removed the verdict meanwhile
                    self._store(connection, piece, now_ns)

    def _move(self, connection: Connection, before: int, done: int, now_ns: int) -> None:
        values = {"done_key": done, "updated_ns": now_ns}
        if before == 0:
            row = insert(connection, KEEPERS).values(name=NAME, **{**values, "done_key": 0}).on_conflict_do_nothing()
            connection.execute(row)
        moved = connection.execute(
            update(KEEPERS).where(KEEPERS.c.name == NAME, KEEPERS.c.done_key == before).values(values)
        )
        if moved.rowcount == 0:
            raise Conflict(f"the recordings of verdicts behind {before} are kept by another process")

    def _is_there(self, connection: Connection, key: int) -> bool:
        return connection.execute(select(VERDICTS.c.key).where(VERDICTS.c.key == key)).first() is not None

    def _store(self, connection: Connection, piece: KeptPiece, now_ns: int) -> None:
        for file in piece.files:
            values = {"sha256": file.digest, "kind": file.format, "bytes": file.num_bytes}
            row = insert(connection, RECORDING_OBJECTS).values(**values, stored_ns=now_ns)
            renewed = {"stored_ns": now_ns}
            connection.execute(row.on_conflict_do_update(index_elements=[RECORDING_OBJECTS.c.sha256], set_=renewed))
        rows = [*map(_file_row, piece.files), *map(_missing_row, piece.missing)]
        key = piece.candidate.key
        if rows:
            connection.execute(
                insert(connection, PIECE_RECORDINGS).on_conflict_do_nothing(),
                [{**row, "verdict_key": key, "stored_ns": now_ns} for row in rows],
            )
        if piece.files:
            connection.execute(
                insert(connection, KEPT_PIECES).on_conflict_do_nothing(),
                {"verdict_key": key, "recipe": piece.candidate.recipe, "decision": piece.candidate.decision,
                 "entry_ns": piece.candidate.entry_ns, "bytes": piece.num_bytes},
            )  # fmt: skip


def _file_row(file: KeptFile) -> dict[str, object]:
    return {
        "source": stored_text(file.source),
        "sequence": file.sequence,
        "kind": file.kind,
        "sha256": file.digest,
        "absent": "",
        "detail": file.detail,
    }


def _missing_row(missing: MissingInput) -> dict[str, object]:
    return {
        "source": stored_text(missing.source),
        "sequence": missing.sequence,
        "kind": stored_text(missing.kind),
        "sha256": None,
        "absent": missing.why.value,
        "detail": json.dumps({"cause": stored_text(missing.detail, _MAX_DETAIL)} if missing.detail else {}),
    }
