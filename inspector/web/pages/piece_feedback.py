"""Stores a person's finding about a stored piece. The author is always the signed-in person, not a name in the form."""

from math import ceil
from typing import TypeGuard

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.access.audit.protocol import AuditError
from inspector.access.author import author_of
from inspector.access.principal import Principal
from inspector.archive.find import NotInArchiveError
from inspector.verdicts.follow import StoreError
from inspector.web import piece_report
from inspector.web.actions import needs, principal_of
from inspector.web.archive_away import archive_of, key_of
from inspector.web.feedback import FeedbackDesk, FeedbackError, FeedbackInvalidError, PieceFinding
from inspector.web.json_body import json_object
from inspector.web.state import Floor, floor_of
from inspector.web.withheld import is_withheld
from protos.inspection.v1.records_pb2 import Feedback, Label
from streams.observation import InspectionId

ACTION = "feedback.give"
MAX_DEFECTS = 64


@needs("verdicts.find")
def given(request: Request) -> Response:
    """The findings about the piece that the archive has by now."""
    try:
        archive, key = archive_of(request), key_of(request)
        kept = archive.feedback(key)
        if kept and is_withheld(request, archive.row(key)):
            kept = []
    except NotInArchiveError as error:
        raise HTTPException(404, str(error)) from error
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    return JSONResponse({"findings": piece_report.findings(kept)})


@needs(ACTION)
async def give(request: Request) -> Response:
    finding = read_finding(await request.body())
    return await run_in_threadpool(_give, request, finding, principal_of(request))


def _give(request: Request, finding: PieceFinding, principal: Principal) -> Response:
    floor = floor_of(request)
    if floor.feedback is None:
        raise HTTPException(503, "Findings cannot be stored here.")
    if (wait_s := floor.feedback.admit(request.state.client_host)) > 0:
        raise HTTPException(
            429, "Too many findings at once: try again in a moment.", {"retry-after": str(ceil(wait_s))}
        )
    try:
        row = archive_of(request).row(key_of(request))
        inspection = InspectionId(row.line, row.station, row.piece_id, row.pass_number)
        stored = _record(floor, floor.feedback, inspection, finding, principal)
    except NotInArchiveError as error:
        raise HTTPException(404, str(error)) from error
    except FeedbackInvalidError as error:
        raise HTTPException(400, str(error)) from error
    except (StoreError, FeedbackError, AuditError) as error:
        raise HTTPException(503, str(error)) from error
    return JSONResponse(_answer(stored), 201)


def _record(
    floor: Floor, desk: FeedbackDesk, inspection: InspectionId, finding: PieceFinding, principal: Principal
) -> Feedback:
    author, proof = author_of(principal, principal.name)
    desk.checked(inspection, finding, author, proof)
    target = "/".join((inspection.line, inspection.station, inspection.piece_id, str(inspection.pass_number)))
    with floor.audit.act(principal, ACTION, target, {"label": finding.label, "defects": ", ".join(finding.defects)}):
        return desk.give(inspection, finding, author, proof)


def _answer(stored: Feedback) -> dict[str, object]:
    return {
        "label": "OK" if stored.label == Label.LABEL_OK else "NOK",
        "defects": ", ".join(stored.defects),
        "author": stored.author,
        "note": stored.note,
        "at_ms": stored.given_ns / 10**6,
    }


def read_finding(body: bytes) -> PieceFinding:
    """Raises HTTPException where the body is no finding."""
    form = json_object(body)
    label, defects, note = form.get("label"), form.get("defects", []), form.get("note", "")
    if not isinstance(label, str) or not isinstance(note, str) or not _are_names(defects):
        raise HTTPException(400, "Expected label (ok or nok), defects (a list of names) and note.")
    return PieceFinding(label, tuple(defect.strip() for defect in defects if defect.strip()), note.strip())


def _are_names(defects: object) -> TypeGuard[list[str]]:
    return (
        isinstance(defects, list) and len(defects) <= MAX_DEFECTS and all(isinstance(defect, str) for defect in defects)
    )


routes = [
    Route("/kept/{key:number}/feedback", given, methods=["GET"]),
    Route("/kept/{key:number}/feedback", give, methods=["POST"]),
]
