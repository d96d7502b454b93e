"""What the pages share: one `Floor`, at `request.app.state.floor`."""

from dataclasses import dataclass

from starlette.requests import Request

from inspector.recipe.recipes import Recipes
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


def floor_of(request: Request) -> Floor:
    floor = request.app.state.floor
    assert isinstance(floor, Floor), "set by create_app"  # noqa: S101
    return floor
