"""Reads from the archive the pieces that people spoke about, with everything that a data set needs of them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, select, true

from inspector.archive.database import Database
from inspector.archive.rows import KeptFeedback, PieceFilter
from inspector.archive.schema import ID_CONFLICTS, VERDICTS
from inspector.archive.tables_log import FEEDBACK
from inspector.archive.tables_review import REVIEW_KNOWN
from streams.observation import InspectionId

_IDENTITY = ("line", "station", "piece_id", "pass_number")
_AT_ONCE = 500
"""Pieces looked up by one statement."""
_V, _F = VERDICTS.c, FEEDBACK.c


@dataclass(frozen=True, slots=True)
class SpokenAbout:
    """A piece with all that people said about it."""

    key: int
    """Of its newest verdict."""
    inspection: InspectionId
    product: str
    lot: str
    decision: int
    entry_ns: int
    findings: tuple[KeptFeedback, ...]
    is_known: bool
    """A known piece: it measures people, and is no piece to learn from."""
    was_read_twice: bool
    """Two parts had this id: nobody knows which one people looked at."""
    num_unproven: int = 0
    """Findings that do not count, for nobody has proven the name under them."""


def spoken_about(database: Database, piece_filter: PieceFilter, *, proven_only: bool = False) -> list[SpokenAbout]:
    """By entry time; with `proven_only` only findings under a proven name count. Raises StoreError."""
    with database.read() as connection:
        findings = _findings(connection, piece_filter)
        known, conflicts = _identities(connection, REVIEW_KNOWN), _identities(connection, ID_CONFLICTS)
        return [
            SpokenAbout(
                row["key"], inspection, row["product"], row["lot"], row["decision"], row["entry_ns"],
                tuple(counted), inspection in known, inspection in conflicts, len(findings[inspection]) - len(counted),
            )
            for row, inspection in _newest_verdicts(connection, findings)
            for counted in [[each for each in findings[inspection] if each.author_proof or not proven_only]]
        ]  # fmt: skip


def _findings(connection: Connection, piece_filter: PieceFilter) -> Mapping[InspectionId, list[KeptFeedback]]:
    columns = [
        _F[name] for name in (*_IDENTITY, "label", "defects", "author", "note", "given_ns", "append_ns", "author_proof")
    ]
    query = select(*columns).where(_in_filter(piece_filter)).distinct().order_by(_F.given_ns)
    query = query.join(VERDICTS, and_(*(_F[name] == _V[name] for name in _IDENTITY)))
    by_piece: dict[InspectionId, list[KeptFeedback]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        by_piece[_inspection(row)].append(_feedback(row))
    return by_piece


def _in_filter(piece_filter: PieceFilter) -> ColumnElement[bool]:
    terms = [
        _V[name] == getattr(piece_filter, name)
        for name in ("line", "station", "product", "lot")
        if getattr(piece_filter, name)
    ]
    if piece_filter.since_ns is not None:
        terms.append(_V.entry_ns >= piece_filter.since_ns)
    if piece_filter.until_ns is not None:
        terms.append(_V.entry_ns < piece_filter.until_ns)
    return and_(true(), *terms)


def _newest_verdicts(
    connection: Connection, findings: Mapping[InspectionId, Sequence[KeptFeedback]]
) -> Iterator[tuple[RowMapping, InspectionId]]:
    columns = [_V[name] for name in ("key", *_IDENTITY, "product", "lot", "decision", "entry_ns")]
    newest: dict[InspectionId, RowMapping] = {}
    ids = sorted({inspection.piece_id for inspection in findings})
    for start in range(0, len(ids), _AT_ONCE):
        query = select(*columns).where(_V.piece_id.in_(ids[start : start + _AT_ONCE])).order_by(_V.key)
        for row in connection.execute(query).mappings():
            if _inspection(row) in findings:
                newest[_inspection(row)] = row
    for inspection, row in sorted(newest.items(), key=lambda item: (item[1]["entry_ns"], item[0])):
        yield row, inspection


def _identities(connection: Connection, table: Table) -> set[InspectionId]:
    return {InspectionId(*row) for row in connection.execute(select(*(table.c[name] for name in _IDENTITY)))}


def _inspection(row: RowMapping) -> InspectionId:
    return InspectionId(*(row[name] for name in _IDENTITY))


def _feedback(row: RowMapping) -> KeptFeedback:
    values = {name: row[name] for name in ("label", "author", "note", "given_ns", "append_ns", "author_proof")}
    return KeptFeedback(**values, defects=tuple(json.loads(row["defects"])))
