"""Sign-in and sign-out: with a token, or at the provider."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from secrets import compare_digest
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from inspector.access.audit.protocol import AuditError
from inspector.access.principal import Principal
from inspector.access.sessions import always
from inspector.access.sign_in import Begun, SignInError, SignInFlow, SignInUnavailableError
from inspector.web.access import BEGUN_S
from inspector.web.actions import OPEN, needs
from inspector.web.cookies import SESSION, SIGN_IN, clear_cookie, cookie_of, set_cookie
from inspector.web.failures import PageFailures
from inspector.web.sign_in import asked, check_acts, check_form_token, checked
from inspector.web.state import Floor, floor_of
from inspector.web.templating import render

log = logging.getLogger("inspector.web")
MAX_NEXT = 2000
CALLBACK = "/sign-in/callback"


@needs(OPEN)
async def sign_in_page(request: Request) -> Response:
    return _page(request, "")


@needs(OPEN)
async def sign_in(request: Request) -> Response:
    form = await _form(request)
    access = floor_of(request).access
    token = form.get("token", "").strip()
    try:
        principal = await checked(access, token)
    except SignInError as error:
        await _failures(request).note(request.state.client_host, str(error))
        return _page(request, str(error), 401)
    except SignInUnavailableError as error:
        return _page(request, str(error), 503)
    return await _open(request, principal, form.get("next", "/"), access.identities.validity(token, principal))


@needs(OPEN)
async def sign_in_at_provider(request: Request) -> Response:
    access, flow = floor_of(request).access, _flow(request)
    try:
        begun = await asked(access, partial(flow.begin, _callback(request)))
    except SignInUnavailableError as error:
        return _page(request, str(error), 503)
    access.begun.add(begun, local_path(request.query_params.get("next", "/")), request.state.client_host)
    response = RedirectResponse(begun.url, 303)
    set_cookie(request, response, SIGN_IN, begun.state, BEGUN_S)
    return response


@needs(OPEN)
async def callback(request: Request) -> Response:
    flow = _flow(request)
    try:
        begun, then = _begun(request)
    except SignInError as error:
        return _page(request, str(error), 401)  # not counted: a link on another site can cause it
    try:
        principal = await asked(floor_of(request).access, partial(flow.finish, begun, _code(request)))
    except SignInError as error:
        await _failures(request).note(request.state.client_host, str(error))
        return _page(request, str(error), 401)
    except SignInUnavailableError as error:
        return _page(request, str(error), 503)
    response = await _open(request, principal, then)
    clear_cookie(request, response, SIGN_IN)
    return response


@needs(OPEN)
async def sign_out(request: Request) -> Response:
    await _form(request)
    cookie = request.cookies.get(cookie_of(request, SESSION))
    floor = floor_of(request)
    session = None if cookie is None else floor.access.sessions.find(cookie)
    if cookie is not None:
        floor.access.sessions.close(cookie)
    if session is not None:
        await run_in_threadpool(_note_sign_out, floor, session.principal, request.state.client_host)
    response = RedirectResponse("/sign-in", 303, {"clear-site-data": '"cache"'})
    clear_cookie(request, response, SESSION)
    return response


def _note_sign_out(floor: Floor, principal: Principal, host: str) -> None:
    """The session is closed already, and stays so where the act cannot be recorded."""
    try:
        floor.audit.append(principal, "sign-out", principal.name, {"from": host})
    except AuditError as error:
        log.warning("%s signed out, and that is not recorded: %s", principal.name, error)


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours. Raises HTTPException."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        form = dict(parse_qsl(body, max_num_fields=10))
    except ValueError as exc:
        raise HTTPException(400, "the form has too many fields") from exc
    check_form_token(request, form.get("form_token", ""))
    return form


def _begun(request: Request) -> tuple[Begun, str]:
    """The sign-in that the provider answers, and where it leads. Raises SignInError."""
    state = request.query_params.get("state", "")
    shown = request.cookies.get(cookie_of(request, SIGN_IN), "")
    is_own = compare_digest(shown.encode(errors="replace"), state.encode(errors="replace"))
    begun = floor_of(request).access.begun.take(state) if is_own else None
    if begun is None:
        raise SignInError("this sign-in was not begun in this browser, or too long ago: sign in again")
    return begun


def _code(request: Request) -> str:
    """Raises SignInError."""
    if (code := request.query_params.get("code")) is None:
        error = request.query_params.get("error", "no code")[:100]
        raise SignInError(f"the provider did not sign in ({error}): try again")
    return code


async def _open(request: Request, principal: Principal, then: str, is_valid: Callable[[], bool] = always) -> Response:
    floor = floor_of(request)
    check_acts(floor.access, f"user {principal.name}")
    detail = {"from": request.state.client_host} | ({"sub": principal.subject} if principal.subject else {})
    await run_in_threadpool(floor.audit.append, principal, "sign-in", principal.name, detail)
    cookie, _ = floor.access.sessions.open(principal, is_valid)
    response = RedirectResponse(local_path(then), 303)
    set_cookie(request, response, SESSION, cookie, floor.access.settings.sessions.age_s)
    return response


def _page(request: Request, problem: str, status: int = 200) -> Response:
    access = floor_of(request).access
    then = local_path(request.query_params.get("next", "/"))
    settings = access.settings
    values = {
        "problem": problem,
        "next": then,
        "next_query": urlencode({"next": then}),
        "is_open": access.hosts is not None,
        "takes_tokens": settings.token_file is not None,
        "provider": "" if settings.oidc is None else urlsplit(settings.oidc.issuer).netloc,
    }
    return render(request, "sign_in.html", values, status)


def local_path(path: str) -> str:
    """The path, if it leads to this page; else the root: a link to sign-in must not lead on to another site."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and len(path) <= MAX_NEXT
    return path if is_local and path.isprintable() and "\\" not in path else "/"


def _callback(request: Request) -> str:
    as_asked = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return (floor_of(request).settings.public_url or as_asked).rstrip("/") + CALLBACK


def _flow(request: Request) -> SignInFlow:
    flow = floor_of(request).access.flow
    if flow is None:
        raise HTTPException(404, "no provider is configured: see [access.oidc]")
    return flow


def _failures(request: Request) -> PageFailures:
    failures = request.state.failures
    assert isinstance(failures, PageFailures), "set by the middleware"  # noqa: S101
    return failures


routes = [
    Route("/sign-in", sign_in_page),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-in/provider", sign_in_at_provider),
    Route(CALLBACK, callback),
    Route("/sign-out", sign_out, methods=["POST"]),
]
