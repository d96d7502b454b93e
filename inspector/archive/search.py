"""Finds pages of verdicts by a filter, newest entry first, each by an index that holds them in this order.

Each page starts behind the last row of the one before: an offset would read all earlier pages again. The conditions
that the chosen index does not serve are checked row by row.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, Row, select, tuple_

from inspector.archive.plan import Terms, branches
from inspector.archive.rows import PieceFilter, PieceRow
from inspector.archive.schema import VERDICTS

_T = VERDICTS.c
PIECE_COLUMNS = (
    _T.key, _T.line, _T.station, _T.piece_id, _T.pass_number, _T.product, _T.lot, _T.decision, _T.reason,
    _T.defect_class, _T.score, _T.bundle, _T.bundle_digest, _T.deployment, _T.route, _T.cost_ms, _T.deadline_missed,
    _T.entry_ns, _T.capture_ns, _T.decision_ns, _T.append_ns, _T.pass_below, _T.fail_above,
)  # fmt: skip
"""In the order of the fields of `PieceRow`."""


def search(connection: Connection, piece_filter: PieceFilter, before: int | None, limit: int) -> list[PieceRow]:
    """At most `limit` rows, newest entry first, behind the row `before`."""
    start = None if before is None else _place(connection, before)
    if before is not None and start is None:
        return []
    rows = [row for terms in branches(connection, piece_filter) for row in _page(connection, terms, start, limit)]
    rows.sort(key=lambda row: (row.entry_ns, row.key), reverse=True)
    return rows[:limit]


def piece_row(row: Row[*tuple[object, ...]]) -> PieceRow:
    """Of a row of `PIECE_COLUMNS`."""
    return PieceRow(*row)  # type: ignore[arg-type]  # the columns are its fields, in their order


def _place(connection: Connection, key: int) -> tuple[int, int] | None:
    """Where a page begins; where that row was removed since, at the nearest one that was stored before it."""
    query = select(_T.entry_ns, _T.key).where(_T.key <= key).order_by(_T.key.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else (row.entry_ns, row.key)


def _page(connection: Connection, terms: Terms, start: tuple[int, int] | None, limit: int) -> Iterator[PieceRow]:
    conditions = [*terms.by_index, *terms.others]
    if start is not None:
        conditions.append(tuple_(_T.entry_ns, _T.key) < tuple_(*start))
    newest = (_T.entry_ns.desc(), _T.key.desc())
    if not terms.is_in_order:  # only those of the page are read as a whole
        conditions = [_T.key.in_(select(_T.key).where(*conditions).order_by(*newest).limit(limit))]
    query = select(*PIECE_COLUMNS).where(*conditions).order_by(*newest).limit(limit)
    return (piece_row(row) for row in connection.execute(query))
