"""Middleware that says who asks, and refuses forged, foreign and too many requests.

A request's principal is that of its bearer token, else of its session, else of its client certificate; a page that only
this machine reaches has one without any of them. It stands in `request.state.principal`. Routes say what they need by
`inspector.web.actions.needs`.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TypeVar

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspector.access.audit.protocol import Audit
from inspector.access.exposure import proxy_problem
from inspector.access.principal import Principal
from inspector.access.sessions import Session, always
from inspector.access.sign_in import SignInError, SignInUnavailableError
from inspector.web.access import PageAccess
from inspector.web.cookies import SESSION, cookie_of
from inspector.web.errors import http_error
from inspector.web.failures import PageFailures
from inspector.web.patience import client_host
from inspector.web.proxies import TrustedProxies, netloc_of
from inspector.web.settings import WebSettings

Answer = TypeVar("Answer")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TOKEN = "x-form-token"  # noqa: S105 - the header's name
FORMS = frozenset({"/sign-in", "/sign-out"})
"""Paths of plain forms, which hold the token in a field and check it themselves. Compared with the path that was asked
for, and not with `request.url`, which is put together from a name of the page that the client writes."""


class SignIn:
    """Wraps the pages of one server."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: PageAccess,
        audit: Audit,
        settings: WebSettings,
        is_https: bool = False,
    ) -> None:
        """`is_https`: all browsers see the page over TLS, whoever ends it."""
        self._app, self._access, self._is_https = app, access, is_https
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._public = netloc_of(settings.public_url)
        self._failures = PageFailures(access.settings.rates, audit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        peer = "unknown" if request.client is None else request.client.host
        if self._is_https or self._proxies.is_https(peer, request.headers):
            scope["scheme"] = "https"
        request.state.client_host = host = client_host((self._proxies.client(peer, request.headers), 0))
        request.state.failures = self._failures
        request.state.form_token = self._access.form_token
        try:
            self._check_host(request)
            _check_site(request)
            self._check_rate(f"address {host}")
            session = await self._identify(request)
            if request.method not in SAFE:
                _check_origin(request, session, self._public, is_open=self._access.hosts is not None)
                self._check_acts(request)
        except HTTPException as refusal:
            await (await http_error(request, refusal))(scope, receive, send)
            return
        stream = _Stream(send, self._lasts(request, session))
        try:
            await self._app(scope, receive, stream.send)
        except Exception:
            if not stream.is_cut:
                raise

    def _check_host(self, request: Request) -> None:
        host, hosts = request.headers.get("host", ""), self._access.hosts
        if hosts is not None and not hosts.allows(host):
            raise HTTPException(
                421,
                f"this page lets people in without signing in, and {host[:100]!r} is no name of it: use its address, "
                "add the name to [web] hosts, or decide in [access] who may see it",
            )
        is_local = hosts is not None and hosts.only_this_machine
        if is_local and (problem := proxy_problem(request.headers.keys())):
            raise HTTPException(403, problem)

    def _check_rate(self, who: str) -> None:
        wait_s = self._access.requests.take(who)
        if wait_s > 0:
            raise HTTPException(429, "too many requests from here", {"retry-after": str(int(wait_s) + 1)})

    def _check_acts(self, request: Request) -> None:
        """Not of the forms of sign-in: what others send from the same address must not keep a person out."""
        if request.scope["path"] in FORMS:
            return
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
        try:
            return await checked(self._access, bearer)
        except SignInError as error:
            await self._failures.note(request.state.client_host, str(error))
            raise

    def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(cookie_of(request, SESSION))
        return None if cookie is None else self._access.sessions.find(cookie)

    def _without_session(self, request: Request) -> Principal:
        names = getattr(request.state, "certificate_names", ())
        return self._access.identities.of_certificate(names) or self._access.identities.without_credentials()

    def _lasts(self, request: Request, session: Session | None) -> Callable[[], bool]:
        """Says later whether an event stream may go on: a session ends by sign-out, by age, or with its token; other
        credentials are shown again after a while."""
        if session is not None:
            return partial(self._access.sessions.lives, session)
        principal = getattr(request.state, "principal", None)
        if not isinstance(principal, Principal) or not principal.is_proven:
            return always
        end_s = monotonic() + self._access.settings.sessions.recheck_s
        is_valid = self._access.identities.validity(_bearer(request) or "", principal)
        return lambda: monotonic() < end_s and is_valid()


class _StreamEndedError(Exception):
    """Ends the app's work on a stream."""


class _Stream:
    """Passes an answer on; cuts off an event stream whose credentials have ended, at its next message."""

    def __init__(self, send: Send, lasts: Callable[[], bool]) -> None:
        self._send, self._lasts = send, lasts
        self._is_stream = self.is_cut = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message.get("headers", ()))
            self._is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        elif self._is_stream and not self._lasts():
            self.is_cut = True
            with suppress(OSError):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _StreamEndedError
        await self._send(message)


async def checked(access: PageAccess, credential: str) -> Principal:
    """Whose it is; local tokens do not wait for a provider. Raises SignInError, SignInUnavailableError."""
    check = partial(access.identities.of_credential, credential)
    if not access.identities.asks_provider(credential):
        return await run_in_threadpool(check)
    return await asked(access, check)


async def asked(access: PageAccess, call: Callable[[], Answer]) -> Answer:
    """Runs what may wait for the provider in a thread of the few for that: anybody may have it asked, and all other
    work needs the rest."""
    return await to_thread.run_sync(call, limiter=access.asking)


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


def _check_origin(request: Request, session: Session | None, public: str, *, is_open: bool) -> None:
    """Refuses what another site makes a browser send. Programs that show a token are no browsers. `public` is the
    page's name before a proxy, which may ask for it by another one. Raises HTTPException."""
    if not getattr(request.state, "is_ambient", True):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    names = {request.headers.get("host"), public} - {None, ""}
    is_own = site in (None, "same-origin", "none") and (origin is None or origin.partition("://")[2] in names)
    if not is_own:
        raise HTTPException(403, f"the request comes from another site ({(origin or site or '')[:100]}): open the page")
    principal = getattr(request.state, "principal", None)
    needs_token = (
        is_open or session is not None or (isinstance(principal, Principal) and principal.origin == "certificate")
    )
    if needs_token and request.scope["path"] not in FORMS:
        check_form_token(request, request.headers.get(FORM_TOKEN, ""))


def check_form_token(request: Request, shown: str) -> None:
    """Raises HTTPException where a form or script does not belong to our page."""
    if not secrets.compare_digest(shown.encode(), str(request.state.form_token).encode()):
        raise HTTPException(403, "the form is of an earlier session: load the page again")
