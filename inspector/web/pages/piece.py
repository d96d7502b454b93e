"""One piece: its verdict and the reasons, the origin of the verdict, its recordings, and people's findings."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.access.principal import may
from inspector.archive.body import BodyError
from inspector.archive.find import Archive, NotInArchiveError
from inspector.archive.rows import PieceFilter, PieceRow
from inspector.verdicts.follow import StoreError
from inspector.web import piece_report
from inspector.web.actions import needs, principal_of
from inspector.web.archive_away import archive_of, away_page
from inspector.web.card import decision_word
from inspector.web.piece_links import piece_path
from inspector.web.piece_words import score_words, time_words
from inspector.web.recording_list import recording_list
from inspector.web.state import floor_of
from inspector.web.templating import render
from inspector.web.withheld import is_withheld
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import InspectionId

MAX_PASS = 2**32 - 1
MAX_PASSES = 20
"""Other verdicts on the piece that the page lists."""


@needs("verdicts.find")
def by_path(request: Request) -> Response:
    names = request.path_params
    return _page(request, InspectionId(names["line"], names["station"], names["piece_id"], names["pass_number"]))


@needs("verdicts.find")
def by_names(request: Request) -> Response:
    """For names that cannot be a part of a path."""
    query = request.query_params
    number = query.get("pass", "0")
    if not number.isascii() or not number.isdecimal():
        raise HTTPException(400, "The pass is a number from 0.")
    line, station, piece = (query.get(name, "") for name in ("line", "station", "piece"))
    return _page(request, InspectionId(line, station, piece, int(number[:12])))


def _page(request: Request, inspection: InspectionId) -> Response:
    try:
        archive = archive_of(request)
        row = archive.by_inspection(inspection) if inspection.pass_number <= MAX_PASS else None
        if row is None:
            context = {"inspection": inspection, "search": inspection.piece_id}
            return render(request, "piece_not_found.html", context, 404)
        return render(request, "piece.html", _context(request, archive, row, archive.verdict(row.key)))
    except StoreError as error:
        return away_page(request, error)
    except (NotInArchiveError, BodyError) as error:
        raise HTTPException(404, str(error)) from error


def _context(request: Request, archive: Archive, row: PieceRow, verdict: Verdict) -> dict[str, object]:
    others = archive.find(PieceFilter(piece_id=row.piece_id), None, MAX_PASSES + 1)
    principal = principal_of(request)
    inspection = InspectionId(row.line, row.station, row.piece_id, row.pass_number)
    withheld = is_withheld(request, row)
    is_doubtful = bool(archive.read_twice([inspection]))
    return {
        "row": row,
        "search": "",
        "inspection": verdict.inspection,
        "decision": "review" if is_doubtful else decision_word(row.decision),
        "line_decision": decision_word(row.decision).upper(),
        "is_doubtful": is_doubtful,
        "score": score_words(row.score),
        "entered": time_words(row.entry_ns),
        "card": piece_report.kept_card(row, verdict),
        "path": piece_path(inspection),
        "kept": piece_report.kept_path(row.key),
        "origin": piece_report.origin(row, verdict),
        "times": piece_report.times(row, verdict),
        "inputs": piece_report.inputs(verdict),
        "classes": piece_report.classes(verdict),
        "experts": verdict.experts,
        "recordings": recording_list(verdict, archive.recordings(row.key), row.key),
        "withheld": withheld,
        "findings": [] if withheld else piece_report.findings(archive.feedback(row.key)),
        "others": piece_report.passes(others, row),
        "may_give": floor_of(request).feedback is not None and may(principal, "feedback.give"),
        "may_download": may(principal, "recordings.download"),
        "author": principal.name,
    }


routes = [
    Route("/pieces/one", by_names),
    Route("/pieces/{line}/{station}/{piece_id:path}/{pass_number:number}", by_path),
]
