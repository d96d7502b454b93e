"""Chooses the index for a filter: the condition that leaves the fewest rows drives, all others are checked row by row.

SQLite chooses by guesses where it was never analysed, so that the other conditions are hidden from it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, TextClause, func, select
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from inspector.archive.metadata import stored_text
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import HAS_CLASS, HAS_LOT, NOT_PASS, STATIONS, VERDICTS
from protos.inspection.v1.verdict_pb2 import Decision

_T = VERDICTS.c
NS_PER_DAY = 86_400 * 10**9
MAX_BY_SCORE = 5_000
"""Up to this many rows of a score range are sorted; where there are more, a page is full soon in order of time."""
MAX_DAYS = 62
"""A longer time is not searched by score: its index is by day."""
Value = TypeVar("Value")
Condition = ColumnElement[bool] | TextClause


class Terms(NamedTuple):
    """Conditions of one query but the time: those that its index serves, and all others."""

    leads: Sequence[tuple[Column[str] | Column[int], str | int]]
    """The values of the columns that stand before time and key in the index."""
    others: Sequence[ColumnElement[bool]] = ()
    repeated: Sequence[TextClause] = ()
    """What the index holds only rows of."""
    ranges: Sequence[ColumnElement[bool]] = ()
    """Further conditions that the index serves. With them it does not hold the rows in the order of a page."""
    is_scattered: bool = False
    """Whether the rows of a page lie far apart in the table."""

    @property
    def by_index(self) -> list[Condition]:
        return [*(column == value for column, value in self.leads), *self.repeated, *self.ranges]


def branches(connection: Connection, piece_filter: PieceFilter) -> list[Terms]:
    """Queries that together find the rows, each of them in the order of its index."""
    return _Plan(connection, piece_filter).branches()


class _Plan:
    def __init__(self, connection: Connection, piece_filter: PieceFilter) -> None:
        self._connection, self._filter = connection, piece_filter
        self._hides = connection.dialect.name == "sqlite"

    def branches(self) -> list[Terms]:
        piece_filter = self._filter
        for column, value, repeated in (
            (_T.piece_id, piece_filter.piece_id, ()),
            (_T.lot, piece_filter.lot or None, (HAS_LOT,)),
            (_T.defect_class, piece_filter.defect_class or None, (HAS_CLASS,)),
        ):
            if value is not None:
                return self._by(column, value, *repeated, is_scattered=column is _T.defect_class)
        return self._by_score() or self._by_common_values()

    def _by_common_values(self) -> list[Terms]:
        piece_filter = self._filter
        if piece_filter.bundle_digest is not None:
            return self._by(_T.bundle_digest, piece_filter.bundle_digest)
        if piece_filter.decisions and Decision.DECISION_PASS not in piece_filter.decisions:
            return self._by_rare_decision()
        if piece_filter.station is not None or piece_filter.line is not None:
            return self._by_station()
        if piece_filter.product is not None:
            return self._by(_T.product, piece_filter.product)
        return [Terms([], self._others())]

    def _by(self, column: Column[str], value: str, *repeated: TextClause, is_scattered: bool = False) -> list[Terms]:
        leads = [(column, stored_text(value))]
        return [Terms(leads, self._others(column), repeated, is_scattered=is_scattered)]

    def _by_rare_decision(self) -> list[Terms]:
        """FAIL and REVIEW, at the stations if any are named: some stations may have none for months."""
        piece_filter, others = self._filter, self._others(_T.decision)
        if piece_filter.station is None and piece_filter.line is None:
            decisions = set(piece_filter.decisions)
            return [Terms([(_T.decision, decision)], others, is_scattered=True) for decision in decisions]
        others = self._others(_T.line, _T.station, _T.decision)
        return [
            Terms(
                [(_T.line, line), (_T.station, station), (_T.decision, decision)],
                others,
                [NOT_PASS],
                is_scattered=True,
            )
            for line, station in _stations(self._connection, piece_filter)
            for decision in set(piece_filter.decisions)
        ]

    def _by_station(self) -> list[Terms]:
        others = self._others(_T.line, _T.station)
        return [
            Terms([(_T.line, line), (_T.station, station)], others, is_scattered=True)
            for line, station in _stations(self._connection, self._filter)
        ]

    def _by_score(self) -> list[Terms] | None:
        """None where the range is open, the time is long, or the range leaves too many rows."""
        piece_filter = self._filter
        days = _days(piece_filter)
        if days is None or (piece_filter.min_score is None and piece_filter.max_score is None):
            return None
        terms = [_T.day.in_(days), *_scores(piece_filter, _T.score)]
        times = [_T.entry_ns >= piece_filter.since_ns, _T.entry_ns < piece_filter.until_ns]
        counted = select(_T.key).where(*terms, *times).limit(MAX_BY_SCORE + 1).subquery()
        num_rows = self._connection.execute(select(func.count()).select_from(counted)).scalar_one()
        if num_rows > MAX_BY_SCORE:
            return None
        return [Terms([], self._others(_T.score), ranges=terms, is_scattered=True)]

    def _others(self, *served: Column[str] | Column[int] | Column[float]) -> list[ColumnElement[bool]]:
        return [
            term
            for column, term in self._conditions()
            if column not in {served_column.name for served_column in served}
        ]

    def _conditions(self) -> Iterator[tuple[str, ColumnElement[bool]]]:
        """Every condition but the time, by the name of its column."""
        piece_filter = self._filter
        texts = (
            (_T.line, piece_filter.line),
            (_T.station, piece_filter.station),
            (_T.product, piece_filter.product),
            (_T.lot, piece_filter.lot),
            (_T.piece_id, piece_filter.piece_id),
            (_T.defect_class, piece_filter.defect_class),
            (_T.bundle_digest, piece_filter.bundle_digest),
        )
        for column, value in texts:
            if value is not None:
                yield column.name, self._hidden(column) == stored_text(value)
        if piece_filter.decisions:
            yield "decision", self._hidden(_T.decision).in_(list(piece_filter.decisions))
        for term in _scores(piece_filter, self._hidden(_T.score)):
            yield "score", term

    def _hidden(self, column: Column[Value]) -> ColumnElement[Value]:
        """The column's value in a form that SQLite looks up in no index."""
        if not self._hides:
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def line_column(station: str | None) -> ColumnElement[str]:
    """The line of rows of some time. Without a station it is compared row by row: SQLite would take the index of line
    and station, and read all rows of the line, of every time."""
    return _T.line if station is not None else _T.line.concat("")


def _stations(connection: Connection, piece_filter: PieceFilter) -> list[tuple[str, str]]:
    if piece_filter.line is not None and piece_filter.station is not None:
        return [(stored_text(piece_filter.line), stored_text(piece_filter.station))]
    query = select(STATIONS.c.line, STATIONS.c.station).distinct()
    if piece_filter.line is not None:
        query = query.where(STATIONS.c.line == stored_text(piece_filter.line))
    if piece_filter.station is not None:
        query = query.where(STATIONS.c.station == stored_text(piece_filter.station))
    return [(line, station) for line, station in connection.execute(query)]


def _scores(piece_filter: PieceFilter, score: ColumnElement[float | None]) -> list[ColumnElement[bool]]:
    terms = []
    if piece_filter.min_score is not None:
        terms.append(score >= piece_filter.min_score)
    if piece_filter.max_score is not None:
        terms.append(score <= piece_filter.max_score)
    return terms


def _days(piece_filter: PieceFilter) -> Sequence[int] | None:
    if piece_filter.since_ns is None or piece_filter.until_ns is None:
        return None
    days = range(piece_filter.since_ns // NS_PER_DAY, (piece_filter.until_ns - 1) // NS_PER_DAY + 1)
    return days if len(days) <= MAX_DAYS else None
