"""Answers the standard health protocol (grpc.health.v1).

The servicer of grpcio holds a lock while it writes to a watcher: one that reads nothing would block status changes for
all others.
"""

import asyncio

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from inspector.gateway.refusal import StatusError, exhausted

Context = grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]


class Health(HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    """One status for all known service names."""

    def __init__(self, names: frozenset[str], send_timeout_s: float) -> None:
        self._names, self._send_timeout_s = names, send_timeout_s
        self._status = HealthCheckResponse.NOT_SERVING
        self._changed = asyncio.Event()

    def report(self, *, serving: bool) -> None:
        self._status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802
        if request.service not in self._names:
            known = ", ".join(repr(name) for name in sorted(self._names))
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, f"no service {request.service[:60]!r}, expected one of {known}"
            )
        return HealthCheckResponse(status=self._status)

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802
        while True:
            changed, known = self._changed, request.service in self._names
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await context.write(
                        HealthCheckResponse(status=self._status if known else HealthCheckResponse.SERVICE_UNKNOWN)
                    )
            except TimeoutError:
                raise exhausted(
                    f"the client did not accept the status for {self._send_timeout_s:g} s: read faster"
                ) from None
            await changed.wait()
