"""`/events`: the one stream of server-sent events that a browser opens for all of its tabs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.web.actions import needs
from inspector.web.state import floor_of
from inspector.web.stream import EventStream

MAX_ID = 64 * 2**10


@needs("verdicts.watch")
async def events(request: Request) -> Response:
    """Continues behind `Last-Event-ID`, which the browser sends by itself, or behind `?after=`."""
    floor = floor_of(request)
    after = request.headers.get("last-event-id") or request.query_params.get("after", "")
    client = request.state.client_host, getattr(request.state, "user", "")
    return EventStream(floor.hub, floor.places, client, after[:MAX_ID], floor.settings)


routes = [Route("/events", events)]
