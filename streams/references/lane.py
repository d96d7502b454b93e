"""Orders the references to one store: which wait, which are being fetched, and whether the store answers at all.
Starts no thread and reads no byte; its caller holds a lock around every call."""

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
    """Addresses below which references may lie, such as `s3://frames/line-1/`; none by default. Each is a store of its
    own: one that hangs keeps no other one waiting."""
    timeout_s: float = 5.0
    """From the start of a fetch to its last byte."""
    max_bytes: int = 256 * 2**20
    """Bytes of files that are being fetched, all stores together; each may take an equal part of it."""
    num_threads: int = 4
    """Fetches at a time from one store."""
    max_ready: int = 8
    """Images fetched and not taken yet; fetching waits then, so that a busy worker's memory stays bounded."""
    max_ready_bytes: int = 128 * 2**20
    """The same in bytes: no further image is decoded beyond it."""
    max_waiting: int = 10_000
    """References waiting beyond this are refused. They are small; a backlog after downtime holds many."""

    @property
    def memory_bytes(self) -> int:
        """At most: files on their way, images that wait, and one more that is being decoded."""
        return self.max_bytes + self.max_ready_bytes + Limits().max_image_bytes


@dataclass(slots=True, eq=False)
class Fetch:
    """One reference on its way; `is_over` once its outcome is known, though its thread may still hang."""

    frame: Frame
    reference: Reference
    address: Address
    wanted: Callable[[], bool]
    is_apart: bool = False
    """Whether its image is decoded in a process of its own, because workers have ended at this place."""
    transfer: Transfer | None = None
    has_come: bool = False
    """All bytes are there; decoding has no deadline here."""
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class LaneSettings:
    num_threads: int
    """Fetches at a time."""
    max_bytes: int
    """Announced bytes of the fetches at a time."""
    timeout_s: float
    max_late: int = 4
    """After this many fetches in a row that ran into their deadline the store is left alone for a while."""
    retry_s: float = 10.0
    """Then one fetch tries whether it answers again; while it does not, twice as long later each time."""
    max_hung: int = 16
    """Threads that never came back. With so many, nothing is read from the store until one does."""
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
        """Whether the store has not run into too many deadlines in a row."""
        return self._num_late < self._settings.max_late

    def refusal(self, reference: Reference, now_s: float) -> FetchError | None:
        """Why a reference need not wait: the store hangs, or the file is larger than may be fetched."""
        if reference.size_bytes > self._settings.max_bytes:
            return FetchError(
                f"the file has {reference.size_bytes} bytes, at most {self._settings.max_bytes} may be fetched at a "
                f"time below {self.prefix}: send smaller files, or raise [references] max_bytes"
            )
        return None if self._may_try(now_s) else FetchTimeoutError(self.outage(now_s))

    def outage(self, now_s: float) -> str:
        """What a store that hangs means for its references."""
        wait_s = self._retry_at_s - now_s
        again = f"it is tried again in {wait_s:.0f} s" if wait_s > 0 else "it is being tried"
        if self._num_hung >= self._settings.max_hung:
            again = "nothing is read from it until one comes back"
        return (
            f"the store below {self.prefix} does not answer: {self._num_late} fetches in a row took longer than "
            f"{self._settings.timeout_s:g} s, {self._num_hung} of them still hang, {again}; check it and the way to it"
        )

    def next(self, now_s: float) -> Fetch | None:
        """The reference to be fetched now, if there is one and there is room."""
        while self.waiting and not self.waiting[0].wanted():
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
        """The outcome of a fetch is known. Whether it changes if the store counts as one that answers."""
        answered, was_probe = self.answers, fetch is self._probe
        self.fetching.discard(fetch)
        self._num_bytes -= fetch.reference.size_bytes
        fetch.is_over = True
        self._num_late = self._num_late + 1 if is_late else 0
        if is_late and (was_probe or self.answers != answered):  # those that were begun before tell nothing new
            self._num_probes = self._num_probes + 1 if was_probe else 0
            pause_s = min(self._settings.retry_s * 2.0**self._num_probes, self._settings.max_retry_s)
            self._retry_at_s = now_s + pause_s
        return self.answers != answered

    def hang(self) -> None:
        """The thread of a fetch that is over is still away."""
        self._num_hung += 1

    def come_back(self) -> None:
        self._num_hung -= 1

    def late(self) -> list[tuple[Fetch, Transfer]]:
        """Fetches that have passed their deadline."""
        transfers = [(fetch, fetch.transfer) for fetch in self.fetching if not fetch.has_come]
        return [(fetch, transfer) for fetch, transfer in transfers if transfer is not None and transfer.is_late]

    def stranded(self, now_s: float) -> list[Fetch]:
        """References that would wait for a store that hangs; they wait no longer."""
        if not self.waiting or self._may_try(now_s):
            return []
        stranded = list(self.waiting)
        self.waiting.clear()
        return stranded

    def _may_try(self, now_s: float) -> bool:
        if self._num_hung >= self._settings.max_hung:
            return False
        return self.answers or (now_s >= self._retry_at_s and not self.fetching)
