"""Renders the pages' templates. Every value is escaped; an unknown variable is an error."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

HERE = Path(__file__).parent
NAVIGATION = (("Line", "/"), ("Pieces", "/pieces"), ("Charts", "/charts"), ("Review", "/review"), ("Alerts", "/alerts"))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["navigation"] = NAVIGATION
    return environment


_ENVIRONMENT = _environment()


def render(request: Request, template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """The page as HTML. `base.html` reads `path` (the request's path) and `user` (empty without a sign-in)."""
    principal = getattr(request.state, "principal", None)
    values = {"path": request.url.path, "user": getattr(principal, "name", ""), **context}
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(values), status)
