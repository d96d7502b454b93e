"""Puts the pages together: routes of every module in `pages`, static files, guards, error pages."""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from inspector.web import pages
from inspector.web.actions import guarded
from inspector.web.errors import http_error, server_error
from inspector.web.guards import RequestLimits, SecurityHeaders
from inspector.web.sign_in import SignIn
from inspector.web.state import Floor
from inspector.web.static_files import StaticFiles
from inspector.web.templating import HERE


def page_routes() -> Iterator[BaseRoute]:
    """The list `routes` of each module in `inspector.web.pages`, by the module's name."""
    for module in sorted(pkgutil.iter_modules(pages.__path__), key=lambda page: page.name):
        yield from importlib.import_module(f"{pages.__name__}.{module.name}").routes


class _Pages(Starlette):
    """The headers go around everything, also around the answer to an unexpected error."""

    def __init__(
        self, routes: Sequence[BaseRoute], middleware: Sequence[Middleware], floor: Floor, *, is_tls: bool
    ) -> None:
        super().__init__(
            routes=routes, middleware=middleware, exception_handlers={HTTPException: http_error, 500: server_error}
        )
        self._is_tls = is_tls
        self.router.redirect_slashes = False  # it would lead to whatever name the client calls the page by
        self.state.floor = floor

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack(), is_tls=self._is_tls)


def create_app(floor: Floor, *, is_tls: bool = False, middleware: Sequence[Middleware] = ()) -> Starlette:
    """`middleware` runs inside the guards and sign-in, and around the pages."""
    settings = floor.settings
    is_https = is_tls or settings.public_url.lower().startswith("https://")
    limits = Middleware(
        RequestLimits, max_body_bytes=settings.max_body_bytes, request_timeout_s=settings.request_timeout_s
    )
    sign_in = Middleware(SignIn, access=floor.access, audit=floor.audit, settings=settings, is_https=is_https)
    routes = [Mount("/static", StaticFiles(HERE / "static"), name="static"), *guarded(page_routes())]
    return _Pages(routes, [limits, sign_in, *middleware], floor, is_tls=is_https)
