"""Reads the filter of pieces from an address, and writes it back: every state of the list is an address."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from starlette.datastructures import QueryParams

from inspector.archive.rows import PieceFilter
from inspector.web.numbers import number_of
from inspector.web.piece_links import list_path
from protos.inspection.v1.verdict_pb2 import Decision

TEXTS = ("line", "station", "product", "lot", "piece", "class", "bundle")
SCORES = ("score_from", "score_to")
TIMES = ("since", "until")
PLACES = frozenset({"before", "after"})
FIELDS = PLACES | {*TEXTS, *SCORES, *TIMES, "decision"}
DECISIONS: Mapping[str, int] = {
    "fail": Decision.DECISION_FAIL,
    "review": Decision.DECISION_REVIEW,
    "pass": Decision.DECISION_PASS,
}
MAX_LETTERS = 256
YEARS = range(1970, 2200)
"""A database holds no time of other years."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class PieceQuery:
    """A filter from an address: the fields as they were written, their meaning, and problems with them."""

    fields: Mapping[str, str]
    decisions: tuple[str, ...]
    piece_filter: PieceFilter
    before: int | None
    problems: tuple[str, ...]

    @property
    def is_filtered(self) -> bool:
        return bool(self.decisions) or any(self.fields.values())

    def path(self, before: int | None = None, **changed: str) -> str:
        """The same list with these fields changed, from behind the row `before`."""
        fields = [(name, changed.get(name, value)) for name, value in self.fields.items()]
        page = [] if before is None else [("before", str(before))]
        return list_path([*fields, *(("decision", word) for word in self.decisions), *page])

    def path_with(self, decisions: tuple[str, ...]) -> str:
        return replace(self, decisions=decisions).path()


def read_query(query: QueryParams) -> PieceQuery:
    """Never fails: a field that cannot be read is left out of the filter, and a problem says so."""
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], _Value]) -> _Value | None:
        text = query.get(name, "")
        try:
            return parse(text) if text.strip() else None
        except ValueError as error:
            problems.append(f"{name.replace('_', ' ')}: {error}")
            return None

    for name in dict.fromkeys(query):
        if name not in FIELDS:
            problems.append(f"{name[:40]}: there is no such field; fields are {', '.join(sorted(FIELDS - PLACES))}")
    words = tuple(dict.fromkeys(word for word in query.getlist("decision") if word in DECISIONS))
    piece_filter = PieceFilter(
        line=read("line", _text),
        station=read("station", _text),
        product=read("product", _text),
        lot=read("lot", _text),
        piece_id=read("piece", _text),
        decisions=tuple(DECISIONS[word] for word in words),
        defect_class=read("class", _text),
        min_score=read("score_from", _score),
        max_score=read("score_to", _score),
        since_ns=read("since", time_ns),
        until_ns=read("until", time_ns),
        bundle_digest=read("bundle", _text),
    )
    fields = {name: query.get(name, "")[:MAX_LETTERS] for name in (*TEXTS, *SCORES, *TIMES)}
    return PieceQuery(
        fields, words, piece_filter, read("before", _key), tuple(problems + _contradictions(piece_filter))
    )


def time_ns(text: str) -> int:
    """Nanoseconds since the Unix epoch of an ISO 8601 time; without a zone it is the server's. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.year not in YEARS:
            raise ValueError  # noqa: TRY301
        return round(moment.timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError, OSError) as exc:
        raise ValueError(f"{text[:40]!r} is no time, write it like 2026-11-30T06:00") from exc


def _text(text: str) -> str:
    if len(text) > MAX_LETTERS:
        raise ValueError(f"{len(text)} letters, at most {MAX_LETTERS} can be searched for")
    return text


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise ValueError(f"{text[:20]!r} is no score, write a number from 0 to 1")
    return score


def _key(text: str) -> int:
    key = number_of(text.strip())
    if key is None:
        raise ValueError("this is no place in the list, start with the newest piece")
    return key


def _contradictions(piece_filter: PieceFilter) -> list[str]:
    problems = []
    if (
        piece_filter.since_ns is not None
        and piece_filter.until_ns is not None
        and piece_filter.since_ns >= piece_filter.until_ns
    ):
        problems.append("the time begins after it ends: exchange from and to")
    low, high = piece_filter.min_score, piece_filter.max_score
    if low is not None and high is not None and low > high:
        problems.append("the lowest score is above the highest: exchange them")
    return problems
