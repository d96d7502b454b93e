"""Binds routes to the actions that `inspector.access` knows. A route without one is open to nobody who has a role."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from inspector.access.principal import AccessDeniedError, Principal, require
from inspector.access.roles import ACTIONS
from inspector.access.sign_in import SignInError

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])
OPEN = "open"
"""The action of routes that need no sign-in: the sign-in page itself, styles and scripts."""
_ATTRIBUTE = "inspector_action"


def needs(action: str) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint with the action that it performs, one of `ACTIONS`."""
    if action not in ACTIONS and action != OPEN:
        raise KeyError(f"{action!r} is no action: see inspector/access/roles.py")

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, action)
        return endpoint

    return mark


def action_of(route: BaseRoute) -> str | None:
    """The action that the route's endpoint is marked with."""
    endpoint = getattr(route, "endpoint", None)
    action = getattr(endpoint, _ATTRIBUTE, None)
    return action if isinstance(action, str) else None


def guarded(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Copies of the routes, each behind its action. Raises TypeError for a kind of route that cannot be guarded."""
    for route in routes:
        if not isinstance(route, Route):
            raise TypeError(f"{route!r} is no Route: pages list plain routes, each with its action")
        behind = copy(route)
        behind.app = _Guarded(route.app, action_of(route))
        yield behind


def undeclared(routes: Iterable[BaseRoute]) -> list[str]:
    """Paths of routes without an action."""
    return [route.path for route in routes if isinstance(route, Route) and action_of(route) is None]


class _Guarded:
    """One route behind its action."""

    def __init__(self, app: ASGIApp, action: str | None) -> None:
        self._app, self._action = app, action

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._action != OPEN:
            check(principal_of(Request(scope)), self._action)
        await self._app(scope, receive, send)


def check(principal: Principal, action: str | None) -> None:
    """Raises HTTPException with 403."""
    if action is None:
        if principal.origin != "loopback":
            raise HTTPException(403, "this address has no action, so no role may use it: this is a defect of inspector")
        return
    try:
        require(principal, action)
    except AccessDeniedError as denied:
        raise HTTPException(403, str(denied)) from denied


def principal_of(request: Request) -> Principal:
    """Who asks. Raises HTTPException with 401 where nobody is signed in."""
    principal = getattr(request.state, "principal", None)
    if isinstance(principal, Principal):
        return principal
    problem = getattr(request.state, "sign_in_problem", None)
    detail = str(problem) if isinstance(problem, SignInError) else "nobody is signed in: sign in first"
    raise HTTPException(401, detail, {"www-authenticate": "Bearer"})
