"""Middleware that says who asks, and refuses forged, foreign and too many requests.

A request's principal is that of its bearer token, else of its session, else of its client certificate; a page that only
this machine reaches has one without any of them. It stands in `request.state.principal`. Routes say what they need by
`inspector.web.actions.needs`.
"""

import secrets
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspector.access.audit.protocol import Audit
from inspector.access.exposure import is_loopback
from inspector.access.principal import Principal
from inspector.access.sessions import Session
from inspector.access.sign_in import SignInError, SignInUnavailableError
from inspector.web.access import PageAccess
from inspector.web.cookies import SESSION, cookie_of
from inspector.web.errors import http_error
from inspector.web.failures import PageFailures
from inspector.web.patience import client_host

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TOKEN = "x-form-token"  # noqa: S105 - the header's name
FORMS = frozenset({"/sign-in", "/sign-out"})
"""Paths of plain forms, which hold the token in a field and check it themselves."""


class SignIn:
    """Wraps the pages of one server."""

    def __init__(self, app: ASGIApp, *, access: PageAccess, audit: Audit, is_https: bool = False) -> None:
        """`is_https`: browsers see the page over TLS, whoever ends it."""
        self._app, self._access, self._is_https = app, access, is_https
        self._failures = PageFailures(access.settings.rates, audit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._is_https:
            scope["scheme"] = "https"
        request = Request(scope)
        request.state.client_host = host = client_host(request.client)
        request.state.failures = self._failures
        request.state.form_token = self._access.form_token
        try:
            self._check_host(request)
            _check_site(request)
            self._check_rate(f"address {host}")
            session = await self._identify(request)
            if request.method not in SAFE:
                _check_origin(request, session)
                self._check_acts(request)
        except HTTPException as refusal:
            await (await http_error(request, refusal))(scope, receive, send)
            return
        if session is None:
            await self._app(scope, receive, send)
        else:
            await self._serve(session, scope, receive, send)

    def _check_host(self, request: Request) -> None:
        """A page elsewhere may give its own name this machine's address; its scripts then reach an open page."""
        host = request.headers.get("host", "")
        if self._access.only_local_hosts and not is_loopback(host if host.rpartition(":")[0] else f"{host}:0"):
            raise HTTPException(
                421,
                f"this page is open to this machine only, and was asked for as {host[:100]!r}: use 127.0.0.1, or "
                "decide in [access] who may see it",
            )

    def _check_rate(self, who: str) -> None:
        wait_s = self._access.requests.take(who)
        if wait_s > 0:
            raise HTTPException(429, "too many requests from here", {"retry-after": str(int(wait_s) + 1)})

    def _check_acts(self, request: Request) -> None:
        who = getattr(request.state, "user", None)
        check_acts(self._access, request.state.client_host if who is None else f"user {who}")

    async def _identify(self, request: Request) -> Session | None:
        """Sets the principal, or why there is none; returns the session that the request belongs to."""
        state, session = request.state, None
        try:
            if (bearer := _bearer(request)) is not None:
                state.principal, state.is_ambient = await self._of_bearer(request, bearer), False
            elif (session := self._session(request)) is not None:
                state.principal, state.form_token = session.principal, session.form_token
            else:
                state.principal = self._without_session(request)
        except SignInError as error:
            state.sign_in_problem = error
            return None
        except SignInUnavailableError as error:
            raise HTTPException(503, str(error), {"retry-after": "5"}) from error
        if state.principal.is_proven:
            state.user = state.principal.name
            self._check_rate(f"user {state.principal.name}")
        return session

    async def _of_bearer(self, request: Request, bearer: str) -> Principal:
        self._failures.check(request.state.client_host)
        try:
            return await run_in_threadpool(self._access.identities.of_credential, bearer)
        except SignInError as error:
            await self._failures.note(request.state.client_host, str(error))
            raise

    def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(cookie_of(request, SESSION))
        return None if cookie is None else self._access.sessions.find(cookie)

    def _without_session(self, request: Request) -> Principal:
        names = getattr(request.state, "certificate_names", ())
        return self._access.identities.of_certificate(names) or self._access.identities.without_credentials()

    async def _serve(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends an event stream when its session ends: by sign-out, by age, or with its token."""
        stream = _Stream(send, self._access, session)
        try:
            await self._app(scope, receive, stream.send)
        except Exception:
            if not stream.is_cut:
                raise


class _SessionEndedError(Exception):
    """Ends the app's work on a stream."""


class _Stream:
    """Passes an answer on; cuts off an event stream whose session has ended, at its next message."""

    def __init__(self, send: Send, access: PageAccess, session: Session) -> None:
        self._send, self._access, self._session = send, access, session
        self._is_stream = self.is_cut = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message.get("headers", ()))
            self._is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        elif self._is_stream and not self._access.sessions.lives(self._session):
            self.is_cut = True
            with suppress(OSError):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _SessionEndedError
        self._access.sessions.touch(self._session)
        await self._send(message)


def _bearer(request: Request) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def check_acts(access: PageAccess, who: str) -> None:
    """Raises HTTPException where somebody changes more than a person can."""
    wait_s = access.acts.take(who)
    if wait_s > 0:
        raise HTTPException(429, "too many changes in a short time", {"retry-after": str(int(wait_s) + 1)})


def _check_site(request: Request) -> None:
    """Another site may lead a person here, and load nothing from here: its requests count towards no limit. Raises
    HTTPException."""
    fetch = [request.headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest")]
    if fetch[0] == "cross-site" and fetch[1:] != ["navigate", "document"]:
        raise HTTPException(403, "the request comes from another site: open the page")


def _check_origin(request: Request, session: Session | None) -> None:
    """Refuses what another site makes a browser send. Programs that show a token are no browsers. Raises
    HTTPException."""
    if not getattr(request.state, "is_ambient", True):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    is_own = site in (None, "same-origin", "none") and (origin is None or origin.partition("://")[2] == host)
    if not is_own:
        raise HTTPException(403, f"the request comes from another site ({(origin or site or '')[:100]}): open the page")
    principal = getattr(request.state, "principal", None)
    needs_token = session is not None or (isinstance(principal, Principal) and principal.origin == "certificate")
    if needs_token and request.url.path not in FORMS:
        check_form_token(request, request.headers.get(FORM_TOKEN, ""))


def check_form_token(request: Request, shown: str) -> None:
    """Raises HTTPException where a form or script does not belong to our page."""
    if not secrets.compare_digest(shown.encode(), str(request.state.form_token).encode()):
        raise HTTPException(403, "the form is of an earlier session: load the page again")
