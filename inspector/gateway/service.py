"""Answers the calls of `InspectionService`, each by the part that knows how. Knows no log and no model itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn, Protocol

import grpc

from inspector.gateway.feedback import FeedbackDesk
from inspector.gateway.index import VerdictIndex
from inspector.gateway.inspecting import Inspecting
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.refusal import Metadata, Refusal
from inspector.gateway.watching import Context as WatchContext
from inspector.gateway.watching import Watching
from protos.inspection.v1.service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    GetVerdictRequest,
    GetVerdictResponse,
    InspectRequest,
    InspectResponse,
    SubmitFeedbackRequest,
    SubmitFeedbackResponse,
    WatchVerdictsRequest,
)
from protos.inspection.v1.service_pb2_grpc import InspectionServiceServicer
from streams.observation import InspectionId

ModelLookup = Callable[[str, str, str], GetModelResponse | None]
"""Line, station and product, each possibly empty, to the model that judges there."""
MAX_DETAIL = 1000
"""A status travels in headers, which clients take up to 8 KiB of."""
ABORT_BUDGET_S = 5.0
"""A client that reads nothing must not hold the call for longer."""


class Abortable(Protocol):
    """The part of a call's context that ends it with a status."""

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Metadata) -> NoReturn: ...


class InspectionService(InspectionServiceServicer):
    def __init__(
        self,
        watching: Watching,
        index: VerdictIndex,
        inspecting: Inspecting,
        desk: FeedbackDesk,
        models: ModelLookup,
        metrics: GatewayMetrics,
    ) -> None:
        self._watching, self._index, self._inspecting, self._desk = watching, index, inspecting, desk
        self._models, self._metrics = models, metrics

    async def Inspect(  # noqa: N802
        self, request: InspectRequest, context: "grpc.aio.ServicerContext[InspectRequest, InspectResponse]"
    ) -> InspectResponse:
        async with self._answering("Inspect", context):
            with self._metrics.inspect_seconds.time():
                return InspectResponse(verdict=await self._inspecting.inspect(request))

    async def WatchVerdicts(self, request: WatchVerdictsRequest, context: WatchContext) -> None:  # noqa: N802
        async with self._answering("WatchVerdicts", context):
            await self._watching.serve(request, context)

    async def GetVerdict(  # noqa: N802
        self, request: GetVerdictRequest, context: "grpc.aio.ServicerContext[GetVerdictRequest, GetVerdictResponse]"
    ) -> GetVerdictResponse:
        async with self._answering("GetVerdict", context):
            return self._find(request)

    async def SubmitFeedback(  # noqa: N802
        self,
        request: SubmitFeedbackRequest,
        context: "grpc.aio.ServicerContext[SubmitFeedbackRequest, SubmitFeedbackResponse]",
    ) -> SubmitFeedbackResponse:
        async with self._answering("SubmitFeedback", context):
            await self._desk.file(request.feedback)
            return SubmitFeedbackResponse()

    async def GetModel(  # noqa: N802
        self, request: GetModelRequest, context: "grpc.aio.ServicerContext[GetModelRequest, GetModelResponse]"
    ) -> GetModelResponse:
        async with self._answering("GetModel", context):
            found = self._models(request.line, request.station, request.product)
            if found is None:
                place = f"line {request.line!r}, station {request.station!r}, product {request.product!r}"
                raise Refusal(grpc.StatusCode.NOT_FOUND, f"no recipe fits {place}: name one that the service serves")
            return found

    def _find(self, request: GetVerdictRequest) -> GetVerdictResponse:
        named = request.inspection
        wanted = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
        self._index.trim(time.time_ns())
        entry = self._index.find(wanted)
        if entry is None:
            since = datetime.fromtimestamp(self._index.since_ns / 1e9, UTC).isoformat(timespec="milliseconds")
            raise Refusal(
                grpc.StatusCode.NOT_FOUND,
                f"no verdict of {wanted} since {since}, which is as far as this gateway knows: "
                "it may be older, or still to come",
                (("since-ns", str(self._index.since_ns)),),
            )
        response = GetVerdictResponse()
        response.verdict.MergeFromString(entry.value)
        return response

    @asynccontextmanager
    async def _answering(self, call: str, context: "Abortable") -> AsyncIterator[None]:
        """Turns a refusal into the call's status."""
        try:
            yield
        except Refusal as refusal:
            self._metrics.refused.labels(call, refusal.code.name).inc()
            async with asyncio.timeout(ABORT_BUDGET_S):
                await context.abort(refusal.code, refusal.detail[:MAX_DETAIL], refusal.metadata)
