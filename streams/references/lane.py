"""Schedules the references to one store: which wait, which are being fetched, and whether the store responds.
Starts no threads; the caller holds a lock around every call."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streams.decode.items import Frame, Reference
from streams.decode.limits import Limits
from streams.references.addresses import Address
from streams.references.transfer import FetchError, FetchTimeoutError, Transfer


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    allowed_prefixes: tuple[str, ...] = ()
    """Addresses below which references may lie, such as `s3://frames/line-1/`; none by default. Each is a separate
    store: one that hangs does not delay the others."""
    timeout_s: float = 5.0
    """From the start of a fetch to its last byte."""
    max_bytes: int = 256 * 2**20
    """Bytes being fetched from all stores together; each store gets an equal share."""
    num_threads: int = 4
    """Simultaneous fetches from one store."""
    max_ready: int = 8
    """Fetched images that the worker has not taken yet; at this number fetching waits, which bounds a worker's
    memory."""
    max_ready_bytes: int = 128 * 2**20
    """The same in bytes; above it no further image is decoded."""
    max_waiting: int = 10_000
    """References waiting beyond this are refused. They are small, and a backlog after downtime contains many."""

    @property
    def memory_bytes(self) -> int:
        """Upper bound: files being fetched, images that wait, and one image being decoded."""
        return self.max_bytes + self.max_ready_bytes + Limits().max_image_bytes


@dataclass(slots=True, eq=False)
class Fetch:
    """One reference being fetched; `is_over` once its outcome is known, even if its thread still hangs."""

    frame: Frame
    reference: Reference
    address: Address
    is_wanted: Callable[[], bool]
    is_apart: bool = False
    """Whether its image is decoded in a separate process, because workers have died at this offset."""
    transfer: Transfer | None = None
    is_received: bool = False
    """All bytes are received; decoding has no deadline here."""
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class LaneSettings:
    num_threads: int
    """Simultaneous fetches."""
    max_bytes: int
    """Announced bytes of all simultaneous fetches."""
    timeout_s: float
    max_late: int = 4
    """After this many timed-out fetches in a row the store is not tried for a while."""
    retry_s: float = 10.0
    """Then one fetch probes the store; after each failed probe the pause doubles."""
    max_hung: int = 16
    """Hanging threads. At this number, nothing is read from the store until one of them returns."""
    max_retry_s: float = 300.0


class Lane:
    def __init__(self, prefix: str, settings: LaneSettings) -> None:
        self.prefix = prefix
        self._settings = settings
        self.waiting: deque[Fetch] = deque()
        self.fetching: set[Fetch] = set()
        self._num_hung, self._num_late = 0, 0
        self._num_bytes = 0
        self._retry_at_s = -math.inf
        self._probe: Fetch | None = None
        self._num_probes = 0

    @property
    def answers(self) -> bool:
        """False after too many timed-out fetches in a row."""
        return self._num_late < self._settings.max_late

    def refusal(self, reference: Reference, now_s: float) -> FetchError | None:
        """Why a reference is refused at once: the store hangs, or the file is too large."""
        if reference.size_bytes > self._settings.max_bytes:
            return FetchError(
                f"the file has {reference.size_bytes} bytes, but at most {self._settings.max_bytes} may be fetched at "
                f"a time below {self.prefix}: send smaller files, or raise [references] max_bytes"
            )
        return None if self._may_try(now_s) else FetchTimeoutError(self.outage(now_s))

    def outage(self, now_s: float) -> str:
        """Describes a store that hangs, for logs and dead letters."""
        wait_s = self._retry_at_s - now_s
        retry = f"it is tried again in {wait_s:.0f} s" if wait_s > 0 else "it is being tried"
        if self._num_hung >= self._settings.max_hung:
            retry = "nothing is read from it until one returns"
        return (
            f"the store below {self.prefix} does not respond: {self._num_late} fetches in a row took longer than "
            f"{self._settings.timeout_s:g} s, {self._num_hung} of them still hang, {retry}; check store and network"
        )

    def next(self, now_s: float) -> Fetch | None:
        """The next reference to fetch; None if none waits or there is no room."""
        while self.waiting and not self.waiting[0].is_wanted():
            self.waiting.popleft()  # its piece is closed, and its dead letter written
        if not self.waiting or not self._may_try(now_s):
            return None
        limit = self._settings.num_threads if self.answers else 1
        room = self._settings.max_bytes - self._num_bytes
        if len(self.fetching) >= limit or self.waiting[0].reference.size_bytes > room:
            return None
        fetch = self.waiting.popleft()
        self._probe = None if self.answers else fetch
        self.fetching.add(fetch)
        self._num_bytes += fetch.reference.size_bytes
        return fetch

    def end(self, fetch: Fetch, now_s: float, *, is_late: bool) -> bool:
        """Records the outcome of a fetch. Returns whether `answers` has changed."""
        answered, was_probe = self.answers, fetch is self._probe
        self.fetching.discard(fetch)
        self._num_bytes -= fetch.reference.size_bytes
        fetch.is_over = True
        self._num_late = self._num_late + 1 if is_late else 0
        if is_late and (was_probe or self.answers != answered):  # fetches started earlier add no information
            self._num_probes = self._num_probes + 1 if was_probe else 0
            pause_s = min(self._settings.retry_s * 2.0**self._num_probes, self._settings.max_retry_s)
            self._retry_at_s = now_s + pause_s
        return self.answers != answered

    def mark_hung(self) -> None:
        """The fetch is over but its thread still hangs."""
        self._num_hung += 1

    def mark_returned(self) -> None:
        self._num_hung -= 1

    def late(self) -> list[tuple[Fetch, Transfer]]:
        """Fetches that have passed their deadline."""
        transfers = [(fetch, fetch.transfer) for fetch in self.fetching if not fetch.is_received]
        return [(fetch, transfer) for fetch, transfer in transfers if transfer is not None and transfer.is_late]

    def stranded(self, now_s: float) -> list[Fetch]:
        """Removes and returns the references that wait for a store that hangs."""
        if not self.waiting or self._may_try(now_s):
            return []
        stranded = list(self.waiting)
        self.waiting.clear()
        return stranded

    def _may_try(self, now_s: float) -> bool:
        if self._num_hung >= self._settings.max_hung:
            return False
        return self.answers or (now_s >= self._retry_at_s and not self.fetching)
