"""`/metrics`: the floor's metrics for Prometheus."""

from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.web.actions import needs
from inspector.web.state import floor_of


@needs("metrics.see")
async def metrics(request: Request) -> Response:
    registry = floor_of(request).registry
    if registry is None:
        raise HTTPException(404, "This page has no metrics.")
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(await run_in_threadpool(encode, registry), headers={"content-type": kind})


routes = [Route("/metrics", metrics)]
