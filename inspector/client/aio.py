"""The client of the gateway for asyncio; see `inspector.client.client` for what its calls mean."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio

from inspector.client.client import (
    CHANNEL_OPTIONS,
    FIRST_DELAY_S,
    MAX_DELAY_S,
    RETRIED,
    ClientTls,
    Shown,
    WatchOptions,
    client_error,
    credentials,
    watch_request,
)
from inspector.client.token import ClientToken
from protos.inspection.v1.records_pb2 import Feedback, Inspection
from protos.inspection.v1.service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    GetVerdictRequest,
    InspectRequest,
    SubmitFeedbackRequest,
)
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.outage import Backoff

T = TypeVar("T")


class AsyncClient:
    """One channel to one gateway. Make it inside a running event loop, and use it there only."""

    def __init__(self, address: str, tls: ClientTls | None = None, token: ClientToken | None = None) -> None:
        """Raises TokenError for a token that would travel unencrypted."""
        self._shown = Shown(address, tls, token)
        if tls is None:
            self._channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials(tls), CHANNEL_OPTIONS)
        self._stub = InspectionServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    async def inspect(self, request: InspectRequest, timeout_s: float = 30.0) -> Verdict:
        """Raises ClientError."""
        verdict: Verdict = (
            await _answer(self._stub.Inspect(request, timeout=timeout_s, metadata=self._shown.metadata))
        ).verdict
        return verdict

    async def verdict(self, inspection: Inspection, timeout_s: float = 10.0) -> Verdict:
        """A recent verdict. Raises ClientError."""
        request = GetVerdictRequest(inspection=inspection)
        verdict: Verdict = (
            await _answer(self._stub.GetVerdict(request, timeout=timeout_s, metadata=self._shown.metadata))
        ).verdict
        return verdict

    async def submit_feedback(self, feedback: Feedback, timeout_s: float = 10.0) -> None:
        """Returns once the feedback is in the log. Raises ClientError."""
        request = SubmitFeedbackRequest(feedback=feedback)
        await _answer(self._stub.SubmitFeedback(request, timeout=timeout_s, metadata=self._shown.metadata))

    async def model(
        self, line: str = "", station: str = "", product: str = "", timeout_s: float = 10.0
    ) -> GetModelResponse:
        """Raises ClientError."""
        request = GetModelRequest(line=line, station=station, product=product)
        response: GetModelResponse = await _answer(
            self._stub.GetModel(request, timeout=timeout_s, metadata=self._shown.metadata)
        )
        return response

    async def watch(self, options: WatchOptions | None = None) -> AsyncIterator[tuple[Verdict, bytes]]:
        """Gives (verdict, token behind it). Reconnects with the last token, so nothing comes twice or is lost.

        Raises ClientError for what trying again does not cure.
        """
        options = options or WatchOptions()
        token, delays = options.token, Backoff(FIRST_DELAY_S, MAX_DELAY_S)
        while True:
            call = self._stub.WatchVerdicts(watch_request(options, token), metadata=self._shown.metadata)
            try:
                async for response in call:
                    delays.reset()
                    token = response.resume_token
                    if response.HasField("verdict"):
                        yield response.verdict, response.resume_token
            except grpc.aio.AioRpcError as error:
                if error.code() not in RETRIED:
                    raise client_error(error) from error
            finally:
                call.cancel()
            await asyncio.sleep(delays.next_s())


async def _answer(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise client_error(error) from error
