"""The Alerts page: open and resolved alerts, and one alert with its history, to acknowledge or silence."""

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.access.audit.protocol import AuditError
from inspector.access.principal import may
from inspector.alerts.alert import KEY_DIGITS, Alert, AlertError
from inspector.alerts.desk import AlertDesk, Overview
from inspector.alerts.rows import Cursor
from inspector.verdicts.follow import StoreError
from inspector.web.actions import needs, principal_of
from inspector.web.alert_words import DURATIONS, alert_row, event_row, mark_of
from inspector.web.archive_away import away_page
from inspector.web.json_body import json_object
from inspector.web.numbers import number_of
from inspector.web.piece_links import list_path, moment
from inspector.web.state import floor_of
from inspector.web.templating import render

PAGE = 50
AROUND_NS = 120 * 10**9
"""The link from an alert to its pieces begins this long before it."""
SEE, ACKNOWLEDGE, SILENCE = "alerts.see", "alerts.acknowledge", "alerts.silence"
MAX_MINUTES = 31 * 24 * 60


@needs(SEE)
def alerts(request: Request) -> Response:
    before = _cursor(request.query_params.get("before", ""))
    desk = _desk(request)
    try:
        overview = desk.overview() if before is None else Overview([], {})
        ended = desk.resolved(PAGE + 1, before)
    except StoreError as error:
        return away_page(request, error)
    shown = ended[:PAGE]
    last = shown[-1] if len(ended) > PAGE else None
    context = {
        "is_first": before is None,
        "open": [alert_row(alert) for alert in overview.alerts],
        "mark": mark_of(overview.alerts),
        "undelivered": sorted(overview.undelivered.items()),
        "ended": [alert_row(alert) for alert in shown],
        "older": None if last is None else f"/alerts?before={last.raised_ns}-{last.key}",
    }
    return render(request, "alerts.html", context)


@needs(SEE)
def alert(request: Request) -> Response:
    key, desk = request.path_params["key"], _desk(request)
    try:
        shown, history = desk.alert(key), desk.history(key)
    except AlertError as error:
        raise HTTPException(404, "There is no such alert, or it was removed because of its age.") from error
    except StoreError as error:
        return away_page(request, error)
    principal = principal_of(request)
    context = {
        "alert": alert_row(shown),
        "history": [event_row(past) for past in history],
        "mark": mark_of([shown]),
        "durations": DURATIONS,
        "may_acknowledge": may(principal, ACKNOWLEDGE),
        "may_silence": may(principal, SILENCE),
        "pieces": _pieces_path(shown),
    }
    return render(request, "alert.html", context)


def _pieces_path(alert: Alert) -> str:
    until_ns = None if alert.resolved_ns is None else alert.resolved_ns + AROUND_NS
    return list_path(
        [
            ("line", alert.place.line),
            ("station", alert.place.station),
            ("since", moment(alert.raised_ns - AROUND_NS)),
            ("until", "" if until_ns is None else moment(until_ns)),
        ]
    )


@needs(ACKNOWLEDGE)
async def acknowledge(request: Request) -> Response:
    form = json_object(await request.body())
    note = _text(form, "note")
    return await _change(request, ACKNOWLEDGE, {"note": note}, lambda desk, key, by: desk.acknowledge(key, by, note))


@needs(SILENCE)
async def silence(request: Request) -> Response:
    form = json_object(await request.body())
    note, minutes = _text(form, "note"), _minutes(form)
    detail = {"note": note, "minutes": f"{minutes:g}"}
    return await _change(request, SILENCE, detail, lambda desk, key, by: desk.silence(key, 60.0 * minutes, by, note))


@needs(SILENCE)
async def end_silence(request: Request) -> Response:
    return await _change(request, SILENCE, {"minutes": "0"}, lambda desk, key, by: desk.end_silence(key, by))


async def _change(
    request: Request, action: str, detail: dict[str, str], change: Callable[[AlertDesk, str, str], Alert]
) -> Response:
    """The new state of the alert; its author is who is signed in."""
    floor, desk, principal = floor_of(request), _desk(request), principal_of(request)
    key = request.path_params["key"]

    def act() -> Alert:
        with floor.audit.act(principal, action, key, detail):
            return change(desk, key, principal.name)

    try:
        changed = await run_in_threadpool(act)
    except AlertError as error:
        raise HTTPException(409, str(error)) from error
    except (StoreError, AuditError) as error:
        raise HTTPException(503, str(error)) from error
    return JSONResponse({"state": changed.state.value})


def _desk(request: Request) -> AlertDesk:
    desk = floor_of(request).alerts
    if desk is None:
        raise HTTPException(404, "No alerts are raised here: they need [archive] and [alerts] in the configuration.")
    return desk


def _cursor(text: str) -> Cursor | None:
    """Raises HTTPException."""
    if not text:
        return None
    raised, _, key = text.partition("-")
    raised_ns = number_of(raised)
    if raised_ns is None or len(key) != KEY_DIGITS:
        raise HTTPException(400, "`before` is no place in the list: begin with the newest alert.")
    return Cursor(raised_ns, key)


def _text(form: Mapping[str, object], name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise HTTPException(400, f"`{name}` is no text.")
    return value


def _minutes(form: Mapping[str, object]) -> float:
    value = form.get("minutes")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_MINUTES:
        raise HTTPException(400, f"`minutes` is no time: write a number up to {MAX_MINUTES}.")
    return float(value)


routes = [
    Route("/alerts", alerts),
    Route("/alerts/{key}", alert),
    Route("/alerts/{key}/acknowledge", acknowledge, methods=["POST"]),
    Route("/alerts/{key}/silence", silence, methods=["POST"]),
    Route("/alerts/{key}/silence/end", end_silence, methods=["POST"]),
]
