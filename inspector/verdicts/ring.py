"""Keeps the latest verdicts in order of their arrival, within bounds of bytes, age and count.

Belongs to the gateway's event loop: every method is called there. Dropped entries are still in the log.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import InspectionId
from streams.records import Record, TopicPartition
from streams.resume_token import ResumePoint

log = logging.getLogger("inspector.verdicts.ring")

ENTRY_OVERHEAD_BYTES = 600
"""Memory of an entry in addition to its value, measured on CPython 3.11 with names of ordinary length."""


class RingClosedError(Exception):
    """The gateway stops, or its feed has ended."""


class RingPassedError(Exception):
    """The ring has dropped the next entry of this reader."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One verdict record with the fields that filters use."""

    source: TopicPartition
    offset: int
    append_ns: int
    inspection: InspectionId
    product: str
    decision: int
    value: bytes
    """The serialised `Verdict`."""

    @property
    def num_bytes(self) -> int:
        return len(self.value) + ENTRY_OVERHEAD_BYTES


def entries_of(records: Iterable[Record]) -> list[Entry]:
    """The records that are verdicts; logs and skips any other record."""
    entries, foreign = [], dict[TopicPartition, list[Record]]()
    for record in records:
        entry = _entry(record)
        if entry is None:
            foreign.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        else:
            entries.append(entry)
    for at, passed_over in foreign.items():
        log.warning(
            "%s/%d: skipped %d records that are no verdicts, the first at offset %d.",
            *at,
            len(passed_over),
            passed_over[0].offset,
        )
    return entries


def _entry(record: Record) -> Entry | None:
    try:
        verdict = Verdict.FromString(record.value)
    except DecodeError:
        return None
    named = verdict.inspection
    inspection = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
    source = TopicPartition(record.topic, record.partition)
    return Entry(source, record.offset, record.append_ns, inspection, verdict.product, verdict.decision, record.value)


class Ring:
    """Entries under running numbers `first` to `end` - 1."""

    def __init__(self, max_bytes: int, max_age_s: float, max_count: int) -> None:
        self._max_bytes, self._max_age_ns, self._max_count = max_bytes, int(max_age_s * 1e9), max_count
        self._entries: dict[int, Entry] = {}
        self._floors: dict[TopicPartition, int] = {}
        self._grown = asyncio.Event()
        self._closed = False
        self.position: Mapping[TopicPartition, int] = {}
        """Next offset per partition behind all that has arrived."""
        self.identities: Mapping[str, str] = {}
        """What tells the topics from later ones of the same names."""
        self.first = self.end = 0
        self.num_bytes = 0

    def restart(self, position: Mapping[TopicPartition, int]) -> None:
        """Drops all entries after a gap in the log. Readers of the old entries get RingPassedError."""
        self._entries.clear()
        self._floors = dict(position)
        self.position = dict(position)
        self.num_bytes = 0
        self.first = self.end = self.end + 1
        self._wake()

    def push(self, entries: Sequence[Entry], position: Mapping[TopicPartition, int], now_ns: int) -> None:
        """Adds a tail's entries and its position after them, and drops entries over the bounds."""
        for entry in entries:
            self._floors.setdefault(entry.source, entry.offset)
            self._entries[self.end] = entry
            self.end += 1
            self.num_bytes += entry.num_bytes
        self.position = dict(position)
        for source, offset in position.items():
            self._floors.setdefault(source, offset)
        while self._entries and self._is_over(now_ns):
            self._drop_first()
        if entries:
            self._wake()

    def covers(self, vector: Mapping[TopicPartition, int]) -> bool:
        """Whether every entry received from these offsets on is still here."""
        return all(vector.get(source, 0) >= floor for source, floor in self._floors.items())

    def can_resume(self, point: ResumePoint) -> bool:
        """Whether a reader at this point needs nothing but the ring: the point is of these topics, not ahead of the
        ring, and no entry from there on was dropped."""
        are_these = all(self.identities.get(topic) == identity for topic, identity in point.identities.items())
        return are_these and self.is_ahead_of(point.positions) and self.covers(point.positions)

    def is_ahead_of(self, vector: Mapping[TopicPartition, int]) -> bool:
        """Whether no later entry lies below these offsets."""
        return all(offset <= self.position.get(source, -1) for source, offset in vector.items())

    def seek(self, vector: Mapping[TopicPartition, int]) -> int:
        """Number of the first entry at or behind these offsets; `end` when none has arrived."""
        return next((n for n, entry in self._entries.items() if entry.offset >= vector.get(entry.source, 0)), self.end)

    def read(self, number: int, max_count: int) -> list[Entry]:
        """Entries from this number on; those that came before the close can still be read. Raises RingPassedError,
        RingClosedError behind the last of them."""
        if number >= self.end:
            self.check_open()
        if number < self.first:
            raise RingPassedError
        return [self._entries[n] for n in range(number, min(number + max_count, self.end))]

    def check_open(self) -> None:
        """Raises RingClosedError."""
        if self._closed:
            raise RingClosedError

    async def grown(self) -> None:
        """Waits until the next entry, restart or close."""
        await self._grown.wait()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _is_over(self, now_ns: int) -> bool:
        oldest = self._entries[self.first]
        return (
            self.num_bytes > self._max_bytes
            or len(self._entries) > self._max_count
            or now_ns - oldest.append_ns > self._max_age_ns
        )

    def _drop_first(self) -> None:
        entry = self._entries.pop(self.first)
        self.first += 1
        self.num_bytes -= entry.num_bytes
        self._floors[entry.source] = entry.offset + 1

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
