"""Keeps account of one shard's records: which are still needed, which are dead letters, which pieces are judged.

Turns that into positions from which a successor can go on. Knows neither clocks nor windows.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import NamedTuple
from zlib import crc32

from streams.decode.dead_letters import dead_letter_from
from streams.decode.items import Origin
from streams.join.foreign import read_ours
from streams.join.frozen import Contents
from streams.join.join_metrics import JoinMetrics
from streams.join.offset_metadata import OffsetMetadata
from streams.join.one_part import Part, Times
from streams.log import Assignment, Position
from streams.observation import InspectionId
from streams.records import Record, TopicPartition, Topics


@dataclass(frozen=True, slots=True)
class Judged:
    """An inspection that has its verdict."""

    inspection: InspectionId
    entry_ns: int
    verdict_offset: int
    """Offset of the verdict, or a lower bound of it while its commit is under way."""
    times: Times = field(default_factory=dict)
    """When the records were made that it was judged by; empty where a predecessor judged it."""


def place(origin: Origin) -> TopicPartition:
    return TopicPartition(origin.topic, origin.partition)


class Cursor:
    """How far one input partition is read and done."""

    def __init__(self, start: int, memo: OffsetMetadata) -> None:
        self.next = self._start = start
        self.read = memo.read
        """Records below are accounted for by a predecessor: used, still open, or dead letters."""
        self._starts, self._unsettled = memo.starts, memo.unsettled
        self._held: set[int] = set()
        self._order: list[int] = []

    def hold(self, offset: int) -> None:
        """The record is needed until it is released: a successor must read it again."""
        if offset not in self._held:
            self._held.add(offset)
            heapq.heappush(self._order, offset)

    def release(self, offset: int) -> None:
        self._held.discard(offset)

    def mark_clean_stop(self) -> None:
        """This owner stops of its own accord: its successor is the first one."""
        self._starts = self._unsettled = 0

    @property
    def starts(self) -> int:
        """Owners in a row that got nowhere beyond `read`, this one included."""
        return self._starts if self.next <= self.read else 0

    @property
    def unsettled(self) -> int:
        """Owners in a row that left the oldest piece without a verdict, this one included."""
        return self._unsettled if self.done <= self._start else 0

    @property
    def done(self) -> int:
        """Offset below which nothing is needed any more."""
        while self._order and self._order[0] not in self._held:
            heapq.heappop(self._order)
        return min(self._order[0], self.next) if self._order else self.next


class _DeadLetter(NamedTuple):
    """What is kept of a dead letter read back: with the bytes of its record it takes 64 KiB."""

    at: TopicPartition
    offset: int
    reason: int
    letter_offset: int
    """Where the letter itself lies."""


@dataclass(slots=True)
class DeadLetterLog:
    """Records that are dead letters and may be read again, with the least offset at which their letter lies."""

    end: int
    reread: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    """Reason of each letter that was read back."""
    _kept: deque[tuple[TopicPartition, int, int]] = field(default_factory=deque)

    def read_back(self, letter: _DeadLetter) -> None:
        self.reread[letter.at, letter.offset] = letter.reason
        self._kept.append((letter.at, letter.offset, letter.letter_offset))

    def add(self, origin: Origin) -> None:
        """A letter that the next commit publishes."""
        self._kept.append((place(origin), origin.offset, self.end))

    def back_to(self, done: Mapping[TopicPartition, int]) -> int:
        """Offset from which letters must be read back when the input is read again from `done`."""
        while self._kept and self._kept[0][1] < done.get(self._kept[0][0], 0):
            self._kept.popleft()
        return self._kept[0][2] if self._kept else self.end


@dataclass(slots=True)
class Verdicts:
    """Inspections that have their verdict, as long as a record of them may still come or be read again."""

    end: int
    _judged: dict[InspectionId, Judged] = field(default_factory=dict)
    _behind: dict[InspectionId, dict[TopicPartition, int]] = field(default_factory=dict)
    """Offset behind the last record of the inspection, per partition."""

    def __contains__(self, inspection: InspectionId) -> bool:
        return inspection in self._judged

    def get(self, inspection: InspectionId) -> Judged | None:
        return self._judged.get(inspection)

    def add(self, judged: Judged, behind: Mapping[TopicPartition, int]) -> None:
        if judged.inspection in self._judged:  # a second verdict on the topic: the first one counts, in its place
            return
        self._judged[judged.inspection] = judged
        self._behind[judged.inspection] = dict(behind)

    def extend(self, inspection: InspectionId, origin: Origin) -> None:
        """One more record of a judged inspection: it must be known when that record is read again."""
        behind = self._behind[inspection]
        behind[place(origin)] = max(origin.offset + 1, behind.get(place(origin), 0))

    def back_to(self, done: Mapping[TopicPartition, int], forget: Callable[[Judged], bool]) -> int:
        """Offset from which verdicts must be read back; drops, oldest first, what nothing can ask for any more."""

        def is_over(judged: Judged) -> bool:
            behind = self._behind[judged.inspection]
            return forget(judged) and all(done.get(at, 0) >= offset for at, offset in behind.items())

        for judged in list(takewhile(is_over, self._judged.values())):
            del self._judged[judged.inspection], self._behind[judged.inspection]
        oldest = next(iter(self._judged.values()), None)
        return self.end if oldest is None else min(self.end, oldest.verdict_offset)


class Ledger:
    """The accounts of one shard."""

    def __init__(self, assignment: Assignment, judged: Iterable[Judged], topics: Topics, metrics: JoinMetrics) -> None:
        self._outputs = [TopicPartition(topics.of(kind), assignment.shard.partition) for kind in OUTPUTS]
        self._frames = TopicPartition(topics.of("frames"), assignment.shard.partition)
        self._pieces = TopicPartition(topics.of("pieces"), assignment.shard.partition)
        self._openers = [self._frames, self._pieces]
        self._cursors: dict[TopicPartition, Cursor] = {}
        self._judging: dict[int, int] = {}
        self._num_doubtful = 0
        self.clocks_ms: Mapping[str, int] = {}
        self.forgotten_ms: int | None = None
        self.contents: Mapping[str, Contents] = {}
        self._has_reread_all = False
        for topic in topics.inputs:
            self._open(TopicPartition(topic, assignment.shard.partition), assignment)
        self._doubt()
        self.dead_letters = DeadLetterLog(assignment.dead_letter_end)
        for letter in read_ours(assignment.dead_letters, self._letter, metrics):
            self.dead_letters.read_back(letter)
        self.verdicts = Verdicts(assignment.verdict_end)
        read = {at: cursor.read for at, cursor in self._cursors.items()}
        for each in sorted(judged, key=lambda one: one.verdict_offset):
            self.verdicts.add(each, read)

    def _letter(self, record: Record) -> _DeadLetter | None:
        """A letter about a record of this shard that a predecessor had read: any other would swallow a record."""
        letter = dead_letter_from(record)
        if letter is None:
            return None
        at = TopicPartition(letter.topic, letter.partition)
        cursor = self._cursors.get(at)
        if cursor is None or not 0 <= letter.offset < cursor.read:
            return None
        return _DeadLetter(at, letter.offset, letter.reason, record.offset)

    def _open(self, at: TopicPartition, assignment: Assignment) -> None:
        committed = assignment.positions.get(at.topic)
        start = assignment.starts.get(at.topic, 0 if committed is None else committed.offset)
        memo = OffsetMetadata(start) if committed is None else OffsetMetadata.decode(committed.memo, committed.offset)
        self._cursors[at] = Cursor(start, memo)
        if at == self._frames:
            self.clocks_ms, self.forgotten_ms = memo.clocks_ms, memo.forgotten_ms
            self._judging = dict(memo.judging)
        elif at == self._pieces:
            self.contents = memo.contents

    @property
    def is_rereading(self) -> bool:
        """Whether records that the predecessor had read are still to come."""
        return not self._has_reread_all and any(cursor.next < cursor.read for cursor in self._cursors.values())

    @property
    def is_doubtful(self) -> bool:
        """Whether owners before may have ended because they judged what this one is about to judge."""
        return self._num_doubtful > 0

    def begin_judging(self, inspection: InspectionId) -> int:
        """The next commit says that this piece is judged next; how many owners have ended after they said so."""
        self._num_doubtful -= 1
        piece = _digest(inspection)
        ended = self._judging.pop(piece, 0)
        self._judging[piece] = ended
        return ended

    def _doubt(self) -> None:
        """Counts the predecessor against the piece that it marked last, for it ended there. Signals say nothing about
        pieces: they are read again from far behind anyway."""
        if self._judging:
            self._judging[next(reversed(self._judging))] += 1
        unsettled = max(self._cursors[at].unsettled for at in self._openers)
        starts = max(cursor.starts for cursor in self._cursors.values())
        self._num_doubtful = DOUBTFUL_PIECES if self._judging or unsettled > 1 or starts > 2 else 0

    def mark_clean_stop(self) -> None:
        """This owner stops of its own accord: its successor is the first one."""
        self._judging = {}
        for cursor in self._cursors.values():
            cursor.mark_clean_stop()

    def reread_all(self) -> None:
        """The input is read to its end: what the predecessor had read and is not there any more will not come."""
        self._has_reread_all = True

    def read(self, origin: Origin) -> bool:
        """Takes note of a record read; True when the predecessor had read it as well."""
        self._cursors[place(origin)].next = origin.offset + 1
        return self.was_read(origin)

    def was_read(self, origin: Origin) -> bool:
        return origin.offset < self._cursors[place(origin)].read

    def hold(self, origin: Origin) -> None:
        self._cursors[place(origin)].hold(origin.offset)

    def release(self, at: TopicPartition, offset: int) -> None:
        self._cursors[at].release(offset)

    def settle(self, inspection: InspectionId, part: Part, origins: Iterable[Origin]) -> None:
        """The verdict of an inspection is in the next commit: its records are not needed any more."""
        self._judging.pop(_digest(inspection), None)
        behind: dict[TopicPartition, int] = {}
        for origin in origins:
            at = place(origin)
            self.release(at, origin.offset)
            behind[at] = max(origin.offset + 1, behind.get(at, 0))
        self.verdicts.add(Judged(inspection, part.entry_ns, self.verdicts.end, part.times), behind)

    def positions(
        self,
        clocks_ms: Mapping[str, int],
        forgotten_ms: int | None,
        contents: Mapping[str, Contents],
        forget: Callable[[Judged], bool],
    ) -> dict[TopicPartition, Position]:
        """Where a successor goes on, should it take over after the next commit."""
        done = {at: cursor.done for at, cursor in self._cursors.items()}
        verdicts, dead_letters = self.verdicts.back_to(done, forget), self.dead_letters.back_to(done)
        positions = {}
        for at, cursor in self._cursors.items():
            memo = OffsetMetadata(max(cursor.read, cursor.next), starts=cursor.starts, unsettled=cursor.unsettled)
            if at == self._frames:
                memo = replace(
                    memo, verdicts=verdicts, dead_letters=dead_letters, clocks_ms=clocks_ms, forgotten_ms=forgotten_ms
                )
                memo = replace(memo, judging=tuple(self._judging.items()))
            elif at == self._pieces:
                memo = replace(memo, contents=contents)
            positions[at] = Position(done[at], memo.encode())
        return positions

    def committed(self, ends: Mapping[TopicPartition, int]) -> None:
        verdicts, dead_letters = self._outputs
        self.verdicts.end = ends.get(verdicts, self.verdicts.end)
        self.dead_letters.end = ends.get(dead_letters, self.dead_letters.end)


def _digest(inspection: InspectionId) -> int:
    """What stands for a piece in a memo."""
    return crc32(repr(inspection).encode())


OUTPUTS = ("verdicts", "dead-letters")
DOUBTFUL_PIECES = 50
"""Judged one by one where owners have ended: as many as one judges between two commits."""
