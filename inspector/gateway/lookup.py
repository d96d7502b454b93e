"""Finds the verdict of one inspection: in the index, or for a limited time in the older part of the log."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from inspector.gateway.callers import Caller
from inspector.gateway.doubts import Doubts, LetterSearch
from inspector.gateway.places import Places
from inspector.gateway.refusal import StatusError, exhausted, invalid_argument, unavailable
from inspector.verdicts.index import VerdictIndex
from inspector.verdicts.ring import Entry, entries_of
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import DECISION_REASON_ID_READ_TWICE, DECISION_REVIEW, Verdict
from streams.decode.limits import RecordError, check_name, check_text
from streams.log import Log, LogError, Start, TokenExpiredError
from streams.observation import InspectionId
from streams.records import TopicPartition

WINDOWS_NS = (3600 * 10**9, 24 * 3600 * 10**9)
"""The log is searched backwards in these windows, then the rest: most requests are for recent pieces."""
REST = 3.0
"""After a look-up the thread rests for this many times as long, so it is busy a quarter of the time at most."""
MAX_WAITING = 8
REMEMBERED_SEARCHES = 4096
_POLL_S = 0.05
Result = TypeVar("Result")


def inspection_id(named: Inspection) -> InspectionId:
    """Raises StatusError."""
    try:
        line, station = check_name("line", named.line), check_name("station", named.station)
        return InspectionId(line, station, check_text("piece_id", named.piece_id), named.pass_number)
    except RecordError as error:
        raise invalid_argument(error.detail) from error


@dataclass(frozen=True, slots=True)
class Search:
    """The verdict, or how far back the log has none."""

    entry: Entry | None
    since_ns: int
    """There is none since this time; 0: in the whole log."""
    searched_ns: int
    """Time of the search; later verdicts are in the index."""


class Lookup:
    """One look-up in the log at a time, for at most a quarter of the time. Used in the event loop only."""

    def __init__(self, source: Log, index: VerdictIndex, doubts: Doubts, limit_s: float) -> None:
        self._log, self._index, self._doubts, self._limit_s = source, index, doubts, limit_s
        self._thread = ThreadPoolExecutor(1, "gateway-lookup")
        self._turn = asyncio.Lock()
        self._waiting = Places("look-ups in the log", MAX_WAITING)
        self._searches: OrderedDict[InspectionId, Search] = OrderedDict()
        """Look-ups without a result: a client may repeat a request until the verdict comes."""
        self._rested_s = 0.0
        self._stop = threading.Event()

    async def answer(self, inspection: InspectionId, caller: Caller) -> Verdict:
        """The verdict, as REVIEW if another part used the id since: the request could mean either.
        Raises StatusError."""
        entry = await self.find(inspection, caller)
        verdict = Verdict.FromString(entry.value)
        if await self._is_doubted(entry, caller):
            verdict.decision, verdict.reason = DECISION_REVIEW, DECISION_REASON_ID_READ_TWICE
        return verdict

    async def find(self, inspection: InspectionId, caller: Caller, *, wait: bool = False) -> Entry:
        """Reads the log if necessary; with `wait` even if the look-up thread must rest first. Raises StatusError."""
        self._index.trim(time.time_ns())
        if (entry := self._index.find(inspection)) is not None:
            return entry
        search = self._remembered(inspection)
        if search is None:
            async with self._waiting.place(caller), self._turn:
                search = await self._search(inspection, wait=wait)
        if (entry := search.entry or self._index.find(inspection)) is not None:
            return entry
        raise _unknown(inspection, search.since_ns)

    def close(self) -> None:
        self._stop.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _remembered(self, inspection: InspectionId) -> Search | None:
        search = self._searches.get(inspection)
        return search if search is not None and search.searched_ns >= self._index.since_ns else None

    async def _search(self, inspection: InspectionId, *, wait: bool) -> Search:
        wait_s = self._rested_s - time.monotonic()
        if wait_s > 0 and not wait:
            return Search(None, self._index.since_ns, 0)
        if wait_s > self._limit_s:
            raise exhausted(
                f"no verdict of {inspection} since {_moment(self._index.since_ns)}, and the older log is being read "
                f"for other pieces: try again in {wait_s:.0f} s"
            )
        await asyncio.sleep(max(0.0, wait_s))
        search = await self._read_log(inspection)
        if search.entry is None:
            self._searches[inspection] = search
            if len(self._searches) > REMEMBERED_SEARCHES:
                self._searches.popitem(last=False)
        return search

    async def _is_doubted(self, entry: Entry, caller: Caller) -> bool:
        """Reads the log if the verdict is older than the known doubts."""
        if entry in self._doubts or self._doubts.covers(entry):
            return entry in self._doubts
        async with self._waiting.place(caller), self._turn:
            deadline_s = time.monotonic() + self._limit_s
            is_doubted = await self._work(LetterSearch(self._log, entry, deadline_s, self._stop.is_set).run)
        if is_doubted is None:
            raise exhausted(
                f"{entry.inspection} has a verdict, but another part may have the same id: the dead letters after it "
                f"could not be read within {self._limit_s:g} s; try again, or raise lookup_s"
            )
        return is_doubted

    async def _read_log(self, inspection: InspectionId) -> Search:
        reader = LogSearch(self._log, inspection, time.monotonic() + self._limit_s, self._stop.is_set)
        return await self._work(lambda: reader.run(self._index.since_ns))

    async def _work(self, read: Callable[[], Result]) -> Result:
        """Reads the log in the look-up thread, which rests afterwards. Raises StatusError."""
        began_s = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, read)
        except LogError as error:
            raise unavailable(f"the log cannot be read ({error}): try again later") from error
        finally:
            now_s = time.monotonic()
            self._rested_s = now_s + REST * (now_s - began_s)


class LogSearch:
    """Searches verdicts backwards in time windows until `deadline_s` of the monotonic clock."""

    def __init__(
        self, source: Log, inspection: InspectionId, deadline_s: float, is_stopped: Callable[[], bool]
    ) -> None:
        self._log, self._inspection, self._deadline_s, self._is_stopped = source, inspection, deadline_s, is_stopped
        self._needle = inspection.piece_id.encode()

    def run(self, before_ns: int) -> Search:
        """Raises LogError."""
        searched_ns, end_ns = time.time_ns(), before_ns
        if not self._is_kept(before_ns):
            return Search(None, 0, searched_ns)
        for window_ns in (*WINDOWS_NS, end_ns):
            begin_ns = max(0, end_ns - window_ns)
            try:
                entry, is_whole = self._read(Start(time_ns=begin_ns) if begin_ns else Start(earliest=True), end_ns)
            except TokenExpiredError:
                begin_ns = 0
                entry, is_whole = self._read(Start(earliest=True), end_ns)
            if entry is not None or not is_whole:
                return Search(entry, end_ns, searched_ns)
            if not begin_ns:
                break
            end_ns = begin_ns
        return Search(None, 0, searched_ns)

    def _is_kept(self, before_ns: int) -> bool:
        """Whether the log may have records from before this time."""
        try:
            self._log.tail(Start(time_ns=before_ns)).close()
        except TokenExpiredError:
            return False
        return True

    def _read(self, start: Start, end_ns: int) -> tuple[Entry | None, bool]:
        """The verdict, and whether the search is complete."""
        with closing(self._log.tail(Start(time_ns=end_ns))) as tail:
            goal = dict(tail.position())
        with closing(self._log.tail(start)) as tail:
            while not _covers(tail.position(), goal):
                if self._is_stopped() or time.monotonic() > self._deadline_s:
                    return None, False
                records = [record for record in tail.poll(_POLL_S) if self._needle in record.value]
                entry = next((entry for entry in entries_of(records) if entry.inspection == self._inspection), None)
                if entry is not None:
                    return entry, True
        return None, True


def _covers(position: Mapping[TopicPartition, int], goal: Mapping[TopicPartition, int]) -> bool:
    return all(position.get(source, 0) >= end for source, end in goal.items())


def _unknown(inspection: InspectionId, since_ns: int) -> StatusError:
    known = f"since {_moment(since_ns)}, the oldest record read" if since_ns else "in the whole log"
    detail = f"no verdict of {inspection} {known}: it may be older, expired, or not yet made"
    return StatusError(grpc.StatusCode.NOT_FOUND, detail, (("since-ns", str(since_ns)),))


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")
