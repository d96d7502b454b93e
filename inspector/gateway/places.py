"""Shares a limited number of places: when all are occupied, a newcomer displaces the caller that holds the most.

A fixed number per caller would either exclude others or refuse a single caller. Used in the event loop only.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from inspector.gateway.callers import Caller
from inspector.gateway.refusal import exhausted

LOOK_EVERY_S = 0.05
MAX_WAITING = 64


class Place:
    """An async context manager around the work that occupies the place; displaced, that work ends with a
    StatusError."""

    def __init__(self, places: "Places", caller: Caller, wait_s: float, size: int) -> None:
        self.caller, self.size = caller, size
        self._wait_s = wait_s
        self._places = places
        self._displaced = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> "Place":
        """Raises StatusError when no place is free and no other caller holds more."""
        self._task = asyncio.current_task()
        assert self._task is not None, "runs in a task"  # noqa: S101
        self._cancelling = self._task.cancelling()
        deadline_s = time.monotonic() + self._wait_s
        while not self._places.occupy(self):
            if time.monotonic() >= deadline_s or not await self._places.look_again():
                raise exhausted(self._places.full_detail)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places.leave(self)
        if self._displaced and self._task is not None:
            was_ours = self._task.uncancel() <= self._cancelling
            if was_ours and kind is asyncio.CancelledError:
                raise exhausted(self._places.displaced_detail) from None

    def displace(self) -> None:
        self._displaced = True
        assert self._task is not None, "entered"  # noqa: S101
        self._task.cancel()


class Places:
    """At most `max_count` places; `what` names them for the client: `requests being read`."""

    def __init__(
        self,
        what: str,
        max_count: int,
        patience_s: float = math.inf,
        swarm_patience_s: float | None = None,
        changed: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: float = math.inf,
    ) -> None:
        """A place held for `patience_s` also yields to a caller with equally many: 0 where places are held for
        milliseconds and a longer holder is idle. `swarm_patience_s` applies between connections of one host, where one
        client may look like many. `max_bytes` bounds the sizes of all places; a single one may be larger."""
        self._what, self._max_count, self._patience_s, self._changed = what, max_count, patience_s, changed
        self._swarm_patience_s = patience_s if swarm_patience_s is None else swarm_patience_s
        self._clock, self._max_bytes = clock, max_bytes
        self.num_bytes = 0
        self._waiting: dict[asyncio.Future[None], None] = {}
        """Callers that wait for a place, in order. One left place wakes one of them: hundreds of slow callers that all
        looked at once would take the places of quick ones."""
        self._occupied: dict[Place, float] = {}
        """Each place with the time of its occupation, oldest first."""
        self._by_host: Counter[str] = Counter()
        self._by_connection: Counter[str] = Counter()
        self.displaced_detail = (
            f"all {max_count} places for {what} were occupied and this client held the most, so another client got its "
            "place: use fewer calls at a time"
        )

    def __len__(self) -> int:
        return len(self._occupied)

    @property
    def full_detail(self) -> str:
        return f"{len(self)} {self._what}, as many as allowed: try again later"

    def place(self, caller: Caller, wait_s: float = 0.0, size: int = 0) -> Place:
        """Enter it to occupy it, which may take `wait_s`."""
        return Place(self, caller, wait_s, size)

    def occupy(self, place: Place) -> bool:
        """Whether a place was free or another caller that holds more could be displaced."""
        while self._is_full(place.size):
            victim = self._victim(place.caller)
            if victim is None:
                return False
            self._remove(victim)
            victim.displace()
        self._occupied[place] = self._clock()
        self.num_bytes += place.size
        self._by_host[place.caller.host] += 1
        self._by_connection[place.caller.connection] += 1
        self._changed(len(self))
        return True

    async def look_again(self) -> bool:
        """Waits until a place is left for this caller, or a moment: the patience with a holder may end. False if too
        many wait."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        left = asyncio.get_running_loop().create_future()
        self._waiting[left] = None
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await left
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(left, None)
        return True

    def leave(self, place: Place) -> None:
        """Gives the place to the caller that waits longest since its last look. Does nothing for a displaced place."""
        if place not in self._occupied:
            return
        self._remove(place)
        if self._waiting:
            first = next(iter(self._waiting))
            del self._waiting[first]
            if not first.done():
                first.set_result(None)

    def _remove(self, place: Place) -> None:
        del self._occupied[place]
        self.num_bytes -= place.size
        for counts, name in ((self._by_host, place.caller.host), (self._by_connection, place.caller.connection)):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]
        self._changed(len(self))

    def _is_full(self, size: int) -> bool:
        return len(self) >= self._max_count or (len(self) > 0 and self.num_bytes + size > self._max_bytes)

    def _victim(self, newcomer: Caller) -> Place | None:
        """The oldest place of the connection with the most places, of the host with the most."""
        if not self._occupied:
            return None
        oldest = max(self._occupied, key=self._weight)
        caller = oldest.caller
        patience_s = self._patience_s
        if caller.host == newcomer.host:
            patience_s = self._swarm_patience_s
            excess = self._by_connection[caller.connection] - self._by_connection[newcomer.connection]
        else:
            excess = self._by_host[caller.host] - self._by_host[newcomer.host]
        is_patient = self._clock() - self._occupied[oldest] < patience_s
        return oldest if excess >= (2 if is_patient else 1) else None

    def _weight(self, place: Place) -> tuple[int, int]:
        return self._by_host[place.caller.host], self._by_connection[place.caller.connection]
