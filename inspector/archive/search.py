"""Finds pages of verdicts by a filter, newest entry first, each by an index that holds them in this order.

Each page starts behind the last row of the one before: an offset would read all earlier pages again. The conditions
that the chosen index does not serve are checked row by row.

PostgreSQL chooses its indexes itself, by estimates that ignore how rows of a product or a class come in blocks. The
order in which the rows are asked for leaves it one index. And it reads rows one after the other, each from the disk
where many are scattered: these are looked up together, so that it asks for them all at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Row, Select, and_, any_, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from inspector.archive.plan import Condition, Terms, branches
from inspector.archive.rows import PieceFilter, PieceRow
from inspector.archive.schema import VERDICTS

_T = VERDICTS.c
PIECE_COLUMNS = (
    _T.key, _T.line, _T.station, _T.piece_id, _T.pass_number, _T.product, _T.lot, _T.decision, _T.reason,
    _T.defect_class, _T.score, _T.bundle, _T.bundle_digest, _T.deployment, _T.route, _T.cost_ms, _T.deadline_missed,
    _T.entry_ns, _T.capture_ns, _T.decision_ns, _T.append_ns, _T.pass_below, _T.fail_above,
)  # fmt: skip
"""In the order of the fields of `PieceRow`."""


_NEWEST = (_T.entry_ns.desc(), _T.key.desc())
_FIRST, _LAST = -(2**63), 2**63 - 1
_NOBODY = _T.key == -1
"""With it beside other conditions, PostgreSQL finds all rows first and then reads them, many at once."""


class _Moment(NamedTuple):
    """Where a row stands in the order of pages."""

    entry_ns: int
    key: int


class _Span(NamedTuple):
    """The rows from `first` on, before `end`."""

    first: _Moment
    end: _Moment

    def conditions(self) -> list[Condition]:
        """The time alone says the beginning once more: an index is read up to there, and the number of rows estimated
        by it."""
        row = tuple_(_T.entry_ns, _T.key)
        behind = [] if self.first.key == 0 else [row >= tuple_(*self.first)]
        return [_T.entry_ns >= self.first.entry_ns, *behind, row < tuple_(*self.end)]


def search(connection: Connection, piece_filter: PieceFilter, before: int | None, limit: int) -> list[PieceRow]:
    """At most `limit` rows, newest entry first, behind the row `before`."""
    start = None if before is None else _place(connection, before)
    if before is not None and start is None:
        return []
    span, found = _span(piece_filter, start), branches(connection, piece_filter)
    if connection.dialect.name == "sqlite":
        queries = [_by_chosen(terms, span, limit) for terms in found]
    else:
        queries = [_in_order(terms, span, limit) for terms in found if not terms.is_scattered]
        queries += _together(connection, [terms for terms in found if terms.is_scattered], span, limit)
    rows = [piece_row(row) for query in queries for row in connection.execute(query)]
    rows.sort(key=lambda row: (row.entry_ns, row.key), reverse=True)
    return rows[:limit]


def piece_row(row: Row[*tuple[object, ...]]) -> PieceRow:
    """Of a row of `PIECE_COLUMNS`."""
    return PieceRow(*row)  # type: ignore[arg-type]  # the columns are its fields, in their order


def _place(connection: Connection, key: int) -> _Moment | None:
    """Where a page begins; where that row was removed since, at the nearest one that was stored before it."""
    query = select(_T.entry_ns, _T.key).where(_T.key <= key).order_by(_T.key.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _Moment(row.entry_ns, row.key)


def _span(piece_filter: PieceFilter, start: _Moment | None) -> _Span:
    first = _Moment(_FIRST if piece_filter.since_ns is None else piece_filter.since_ns, 0)
    end = _Moment(_LAST if piece_filter.until_ns is None else piece_filter.until_ns, 0)
    return _Span(first, end if start is None else min(end, start))


def _by_chosen(terms: Terms, span: _Span, limit: int) -> Select[*tuple[object, ...]]:
    """For SQLite, which sees conditions of the chosen index only."""
    conditions = [*terms.by_index, *terms.others, *span.conditions()]
    if terms.ranges:  # only those of the page are read as a whole
        conditions = [_T.key.in_(select(_T.key).where(*conditions).order_by(*_NEWEST).limit(limit))]
    return select(*PIECE_COLUMNS).where(*conditions).order_by(*_NEWEST).limit(limit)


def _in_order(terms: Terms, span: _Span, limit: int) -> Select[*tuple[object, ...]]:
    return _ordered(select(*PIECE_COLUMNS), terms, span).limit(limit)


def _ordered(query: Select[*tuple[object, ...]], terms: Terms, span: _Span) -> Select[*tuple[object, ...]]:
    """Sorted by the first column of the index too, which PostgreSQL must not know to be the same in all rows: else it
    may walk the index of the time."""
    query = query.where(*terms.repeated, *terms.ranges, *terms.others, *span.conditions())
    for place, (column, value) in enumerate(terms.leads):
        if place == 0:
            one = literal([value], ARRAY(column.type))
            query = query.where(column == any_(one)).order_by(column.desc())
        else:
            query = query.where(column == value)
    return query.order_by(*_NEWEST)


def _together(
    connection: Connection, found: Sequence[Terms], span: _Span, limit: int
) -> list[Select[*tuple[object, ...]]]:
    """First which rows the page has, mostly from the indexes alone; then these rows, in any order: asked for an order,
    PostgreSQL would read all rows of this time and more."""
    moments: list[_Moment] = []
    for terms in found:
        query = _ordered(select(_T.entry_ns, _T.key), terms, span).limit(limit)
        moments += [_Moment(row.entry_ns, row.key) for row in connection.execute(query)]
    if not moments:
        return []
    page = _Span(sorted(moments)[-limit:][0], span.end)
    until = page.end.entry_ns >= _T.entry_ns  # for the estimate, as the beginning
    arms = [and_(*terms.by_index, *terms.others, *page.conditions(), until) for terms in found]
    return [select(*PIECE_COLUMNS).where(or_(*arms, _NOBODY))]
