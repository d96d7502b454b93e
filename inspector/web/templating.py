"""Renders the pages' templates. Every value is escaped; an unknown variable is an error."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from inspector.web.environment import strict_environment

HERE = Path(__file__).parent
NAVIGATION = (("Line", "/"), ("Pieces", "/pieces"), ("Charts", "/charts"), ("Review", "/review"), ("Alerts", "/alerts"))


def _environment() -> Environment:
    environment = strict_environment(HERE / "templates")
    environment.globals["navigation"] = NAVIGATION
    return environment


_ENVIRONMENT = _environment()


def render(request: Request, template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """The page as HTML. `base.html` reads `path` (the request's path), `user` (empty without a sign-in) and
    `form_token`, which proves that a POST comes from our own page."""
    values = {
        "path": request.url.path,
        "user": getattr(request.state, "user", ""),
        "form_token": getattr(request.state, "form_token", ""),
        **context,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(values), status)
