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


class Terms(NamedTuple):
    """Conditions of one query: those that its index serves, and all others."""

    by_index: Sequence[ColumnElement[bool] | TextClause]
    others: Sequence[ColumnElement[bool]] = ()
    is_in_order: bool = True
    """Whether the index holds the rows in the order of a page; else they are sorted."""


def branches(connection: Connection, wanted: PieceFilter) -> list[Terms]:
    """Queries that together find the rows, each of them in the order of its index."""
    plan = _Plan(connection, wanted)
    return [terms._replace(by_index=[*terms.by_index, *_times(wanted)]) for terms in plan.branches()]


class _Plan:
    def __init__(self, connection: Connection, wanted: PieceFilter) -> None:
        self._connection, self._wanted = connection, wanted
        self._hides = connection.dialect.name == "sqlite"

    def branches(self) -> list[Terms]:
        wanted = self._wanted
        for column, value, repeated in (
            (_T.piece_id, wanted.piece_id, ()),
            (_T.lot, wanted.lot or None, (HAS_LOT,)),
            (_T.defect_class, wanted.defect_class or None, (HAS_CLASS,)),
        ):
            if value is not None:
                return self._by(column, value, *repeated)
        return self._by_score() or self._by_common_values()

    def _by_common_values(self) -> list[Terms]:
        wanted = self._wanted
        if wanted.bundle_digest is not None:
            return self._by(_T.bundle_digest, wanted.bundle_digest)
        if wanted.decisions and Decision.DECISION_PASS not in wanted.decisions:
            return self._by_rare_decision()
        if wanted.station is not None or wanted.line is not None:
            return self._by_station()
        if wanted.product is not None:
            return self._by(_T.product, wanted.product)
        return [Terms([], self._others())]

    def _by(self, column: Column[str], value: str, *repeated: TextClause) -> list[Terms]:
        return [Terms([column == stored_text(value), *repeated], self._others(column))]

    def _by_rare_decision(self) -> list[Terms]:
        """FAIL and REVIEW, at the stations if any are named: some stations may have none for months."""
        wanted, others = self._wanted, self._others(_T.decision)
        if wanted.station is None and wanted.line is None:
            return [Terms([_T.decision == decision], others) for decision in set(wanted.decisions)]
        others = self._others(_T.line, _T.station, _T.decision)
        return [
            Terms([_T.line == line, _T.station == station, _T.decision == decision, NOT_PASS], others)
            for line, station in _stations(self._connection, wanted)
            for decision in set(wanted.decisions)
        ]

    def _by_station(self) -> list[Terms]:
        others = self._others(_T.line, _T.station)
        return [
            Terms([_T.line == line, _T.station == station], others)
            for line, station in _stations(self._connection, self._wanted)
        ]

    def _by_score(self) -> list[Terms] | None:
        """None where the range is open, the time is long, or the range leaves too many rows."""
        wanted = self._wanted
        days = _days(wanted)
        if days is None or (wanted.min_score is None and wanted.max_score is None):
            return None
        terms = [_T.day.in_(days), *_scores(wanted, _T.score)]
        counted = select(_T.key).where(*terms).limit(MAX_BY_SCORE + 1).subquery()
        num_rows = self._connection.execute(select(func.count()).select_from(counted)).scalar_one()
        return None if num_rows > MAX_BY_SCORE else [Terms(terms, self._others(_T.score), is_in_order=False)]

    def _others(self, *served: Column[str] | Column[int] | Column[float]) -> list[ColumnElement[bool]]:
        return [term for column, term in self._conditions() if column not in {each.name for each in served}]

    def _conditions(self) -> Iterator[tuple[str, ColumnElement[bool]]]:
        """Every condition but the time, by the name of its column."""
        wanted = self._wanted
        texts = (
            (_T.line, wanted.line),
            (_T.station, wanted.station),
            (_T.product, wanted.product),
            (_T.lot, wanted.lot),
            (_T.piece_id, wanted.piece_id),
            (_T.defect_class, wanted.defect_class),
            (_T.bundle_digest, wanted.bundle_digest),
        )
        for column, value in texts:
            if value is not None:
                yield column.name, self._hidden(column) == stored_text(value)
        if wanted.decisions:
            yield "decision", self._hidden(_T.decision).in_(list(wanted.decisions))
        for term in _scores(wanted, self._hidden(_T.score)):
            yield "score", term

    def _hidden(self, column: Column[Value]) -> ColumnElement[Value]:
        """The column's value in a form that SQLite looks up in no index."""
        if not self._hides:
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _stations(connection: Connection, wanted: PieceFilter) -> list[tuple[str, str]]:
    if wanted.line is not None and wanted.station is not None:
        return [(stored_text(wanted.line), stored_text(wanted.station))]
    query = select(STATIONS.c.line, STATIONS.c.station).distinct()
    if wanted.line is not None:
        query = query.where(STATIONS.c.line == stored_text(wanted.line))
    if wanted.station is not None:
        query = query.where(STATIONS.c.station == stored_text(wanted.station))
    return [(line, station) for line, station in connection.execute(query)]


def _times(wanted: PieceFilter) -> list[ColumnElement[bool]]:
    terms = []
    if wanted.since_ns is not None:
        terms.append(_T.entry_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        terms.append(_T.entry_ns < wanted.until_ns)
    return terms


def _scores(wanted: PieceFilter, score: ColumnElement[float | None]) -> list[ColumnElement[bool]]:
    terms = []
    if wanted.min_score is not None:
        terms.append(score >= wanted.min_score)
    if wanted.max_score is not None:
        terms.append(score <= wanted.max_score)
    return terms


def _days(wanted: PieceFilter) -> Sequence[int] | None:
    if wanted.since_ns is None or wanted.until_ns is None:
        return None
    days = range(wanted.since_ns // NS_PER_DAY, (wanted.until_ns - 1) // NS_PER_DAY + 1)
    return days if len(days) <= MAX_DAYS else None
