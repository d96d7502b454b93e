"""The Review page: a person looks at one piece after the other and says OK, NOK or don't know.

Addresses of pictures and sounds hold the token of the person who holds the piece, and nothing of the piece.
"""

import time
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.access.audit.protocol import AuditError
from inspector.access.audit.record import Detail
from inspector.archive.find import NotInArchiveError
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.review.answers import NotHeldError, Standing
from inspector.review.findings import AnswerError, parse_finding
from inspector.review.people import reviewer_of
from inspector.verdicts.follow import StoreError
from inspector.verdicts.words import enum_word
from inspector.web.actions import needs, principal_of
from inspector.web.json_body import json_object
from inspector.web.kept_recordings import BusyError
from inspector.web.review_pieces import ReviewPieces, Shown, heat_map_of
from inspector.web.state import floor_of
from inspector.web.templating import render
from protos.inspection.v1.records_pb2 import Label

SHIFT_S = 8 * 3600
"""The reviewer's own counts are of this time."""
ANSWER = "review.answer"


@needs("review.see")
def page(request: Request) -> Response:
    return render(request, "review.html", {"has_desk": floor_of(request).review is not None})


@needs(ANSWER)
def hold(request: Request) -> Response:
    """The pieces to look at, in order; the page loads all of them ahead."""
    return _answered(lambda: _state(request))


@needs(ANSWER)
async def answer(request: Request) -> Response:
    """Takes one answer and returns the next pieces; `problem` where the piece went to somebody else meanwhile."""
    body = json_object(await request.body())
    return await run_in_threadpool(_answered, lambda: _take(request, body))


@needs(ANSWER)
def undo(request: Request) -> Response:
    """Takes back the last own answer: its piece comes next again."""
    return _answered(lambda: _undo(request))


def _take(request: Request, body: Mapping[str, object]) -> dict[str, object]:
    token, label, defects = body.get("token"), body.get("label"), body.get("defects", [])
    if not (isinstance(token, str) and isinstance(label, str) and isinstance(defects, list)):
        raise HTTPException(400, "Expected token, label and defects.")
    finding = parse_finding(label, tuple(map(str, defects)))
    principal = principal_of(request)
    desk, reviewer = _pieces(request).desk, reviewer_of(principal)
    before = desk.standing(reviewer, token)
    detail = {"before": _words(before), "label": label, "defects": ", ".join(finding.defects)}
    try:
        with floor_of(request).audit.act(principal, ANSWER, _name(request, before), detail):
            desk.answer(reviewer, token, finding)
    except NotHeldError as error:
        return {**_state(request), "problem": str(error)}
    return _state(request)


def _undo(request: Request) -> dict[str, object]:
    principal = principal_of(request)
    desk, reviewer = _pieces(request).desk, reviewer_of(principal)
    before = desk.last_answer(reviewer)
    detail: Detail = {"undo": True, "before": _words(before), "label": "none"}
    with floor_of(request).audit.act(principal, ANSWER, _name(request, before), detail):
        is_undone = desk.undo(reviewer)
    return {**_state(request), "undone": is_undone}


def _name(request: Request, standing: Standing | None) -> str:
    """The inspection, for the audit log."""
    if standing is None:
        return "no piece of this reviewer"
    try:
        row = _pieces(request).archive.row(standing.verdict_key)
    except NotInArchiveError:
        return f"verdict {standing.verdict_key}, which the archive no longer has"
    return "/".join((row.line, row.station, row.piece_id, str(row.pass_number)))


def _words(standing: Standing | None) -> str:
    """What was answered so far."""
    if standing is None or standing.label is None:
        return "none"
    return " ".join((enum_word(Label, standing.label).lower(), *standing.defects))


def _state(request: Request) -> dict[str, object]:
    pieces, reviewer = _pieces(request), reviewer_of(principal_of(request))
    cards = pieces.hold(reviewer)
    progress = pieces.desk.progress(reviewer, time.time_ns() - SHIFT_S * 10**9)
    counts = {"ok": progress.ok, "nok": progress.nok, "unsure": progress.unsure, "waiting": progress.waiting}
    return {"pieces": cards, "progress": counts}


def _answered(call: Callable[[], dict[str, object]]) -> Response:
    try:
        return JSONResponse(call())
    except AnswerError as error:
        raise HTTPException(400, str(error)) from error
    except (StoreError, ObjectStoreError, BusyError, AuditError) as error:
        raise HTTPException(503, str(error), {"retry-after": "2"}) from error


@needs(ANSWER)
def picture(request: Request) -> Response:
    """`x-captured` is the size of the image as captured, which regions refer to."""
    shown, source = _shown(request)
    pictures = shown.files.pictures.get(source, ())
    number: int = request.path_params["frame"]
    if number >= len(pictures):
        raise HTTPException(410, "The picture is not kept.")
    image = pictures[number]
    size = {"x-captured": f"{image.width_px}x{image.height_px}"}
    return Response(image.data, media_type=image.media_type, headers=size)


@needs(ANSWER)
def heat(request: Request) -> Response:
    shown, source = _shown(request)
    data = heat_map_of(shown.verdict, source)
    if not data:
        raise HTTPException(404, "There is no heat map of this camera.")
    return Response(data, media_type="image/png")


@needs(ANSWER)
def sound(request: Request) -> Response:
    shown, source = _shown(request)
    clip = shown.files.sounds.get(source)
    if clip is None:
        raise HTTPException(410, "The sound is not kept.")
    return Response(clip.data, media_type="audio/wav")


def _pieces(request: Request) -> ReviewPieces:
    pieces = floor_of(request).review
    if pieces is None:
        raise HTTPException(404, "There is no review desk here: it needs [archive] and [recordings].")
    return pieces


def _shown(request: Request) -> tuple[Shown, str]:
    """The piece that the address names, and the name of its camera or sensor."""
    try:
        shown = _pieces(request).shown(reviewer_of(principal_of(request)), request.path_params["token"])
    except NotInArchiveError as error:
        raise HTTPException(410, "The piece was removed by age.") from error
    except (StoreError, ObjectStoreError, BusyError) as error:
        raise HTTPException(503, str(error), {"retry-after": "2"}) from error
    index: int = request.path_params["source"]
    if shown is None or index >= len(shown.verdict.modalities):
        raise HTTPException(404, "You do not hold this piece: load the Review page again.")
    return shown, shown.verdict.modalities[index].name


_SOURCE = "/review/pieces/{token}/{source:number}"
routes = [
    Route("/review", page),
    Route("/review/hold", hold, methods=["POST"]),
    Route("/review/answer", answer, methods=["POST"]),
    Route("/review/undo", undo, methods=["POST"]),
    Route(f"{_SOURCE}/picture/{{frame:number}}", picture),
    Route(f"{_SOURCE}/heat", heat),
    Route(f"{_SOURCE}/sound", sound),
]
