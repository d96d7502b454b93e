"""What the pages share: one `Floor`, at `request.app.state.floor`."""

from dataclasses import dataclass, field

from starlette.requests import Request

from inspector.access.audit.protocol import Audit, NoAudit
from inspector.recipe.recipes import Recipes
from inspector.web.access import PageAccess, open_access
from inspector.web.settings import WebSettings
from streams.log import Log


@dataclass(frozen=True, slots=True)
class Floor:
    """The parts that the pages read from and write to."""

    settings: WebSettings
    prefix: str
    """First part of every topic's name."""
    lines: tuple[str, ...]
    recipes: Recipes
    log: Log
    access: PageAccess = field(default_factory=open_access)
    """Who may do what."""
    audit: Audit = field(default_factory=NoAudit)
    """Keeps a record of every act that changes something."""


def floor_of(request: Request) -> Floor:
    floor = request.app.state.floor
    assert isinstance(floor, Floor), "set by create_app"  # noqa: S101
    return floor
