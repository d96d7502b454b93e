"""gRPC client of a gateway. Its watches continue across restarts of the gateway."""

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import grpc

from inspector.client.token import ClientToken, Metadata
from protos.inspection.v1.records_pb2 import Feedback, Inspection
from protos.inspection.v1.service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    GetVerdictRequest,
    InspectRequest,
    SubmitFeedbackRequest,
    WatchStart,
    WatchVerdictsRequest,
    WatchVerdictsResponse,
)
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.outage import Backoff

RETRIED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
CONNECT_TIMEOUT_S = 5.0
"""For TCP, TLS and the first HTTP/2 frame; with 0.1 s a busy or distant gateway could not be reached."""
MAX_MESSAGE_BYTES = 64 * 2**20
_TOO_LARGE = re.compile(r"SERVER: Received message larger than max \((\d+) vs\. (\d+)\)")
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_reconnect_backoff_ms", int(MAX_DELAY_S * 1000)),
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_DELAY_S * 1000)),
    ("grpc.min_reconnect_backoff_ms", int(CONNECT_TIMEOUT_S * 1000)),
    ("grpc.keepalive_time_ms", 20_000),
]


class ClientError(Exception):
    """The gateway refused the call. `oldest_ns` is the oldest time available if a token or a time has expired."""

    def __init__(self, code: grpc.StatusCode, detail: str, oldest_ns: int | None = None) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.oldest_ns = oldest_ns


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files: the authority of the gateway's certificate, and certificate and key of the client for mutual TLS."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Filters and start of a watch: `token`, else `start_time_ns`, else `earliest`, else live."""

    lines: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    token: bytes | None = None
    start_time_ns: int | None = None
    earliest: bool = False


class Client:
    """One channel to one gateway."""

    def __init__(self, address: str, tls: ClientTls | None = None, token: ClientToken | None = None) -> None:
        """Raises TokenError for a token that would travel unencrypted."""
        self._shown = Shown(address, tls, token)
        if tls is None:
            self._channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, credentials(tls), CHANNEL_OPTIONS)
        self._stub = InspectionServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def watch(self, options: WatchOptions | None = None) -> "Watch":
        return Watch(self._stub, options or WatchOptions(), self._shown)

    def inspect(self, request: InspectRequest, timeout_s: float = 30.0) -> Verdict:
        """Raises ClientError."""
        try:
            verdict: Verdict = self._stub.Inspect(request, timeout=timeout_s, metadata=self._shown.metadata).verdict
        except grpc.RpcError as error:
            raise client_error(error) from error
        return verdict

    def verdict(self, inspection: Inspection, timeout_s: float = 10.0) -> Verdict:
        """A recent verdict. Raises ClientError."""
        try:
            request = GetVerdictRequest(inspection=inspection)
            verdict: Verdict = self._stub.GetVerdict(request, timeout=timeout_s, metadata=self._shown.metadata).verdict
        except grpc.RpcError as error:
            raise client_error(error) from error
        return verdict

    def submit_feedback(self, feedback: Feedback, timeout_s: float = 10.0) -> None:
        """Returns once the feedback is in the log. Raises ClientError."""
        try:
            request = SubmitFeedbackRequest(feedback=feedback)
            self._stub.SubmitFeedback(request, timeout=timeout_s, metadata=self._shown.metadata)
        except grpc.RpcError as error:
            raise client_error(error) from error

    def model(self, line: str = "", station: str = "", product: str = "", timeout_s: float = 10.0) -> GetModelResponse:
        """Raises ClientError."""
        try:
            request = GetModelRequest(line=line, station=station, product=product)
            model: GetModelResponse = self._stub.GetModel(request, timeout=timeout_s, metadata=self._shown.metadata)
        except grpc.RpcError as error:
            raise client_error(error) from error
        return model


class Watch:
    """Iterates over (verdict, token after it); reconnects with the last token, so no verdict is lost or comes twice.

    `close`, from any thread, ends the iteration. `positioned` is set with the first token: from then on nothing is
    missed, even in outages.
    """

    def __init__(self, stub: InspectionServiceStub, options: WatchOptions, shown: "Shown") -> None:
        self._stub, self._options, self._shown = stub, options, shown
        self._closed = threading.Event()
        self._call: grpc.Call | None = None
        self.token = options.token
        self.positioned = threading.Event()
        self.trouble: str | None = ""
        """The last error while no verdict can come; None while the gateway answers."""

    def __iter__(self) -> Iterator[tuple[Verdict, bytes]]:
        """Raises ClientError for errors that a retry does not fix."""
        delays = Backoff(FIRST_DELAY_S, MAX_DELAY_S)
        while not self._closed.is_set():
            try:
                for response in self._open():
                    delays.reset()
                    self.token = response.resume_token
                    self.positioned.set()
                    self.trouble = None
                    if response.HasField("verdict"):
                        yield response.verdict, response.resume_token
            except grpc.RpcError as error:
                if self._closed.is_set():
                    return
                refused = client_error(error)
                self.trouble = str(refused)
                if error.code() not in RETRIED:
                    raise refused from error
            finally:
                self._cancel()
            self._closed.wait(delays.next_s())

    def close(self) -> None:
        self._closed.set()
        self._cancel()

    def _open(self) -> Iterator[WatchVerdictsResponse]:
        call: grpc.Call = self._stub.WatchVerdicts(
            watch_request(self._options, self.token), metadata=self._shown.metadata
        )
        self._call = call
        if self._closed.is_set():
            self._cancel()
        return iter(call)  # type: ignore[call-overload, no-any-return]  # the stubs do not say that a call iterates

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()


class Shown:
    """The credentials that a client sends with each call, in addition to its certificate."""

    def __init__(self, address: str, tls: ClientTls | None, token: ClientToken | None) -> None:
        """Raises TokenError."""
        self._token = token
        if token is not None:
            token.check(address, has_tls=tls is not None)

    @property
    def metadata(self) -> Metadata:
        """Raises TokenError."""
        return () if self._token is None else self._token.metadata


def watch_request(options: WatchOptions, token: bytes | None) -> WatchVerdictsRequest:
    """`token` is the last one received, or the one to begin with."""
    request = WatchVerdictsRequest(
        lines=options.lines, stations=options.stations, products=options.products, decisions=options.decisions
    )
    if token is not None:
        request.resume_token = token
    elif options.start_time_ns is not None:
        request.start_time_ns = options.start_time_ns
    else:
        request.start_at = WatchStart.WATCH_START_EARLIEST if options.earliest else WatchStart.WATCH_START_LIVE
    return request


def client_error(error: grpc.RpcError) -> ClientError:
    """Converts the error, with the oldest available time if the gateway sent it."""
    trailer = dict(cast("Iterable[tuple[str, str]]", error.trailing_metadata() or ()))
    oldest = trailer.get("oldest-ns")
    return ClientError(error.code(), _with_remedy(error.details() or ""), None if oldest is None else int(oldest))


def _with_remedy(detail: str) -> str:
    """What to do about a request that gRPC refuses before the gateway sees it."""
    sizes = _TOO_LARGE.search(detail)
    if sizes is None:
        return detail
    return (
        f"{detail}: the request has {sizes[1]} bytes, and the gateway takes {sizes[2]}; send a PNG or JPEG file in "
        "place of raw pixels, or raise max_record_bytes in the service's configuration"
    )


def credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    key = None if tls.key is None else tls.key.read_bytes()
    chain = None if tls.cert is None else tls.cert.read_bytes()
    return grpc.ssl_channel_credentials(tls.ca.read_bytes(), key, chain)
