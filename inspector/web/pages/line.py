"""The Line page: what each station judged last, large enough to be read from three metres."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.web.actions import needs
from inspector.web.state import floor_of
from inspector.web.templating import render


@needs("verdicts.watch")
async def line(request: Request) -> Response:
    return render(request, "line.html", {"snapshot": floor_of(request).hub.snapshot()})


routes = [Route("/", line)]
