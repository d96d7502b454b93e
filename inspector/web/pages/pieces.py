"""The Pieces page: judged pieces, newest first, by any filter that an address can hold."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from inspector.archive.find import Archive
from inspector.archive.rows import MadeWhere, PieceFilter, PieceRow
from inspector.verdicts.follow import StoreError
from inspector.web.actions import needs
from inspector.web.archive_away import archive_of, away_page
from inspector.web.card import decision_word
from inspector.web.numbers import number_of
from inspector.web.piece_links import list_path, piece_path
from inspector.web.piece_query import DECISIONS, MAX_LETTERS, PieceQuery, read_query
from inspector.web.piece_words import READ_TWICE, local_input, reason_word, score_words, time_words
from inspector.web.score_window import DAYS, bounded
from inspector.web.templating import render
from streams.observation import InspectionId

PAGE = 50
MAX_NEW = 100
"""More new pieces than these are said to be `100+`."""


@needs("verdicts.find")
def pieces(request: Request) -> Response:
    query = read_query(request.query_params)
    try:
        archive = archive_of(request)
        piece_filter = bounded(archive, query.piece_filter)
        rows = [] if query.problems else archive.find(piece_filter, query.before, PAGE + 1)
        stations = archive.stations()
        shown = rows[:PAGE]
        doubtful = archive.read_twice([_inspection(row) for row in shown])
    except StoreError as error:
        return away_page(request, error)
    context = {
        "query": query,
        "fields": query.fields,
        "times": {name: local_input(query.fields[name]) for name in ("since", "until")},
        "choices": _choices(stations, query),
        "decisions": _decision_choices(query),
        "rows": [_row(row, _inspection(row) in doubtful) for row in shown],
        "newest": max((row.key for row in shown), default=0),
        "older": query.path(shown[-1].key) if len(rows) > PAGE else None,
        "search": "",
        "only_days": DAYS if piece_filter is not query.piece_filter and query.piece_filter.since_ns is None else None,
    }
    return render(request, "pieces.html", context, 400 if query.problems else 200)


@needs("verdicts.find")
def new_pieces(request: Request) -> Response:
    """How many pieces of the filter's first page were stored after the row `after`."""
    query = read_query(request.query_params)
    after = number_of(request.query_params.get("after", ""))
    if query.problems or after is None:
        return JSONResponse({"error": "the filter or `after` cannot be read"}, 400)
    try:
        archive = archive_of(request)
        rows = archive.find(bounded(archive, query.piece_filter), None, MAX_NEW + 1)
    except StoreError as error:
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse({"count": sum(row.key > after for row in rows), "at_most": MAX_NEW})


@needs("verdicts.find")
def search(request: Request) -> Response:
    """A piece or a lot by its whole name: the one piece, or the list of those that have it."""
    text = request.query_params.get("q", "")[:MAX_LETTERS]
    if not text.strip():
        return RedirectResponse("/pieces", 303)
    try:
        archive = archive_of(request)
        address = _found(archive, text) or _found(archive, text.strip())
    except StoreError as error:
        return away_page(request, error)
    if address is not None:
        return RedirectResponse(address, 303)
    return render(request, "pieces_not_found.html", {"search": text})


def _found(archive: Archive, text: str) -> str | None:
    rows = archive.find(PieceFilter(piece_id=text), None, 2)
    if len(rows) == 1:
        return piece_path(_inspection(rows[0]))
    if rows:
        return list_path([("piece", text)])
    return list_path([("lot", text)]) if archive.find(PieceFilter(lot=text), None, 1) else None


def _inspection(row: PieceRow) -> InspectionId:
    return InspectionId(row.line, row.station, row.piece_id, row.pass_number)


def _row(row: PieceRow, is_doubtful: bool) -> dict[str, object]:
    """A doubtful verdict may be about another part of the same id: a person looks, whatever the line decided."""
    return {
        "piece": row,
        "href": piece_path(_inspection(row)),
        "decision": "review" if is_doubtful else decision_word(row.decision),
        "reason": READ_TWICE if is_doubtful else reason_word(row.reason),
        "score": score_words(row.score),
        "time": time_words(row.entry_ns),
    }


def _choices(stations: Sequence[MadeWhere], query: PieceQuery) -> dict[str, list[str]]:
    """The values that the form's lists offer: those of the archive, and those in the address."""
    columns = {
        "line": [station.line for station in stations],
        "station": [station.station for station in stations],
        "product": [station.product for station in stations],
    }
    return {name: sorted({*values, query.fields[name]} - {""}) for name, values in columns.items()}


def _decision_choices(query: PieceQuery) -> list[dict[str, object]]:
    """Links that add a decision to the filter, or take it out."""
    choices = []
    for word in DECISIONS:
        is_on = word in query.decisions
        others = tuple(other for other in DECISIONS if (other in query.decisions) != (other == word))
        choices.append({"word": word, "is_on": is_on, "href": query.path_with(others)})
    return choices


routes = [
    Route("/pieces", pieces),
    Route("/pieces/new", new_pieces),
    Route("/pieces/search", search),
]
