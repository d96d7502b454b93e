"""Streams verdicts to a client from its chosen start: history from the log, then new verdicts from the ring.

A watcher's position is the next offset of every verdict partition. An entry is delivered if and only if its offset is
not below the position, so that the change from history to the ring neither repeats nor loses any.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc

from inspector.gateway.callers import Caller, caller_of
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.places import Places
from inspector.gateway.reader import HistoryReader
from inspector.gateway.refusal import StatusError, exhausted, invalid_argument, unavailable
from inspector.gateway.settings import GatewaySettings
from inspector.verdicts.ring import Entry, Ring, RingClosedError, RingPassedError
from protos.inspection.v1.service_pb2 import WatchStart, WatchVerdictsRequest, WatchVerdictsResponse
from streams import resume_token
from streams.decode.limits import RecordError, check_name, check_text
from streams.log import Log, LogError, Start, TokenExpiredError, TokenInvalidError
from streams.records import TopicPartition

Context = grpc.aio.ServicerContext[WatchVerdictsRequest, WatchVerdictsResponse]
MAX_FILTER_VALUES = 256
"""Names of each kind in a filter, each at most 128 bytes: 120 kB in total (8 MB of names took 146 MB)."""
SLICE = 64
"""Entries read from the ring at once, which limits the memory of a watcher."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects verdicts for a watcher; an empty set selects all."""

    lines: frozenset[str]
    stations: frozenset[str]
    products: frozenset[str]
    decisions: frozenset[int]

    def admits(self, entry: Entry) -> bool:
        return (
            (not self.lines or entry.inspection.line in self.lines)
            and (not self.stations or entry.inspection.station in self.stations)
            and (not self.products or entry.product in self.products)
            and (not self.decisions or entry.decision in self.decisions)
        )


def filter_of(request: WatchVerdictsRequest) -> Filter:
    """Limits its size, because it is kept as long as the watcher is connected. Raises StatusError."""
    for what, values in (
        ("lines", request.lines),
        ("stations", request.stations),
        ("products", request.products),
        ("decisions", request.decisions),
    ):
        if len(values) > MAX_FILTER_VALUES:
            raise invalid_argument(
                f"{len(values)} {what}, expected at most {MAX_FILTER_VALUES}: leave the list empty to see all"
            )
    try:
        lines = frozenset(check_name("a line", name) for name in request.lines)
        stations = frozenset(check_name("a station", name) for name in request.stations)
        products = frozenset(check_text("a product", name) for name in request.products)
    except RecordError as error:
        raise invalid_argument(error.detail) from error
    return Filter(lines, stations, products, frozenset(request.decisions))


def start_of(request: WatchVerdictsRequest) -> Start:
    """The start that the client requests. Raises StatusError."""
    match request.WhichOneof("start"):
        case "resume_token":
            return Start(token=request.resume_token)
        case "start_time_ns" if request.start_time_ns < 0:
            raise invalid_argument(f"start_time_ns is {request.start_time_ns}, expected nanoseconds since 1970")
        case "start_time_ns":
            return Start(time_ns=request.start_time_ns)
    begin = request.start_at
    if begin not in {WatchStart.WATCH_START_UNSPECIFIED, WatchStart.WATCH_START_LIVE, WatchStart.WATCH_START_EARLIEST}:
        raise invalid_argument(f"start_at is {begin}, expected LIVE or EARLIEST")
    return Start(earliest=begin == WatchStart.WATCH_START_EARLIEST)


class WatcherStream:
    """Sends verdicts that the filter admits to the client, and keeps its position."""

    def __init__(self, context: Context, selection: Filter, settings: GatewaySettings, metrics: GatewayMetrics) -> None:
        self._context, self._filter, self._settings, self._metrics = context, selection, settings, metrics
        self._sent_s = time.monotonic()
        self.vector: dict[TopicPartition, int] = {}
        self._identities: Mapping[str, str] = {}

    async def open(self, position: Mapping[TopicPartition, int], identities: Mapping[str, str]) -> None:
        """From here on the client misses nothing: sends headers and the first token. The identities tell its topics
        from later ones of the same name."""
        self.vector, self._identities = dict(position), identities
        await self._context.send_initial_metadata(())
        await self._send_heartbeat()

    async def deliver(self, entries: Iterable[Entry]) -> None:
        """Entries below the position were delivered before. Raises StatusError when the client is too slow."""
        for entry in entries:
            if entry.offset < self.vector.get(entry.source, 0):
                continue
            self.vector[entry.source] = entry.offset + 1
            if self._filter.admits(entry):
                response = WatchVerdictsResponse(resume_token=self._token())
                response.verdict.MergeFromString(entry.value)
                await self._send(response, "verdict")

    def _token(self) -> bytes:
        return resume_token.encode(self.vector, self._identities)

    def move_to(self, position: Mapping[TopicPartition, int]) -> None:
        """Marks everything below as delivered; never moves back."""
        for source, offset in position.items():
            self.vector[source] = max(offset, self.vector.get(source, 0))

    @property
    def idle_left_s(self) -> float:
        """Time until the next heartbeat is due."""
        return self._sent_s + self._settings.heartbeat_s - time.monotonic()

    async def rest(self) -> None:
        """Sends a heartbeat when nothing was sent for a while."""
        if self.idle_left_s <= 0:
            await self._send_heartbeat()

    async def _send_heartbeat(self) -> None:
        await self._send(WatchVerdictsResponse(resume_token=self._token()), "sign_of_life")

    async def _send(self, response: WatchVerdictsResponse, kind: str) -> None:
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await self._context.write(response)
        except TimeoutError:
            self._metrics.cut_offs.labels("send").inc()
            raise exhausted(
                f"the client accepted no message for {self._settings.send_timeout_s:g} s: read faster, resume with "
                "the last token"
            ) from None
        self._sent_s = time.monotonic()
        self._metrics.messages.labels(kind).inc()


class WatchService:
    """Serves each watcher; all share the ring."""

    def __init__(self, source: Log, ring: Ring, settings: GatewaySettings, metrics: GatewayMetrics) -> None:
        self._log, self._ring, self._settings, self._metrics = source, ring, settings, metrics
        self._readers = Places(
            "watchers that read history", settings.max_readers, settings.reader_patience_s, changed=metrics.readers.set
        )

    async def serve(self, request: WatchVerdictsRequest, context: Context) -> None:
        """Streams until the client leaves. Raises StatusError."""
        stream = WatcherStream(context, filter_of(request), self._settings, self._metrics)
        try:
            number = await self._catch_up(start_of(request), stream, caller_of(context))
            await self._follow(number, stream)
        except RingClosedError:
            raise unavailable("the gateway stops: resume with the last token, here or elsewhere") from None

    async def _catch_up(self, start: Start, stream: WatcherStream, caller: Caller) -> int:
        """Reads the log until the ring holds the rest. Returns the ring's number to continue from."""
        try:
            async with (
                self._readers.place(caller, self._settings.reader_wait_s),
                HistoryReader(self._log, start) as reader,
            ):
                await stream.open(await reader.position(), await reader.identities())
                while not self._ring.covers(stream.vector):
                    self._ring.check_open()
                    entries, position = await reader.poll(self._settings.poll_s)
                    await stream.deliver(entries)
                    stream.move_to(position)
                    await stream.rest()
                return self._ring.seek(stream.vector)
        except TokenExpiredError as expired:
            oldest = (("oldest-ns", str(expired.oldest_ns)),)
            raise StatusError(
                grpc.StatusCode.OUT_OF_RANGE, f"{expired} (oldest-ns: {expired.oldest_ns})", oldest
            ) from expired
        except TokenInvalidError as invalid:
            raise invalid_argument(str(invalid)) from invalid
        except LogError as error:
            raise unavailable(f"the log cannot be read ({error}): try again later") from error

    async def _follow(self, number: int, stream: WatcherStream) -> None:
        try:
            while True:
                entries = self._ring.read(number, SLICE)
                number += len(entries)
                await stream.deliver(entries)
                if number == self._ring.end:
                    stream.move_to(self._ring.position)
                    await self._wait(stream.idle_left_s)
                await stream.rest()
        except RingPassedError:
            self._metrics.cut_offs.labels("backlog").inc()
            raise exhausted("the client fell behind the verdicts kept in memory: resume with the last token") from None

    async def _wait(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._ring.grown()
        except TimeoutError:
            return
