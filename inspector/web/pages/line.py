"""The Line page: what each station judged last, large enough to be read from three metres."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.web.actions import needs
from inspector.web.card import Value
from inspector.web.last_pieces import last_cards
from inspector.web.state import Floor, floor_of
from inspector.web.templating import render


@needs("verdicts.watch")
async def line(request: Request) -> Response:
    return render(request, "line.html", {"snapshot": await _snapshot(floor_of(request))})


async def _snapshot(floor: Floor) -> Mapping[str, Value]:
    """The verdicts of the last minutes from the log; without any, the last pieces of the archive."""
    snapshot = floor.hub.snapshot()
    if snapshot["stations"] or floor.archive is None:
        return snapshot
    return {**snapshot, "stations": await asyncio.to_thread(last_cards, floor.archive)}


routes = [Route("/", line)]
