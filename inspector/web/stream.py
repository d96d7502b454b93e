"""Sends events to one browser: missed events, then news as it comes, and a heartbeat in between."""

import asyncio
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from inspector.verdicts.ring import RingClosedError, RingPassedError
from inspector.web.hub import Hub, encoded, event_id, is_ahead, vector_of
from inspector.web.settings import WebSettings
from inspector.web.stream_places import StreamPlaces

SLICE = 256
"""Events read from the ring at once, which limits the memory of a stream."""
_BEAT = encoded("beat", None)


class TooSlowError(Exception):
    """The browser accepted nothing for too long."""


class EventStream(Response):
    """One open stream; `client` is its host and person. It ends when the browser leaves, is too slow, or the hub stops;
    the browser then comes back with the id of the last event that it got."""

    media_type = "text/event-stream"

    def __init__(
        self, hub: Hub, places: StreamPlaces, client: tuple[str, str], after: str, settings: WebSettings
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._places, self._client, self._after, self._settings = hub, places, client, after, settings
        self._sent_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.occupy(*self._client):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            left = asyncio.ensure_future(_left(receive))
            sending = asyncio.ensure_future(self._send_all(send))
            try:
                await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (left, sending):
                    task.cancel()
                await asyncio.gather(left, sending, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        """Ends the answer properly where the hub stops, and at once where the browser does not keep up."""
        try:
            await self._follow(send)
        except RingClosedError:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TooSlowError, RingPassedError):
            self._places.count_cut_off()

    async def _follow(self, send: Send) -> None:
        changes, states = self._hub.states_since(0)
        await self._put(send, [b"retry: 1000\n\n", *states])
        changes = await self._wait_caught_up(send, changes)
        number, first = self._begin()
        await self._put(send, [first])
        while True:
            entries = self._hub.ring.read(number, SLICE)
            number += len(entries)
            changes, states = self._hub.states_since(changes)
            await self._put_or_rest(send, [*(entry.value for entry in entries), *states])

    async def _wait_caught_up(self, send: Send, changes: int) -> int:
        """Until the hub has caught up with the log: before that it cannot tell which events the browser missed."""
        while not self._hub.is_caught_up:
            self._hub.ring.check_open()
            changes, states = self._hub.states_since(changes)
            await self._put_or_rest(send, states)
        return changes

    def _begin(self) -> tuple[int, bytes]:
        """Number of the ring to continue from, and the frame that says so: `reset` where events are missing."""
        ring = self._hub.ring
        here = event_id(ring.position)
        vector = vector_of(self._after) if self._after else ring.position
        if vector is None or not ring.covers(vector) or is_ahead(vector, ring.position):
            return ring.end, encoded("reset", None, here)
        return ring.seek(vector), encoded("hello", None, self._after or here)

    async def _put_or_rest(self, send: Send, frames: Sequence[bytes]) -> None:
        """Without frames, waits for news; a sign of life follows a long silence."""
        if frames:
            await self._put(send, frames)
            return
        try:
            async with asyncio.timeout_at(self._sent_s + self._settings.heartbeat_s):
                await self._hub.news()
        except TimeoutError:
            await self._put(send, [_BEAT])

    async def _put(self, send: Send, frames: Sequence[bytes]) -> None:
        """Sends at most once in `gather_s`: at 100 verdicts a second, 20 browsers would cost a core. Raises
        TooSlowError."""
        clock = asyncio.get_running_loop().time
        if (wait_s := self._sent_s + self._settings.gather_s - clock()) > 0:
            await asyncio.sleep(wait_s)
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
        except TimeoutError:
            raise TooSlowError from None
        self._sent_s = clock()


async def _left(receive: Receive) -> None:
    """Until the browser is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
