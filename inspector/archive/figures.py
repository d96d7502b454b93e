"""Figures of a stretch of time: decisions, defect classes, what people found, latency; per shift, station, product."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import ColumnElement, Integer, and_, case, cast, func, select

from inspector.archive.database import Database
from inspector.archive.metadata import stored_text
from inspector.archive.plan import line_column
from inspector.archive.schema import VERDICTS
from inspector.archive.tables_log import FEEDBACK
from protos.inspection.v1.records_pb2 import Label
from protos.inspection.v1.verdict_pb2 import Decision

_T = VERDICTS.c
_NS_PER_MS = 1_000_000
LONGEST_MS = 60_000
"""A longer latency counts as this one."""
MAX_GROUPS = 10_000


class By(Enum):
    """What figures are given for."""

    ALL = "all"
    LINE = "line"
    STATION = "station"
    PRODUCT = "product"
    LOT = "lot"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Scope:
    """Pieces whose entry lies in this time, of one line, station or product if named."""

    since_ns: int
    until_ns: int
    line: str | None = None
    station: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """How many pieces of a group were decided how."""

    group: tuple[str, ...]
    passed: int
    failed: int
    review: int
    late: int
    """Verdicts that came after their deadline."""

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.review

    @property
    def pass_share(self) -> float | None:
        return self.passed / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Pieces that did not pass, by their likeliest class."""

    defect_class: str
    failed: int
    review: int

    @property
    def total(self) -> int:
        return self.failed + self.review


@dataclass(frozen=True, slots=True)
class Findings:
    """What people said of the pieces of a group: the newest finding about each counts."""

    group: tuple[str, ...]
    failed_ok: int
    """FAIL, and found good."""
    failed_nok: int
    passed_ok: int
    passed_nok: int
    """PASS, and found defective."""
    review_ok: int
    review_nok: int

    @property
    def false_reject_share(self) -> float | None:
        """Of the pieces that failed and were looked at."""
        return _share(self.failed_ok, self.failed_nok)

    @property
    def escape_share(self) -> float | None:
        """Of the pieces that passed and were looked at."""
        return _share(self.passed_nok, self.passed_ok)


@dataclass(frozen=True, slots=True)
class Latency:
    """From capture to publication in milliseconds, to the millisecond; None without a piece."""

    num_pieces: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    max_ms: int | None


class Figures:
    """Reads figures; safe for several threads. Every method raises StoreError while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decisions(self, scope: Scope, by: By = By.ALL) -> list[Decisions]:
        """By group, in the order of their names."""
        columns = _COLUMNS[by]
        query = (
            select(*columns, *(_count(_T.decision == each) for each in _DECISIONS), _count(_T.deadline_missed))
            .where(*_within(scope))
            .group_by(*columns)
            .limit(MAX_GROUPS)
        )
        with self._database.read() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        width = len(columns)
        counted = [Decisions(row[:width], *(number or 0 for number in row[width:])) for row in rows]
        return sorted((each for each in counted if each.total), key=lambda each: each.group)

    def pareto(self, scope: Scope) -> list[ClassCount]:
        """The commonest class first."""
        failed, review = (_count(_T.decision == each) for each in _DECISIONS[1:])
        query = (
            select(_T.defect_class, failed, review)
            .where(*_within(scope), _T.decision.in_(_DECISIONS[1:]))
            .group_by(_T.defect_class)
            .limit(MAX_GROUPS)
        )
        with self._database.read() as connection:
            counts = [ClassCount(row[0], row[1], row[2]) for row in connection.execute(query)]
        return sorted(counts, key=lambda each: (-each.total, each.defect_class))

    def findings(self, scope: Scope, by: By = By.ALL) -> list[Findings]:
        feedback = FEEDBACK.c
        is_same = (
            feedback.piece_id == _T.piece_id,
            feedback.line == _T.line.concat(""),  # as in `find.is_inspection`: no look-up by line and station
            feedback.station == _T.station.concat(""),
            feedback.pass_number == _T.pass_number,
        )
        query = (
            select(_T.key, feedback.author, feedback.author_proof, _T.decision, feedback.label, *_COLUMNS[by])
            .join(FEEDBACK, and_(*is_same))
            .where(*_within(scope))
            .order_by(feedback.given_ns, feedback.key)
        )
        by_piece: dict[int, dict[tuple[str, str], tuple[int, int, tuple[str, ...]]]] = {}
        with self._database.read() as connection:
            for key, author, proof, decision, label, *group in connection.execute(query):
                words = by_piece.setdefault(key, {})
                words.pop((proof, author), None)  # the newest word of each author counts, and stands last
                if label in (Label.LABEL_OK, Label.LABEL_NOK):
                    words[proof, author] = (decision, label, tuple(group))
        return _findings(list(words.values())[-1] for words in by_piece.values() if words)

    def latency(self, scope: Scope) -> Latency:
        took_ms = cast((_T.publish_ns - _T.capture_ns) / _NS_PER_MS, Integer)
        bounded = case((took_ms > LONGEST_MS, LONGEST_MS), (took_ms < 0, 0), else_=took_ms)
        query = select(bounded, func.count()).where(*_within(scope)).group_by(bounded).order_by(bounded)
        with self._database.read() as connection:
            counts = [(int(row[0]), int(row[1])) for row in connection.execute(query)]
        total = sum(number for _, number in counts)
        p50, p95, p99 = (_percentile(counts, total, share) for share in (0.5, 0.95, 0.99))
        return Latency(total, p50, p95, p99, counts[-1][0] if counts else None)


_DECISIONS = (Decision.DECISION_PASS, Decision.DECISION_FAIL, Decision.DECISION_REVIEW)
_COLUMNS: Mapping[By, Sequence[ColumnElement[str]]] = {
    By.ALL: (),
    By.LINE: (_T.line,),
    By.STATION: (_T.line, _T.station),
    By.PRODUCT: (_T.product,),
    By.LOT: (_T.lot,),
    By.BUNDLE: (_T.bundle, _T.bundle_digest),
}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    named = ((line_column(scope.station), scope.line), (_T.station, scope.station), (_T.product, scope.product))
    terms = [column == stored_text(value) for column, value in named if value is not None]
    return [*terms, _T.entry_ns >= scope.since_ns, _T.entry_ns < scope.until_ns]


def _findings(labelled: Iterable[tuple[int, int, tuple[str, ...]]]) -> list[Findings]:
    counts: dict[tuple[str, ...], dict[tuple[int, int], int]] = {}
    for decision, label, group in labelled:
        place = counts.setdefault(group, {})
        place[decision, label] = place.get((decision, label), 0) + 1
    ok, nok = Label.LABEL_OK, Label.LABEL_NOK
    order = [(decision, label) for decision in (_DECISIONS[1], _DECISIONS[0], _DECISIONS[2]) for label in (ok, nok)]
    return [Findings(group, *(place.get(each, 0) for each in order)) for group, place in sorted(counts.items())]


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def _percentile(counts: Sequence[tuple[int, int]], total: int, share: float) -> int | None:
    """The smallest value that this share of all does not exceed."""
    seen = 0
    for value, number in counts:
        seen += number
        if seen >= share * total:
            return value
    return None
