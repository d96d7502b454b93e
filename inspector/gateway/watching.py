"""Streams verdicts to a client from its chosen start: history from the log, then new verdicts from the ring. A client
that needs nothing older begins with the ring.

A watcher's position is the next offset of every verdict partition. An entry is delivered if and only if its offset is
not below the position, so that the change from history to the ring neither repeats nor loses any.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

import grpc

from inspector.gateway.callers import Caller, caller_of
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.places import Places
from inspector.gateway.reader import HistoryReader
from inspector.gateway.refusal import StatusError, exhausted, invalid_argument, unavailable
from inspector.gateway.responses import Responses, heartbeat_of, message_of
from inspector.gateway.settings import GatewaySettings
from inspector.gateway.state import GatewayState
from inspector.gateway.watch_filter import Filter, filter_of
from inspector.gateway.write_limit import WriteLimit
from inspector.verdicts.ring import Entry, Ring, RingClosedError, RingPassedError
from protos.inspection.v1.service_pb2 import WatchStart, WatchVerdictsRequest
from streams import resume_token
from streams.log import Log, LogError, Start, TokenExpiredError, TokenInvalidError
from streams.records import TopicPartition

Context = grpc.aio.ServicerContext[WatchVerdictsRequest, bytes]
SLICE = 64
"""Entries read from the ring at once, which limits the memory of a watcher."""


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

    def __init__(
        self, context: Context, selection: Filter, settings: GatewaySettings, metrics: GatewayMetrics, limit: WriteLimit
    ) -> None:
        self._context, self._filter, self._limit, self._metrics = context, selection, limit, metrics
        self._heartbeat_s, self._send_timeout_s = settings.heartbeat_s, settings.send_timeout_s
        self._verdicts, self._heartbeats = (metrics.messages.labels(kind) for kind in ("verdict", "sign_of_life"))
        self._sent_s = time.monotonic()
        self.vector: dict[TopicPartition, int] = {}
        self._identities: Mapping[str, str] = {}
        self._follows = False
        """Whether the client has exactly the ring's entries before the next one, so that their messages fit it."""

    async def open(self, position: Mapping[TopicPartition, int], identities: Mapping[str, str]) -> None:
        """From here on the client misses nothing: sends headers and the first token. The identities tell its topics
        from later ones of the same name."""
        self.vector, self._identities = dict(position), identities
        await self._context.send_initial_metadata(())
        await self._send_heartbeat()

    async def deliver(self, entries: Iterable[Entry]) -> None:
        """Entries below the position were delivered before. Raises StatusError when the client is too slow."""
        for entry in entries:
            if self._pass(entry):
                await self._send(message_of(entry.value, self._token()))
                self._verdicts.inc()

    async def relay(self, number: int, entries: Iterable[Entry], ring: Ring, responses: Responses) -> None:
        """As `deliver`, with entries of the ring from this number on."""
        if not self._follows:
            await self.deliver(entries)
            return
        for at, entry in enumerate(entries, number):
            if self._pass(entry):
                await self._send(responses.message(at, entry, self.vector, ring.identities))
                self._verdicts.inc()

    def reached_end(self, ring: Ring) -> None:
        """All entries of the ring are delivered: marks everything below its position, and never moves back."""
        self._follows = self._follows or ring.is_ahead_of(self.vector)
        self._identities = ring.identities if self._follows else self._identities
        self.move_to(ring.position)

    def _pass(self, entry: Entry) -> bool:
        """Moves behind the entry; whether the client gets it."""
        if entry.offset < self.vector.get(entry.source, 0):
            return False
        self.vector[entry.source] = entry.offset + 1
        return self._filter.admits(entry)

    def _token(self) -> bytes:
        return resume_token.encode(self.vector, self._identities)

    def move_to(self, position: Mapping[TopicPartition, int]) -> None:
        """Marks everything below as delivered; never moves back."""
        for source, offset in position.items():
            self.vector[source] = max(offset, self.vector.get(source, 0))

    @property
    def idle_left_s(self) -> float:
        """Time until the next heartbeat is due."""
        return self._sent_s + self._heartbeat_s - time.monotonic()

    async def rest(self) -> None:
        """Sends a heartbeat when nothing was sent for a while."""
        if self.idle_left_s <= 0:
            await self._send_heartbeat()

    async def _send_heartbeat(self) -> None:
        await self._send(heartbeat_of(self._token()))
        self._heartbeats.inc()

    async def _send(self, message: bytes) -> None:
        try:
            await self._limit.run(self._context.write(message))
        except TimeoutError:
            self._metrics.cut_offs.labels("send").inc()
            raise exhausted(
                f"the client accepted no message for {self._send_timeout_s:g} s: read faster, resume with "
                "the last token"
            ) from None
        self._sent_s = time.monotonic()


class WatchService:
    """Serves each watcher; all share the ring and its messages."""

    def __init__(
        self, source: Log, state: GatewayState, responses: Responses, settings: GatewaySettings, metrics: GatewayMetrics
    ) -> None:
        self._log, self._state, self._settings, self._metrics = source, state, settings, metrics
        self._ring, self._responses = state.ring, responses
        self._readers = Places(
            "watchers that read history", settings.max_readers, settings.reader_patience_s, changed=metrics.readers.set
        )

    async def serve(self, request: WatchVerdictsRequest, context: Context) -> None:
        """Streams until the client leaves. Raises StatusError."""
        selection, start = filter_of(request), start_of(request)
        async with WriteLimit(self._settings.send_timeout_s) as limit:
            stream = WatcherStream(context, selection, self._settings, self._metrics, limit)
            try:
                position = self._position_of(start)
                if position is None:
                    number = await self._catch_up(start, stream, caller_of(context))
                else:
                    number = self._ring.end if start.token is None else self._ring.seek(position)
                    await stream.open(position, self._ring.identities)
                await self._follow(number, stream)
            except RingClosedError:
                raise unavailable("the gateway stops: resume with the last token, here or elsewhere") from None

    def _position_of(self, start: Start) -> Mapping[TopicPartition, int] | None:
        """Where a watcher begins in the ring; None if it needs the log, for history or to say why it cannot."""
        if not self._state.is_current or start.earliest or start.time_ns is not None:
            return None
        if start.token is None:
            return self._ring.position
        try:
            point = resume_token.read(start.token)
        except TokenInvalidError:
            return None
        return point.positions if self._ring.can_resume(point) else None

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
                await stream.relay(number - len(entries), entries, self._ring, self._responses)
                if number == self._ring.end:
                    stream.reached_end(self._ring)
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
