"""Answers the calls of `InspectionService` by passing each to its part of the gateway."""

from collections.abc import Callable

import grpc

from inspector.gateway.callers import caller_of
from inspector.gateway.feedback import FeedbackWriter
from inspector.gateway.guard import calling
from inspector.gateway.inspecting import InspectService
from inspector.gateway.lookup import Lookup, inspection_id
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.refusal import StatusError, invalid_argument
from inspector.gateway.watching import Context as WatchContext
from inspector.gateway.watching import WatchService
from protos.inspection.v1.service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    GetVerdictRequest,
    GetVerdictResponse,
    SubmitFeedbackRequest,
    SubmitFeedbackResponse,
    WatchVerdictsRequest,
)
from protos.inspection.v1.service_pb2_grpc import InspectionServiceServicer
from streams.decode.limits import is_text

ModelLookup = Callable[[str, str, str], GetModelResponse | None]
"""Maps line, station and product, each possibly empty, to the model that judges there."""


class InspectionService(InspectionServiceServicer):
    def __init__(
        self,
        watching: WatchService,
        lookup: Lookup,
        inspecting: InspectService,
        feedback: FeedbackWriter,
        models: ModelLookup,
        metrics: GatewayMetrics,
    ) -> None:
        self._watching, self._lookup, self._inspecting, self._feedback = watching, lookup, inspecting, feedback
        self._models, self._metrics = models, metrics

    async def Inspect(  # noqa: N802
        self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        """Request and response are serialised: the one is parsed when there is room for it, the other is made by the
        thread that judges."""
        with self._metrics.inspect_seconds.time():
            return await self._inspecting.inspect(request, caller_of(context))

    async def WatchVerdicts(self, request: WatchVerdictsRequest, context: WatchContext) -> None:  # noqa: N802
        await self._watching.serve(request, context)

    async def GetVerdict(  # noqa: N802
        self, request: GetVerdictRequest, context: "grpc.aio.ServicerContext[GetVerdictRequest, GetVerdictResponse]"
    ) -> GetVerdictResponse:
        return GetVerdictResponse(
            verdict=await self._lookup.answer(inspection_id(request.inspection), caller_of(context))
        )

    async def SubmitFeedback(  # noqa: N802
        self,
        request: SubmitFeedbackRequest,
        context: "grpc.aio.ServicerContext[SubmitFeedbackRequest, SubmitFeedbackResponse]",
    ) -> SubmitFeedbackResponse:
        await self._feedback.write(request.feedback, caller_of(context), calling())
        return SubmitFeedbackResponse()

    async def GetModel(  # noqa: N802
        self, request: GetModelRequest, context: "grpc.aio.ServicerContext[GetModelRequest, GetModelResponse]"
    ) -> GetModelResponse:
        place = (request.line, request.station, request.product)
        for what, value in zip(("line", "station", "product"), place, strict=True):
            if not is_text(value):
                raise invalid_argument(f"{what} is {value[:60]!r}, expected at most 128 printable bytes")
        model = self._models(*place)
        if model is None:
            named = f"line {request.line!r}, station {request.station!r}, product {request.product!r}"
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                f"no recipe matches {named}: use a line, station and product of the service's recipes",
            )
        return model
