"""Tracks one shard's records: which are still needed, which are dead letters, which pieces are judged.

Computes the positions from which a successor can continue.
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
    """Event times of the records used for the verdict; empty if a predecessor judged it."""


def place(origin: Origin) -> TopicPartition:
    return TopicPartition(origin.topic, origin.partition)


class Cursor:
    """Progress in one input partition: records read, and records no longer needed."""

    def __init__(self, start: int, memo: OffsetMetadata) -> None:
        self.next = self._start = start
        self.read = memo.read
        """A predecessor has handled the records below: used them, held them open, or made them dead letters."""
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
        """This owner stops cleanly, so its successor does not count it as one that died."""
        self._starts = self._unsettled = 0

    @property
    def starts(self) -> int:
        """Owners in a row that did not get beyond `read`, this one included."""
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
    """The part of a dead letter that is kept when read back; with its record it would take 64 KiB."""

    at: TopicPartition
    offset: int
    reason: int
    letter_offset: int
    """Offset of the dead letter itself."""


@dataclass(slots=True)
class DeadLetterLog:
    """Dead letters whose records may be read again, each with a lower bound of the dead letter's offset."""

    end: int
    reread: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    """Reason of each dead letter read back."""
    _kept: deque[tuple[TopicPartition, int, int]] = field(default_factory=deque)

    def read_back(self, letter: _DeadLetter) -> None:
        self.reread[letter.at, letter.offset] = letter.reason
        self._kept.append((letter.at, letter.offset, letter.letter_offset))

    def add(self, origin: Origin) -> None:
        """Adds a dead letter that the next commit publishes."""
        self._kept.append((place(origin), origin.offset, self.end))

    def back_to(self, done: Mapping[TopicPartition, int]) -> int:
        """Offset from which dead letters must be read back when the input is read again from `done`."""
        while self._kept and self._kept[0][1] < done.get(self._kept[0][0], 0):
            self._kept.popleft()
        return self._kept[0][2] if self._kept else self.end


@dataclass(slots=True)
class Verdicts:
    """Inspections that have their verdict, while one of their records may still arrive or be read again."""

    end: int
    _judged: dict[InspectionId, Judged] = field(default_factory=dict)
    _behind: dict[InspectionId, dict[TopicPartition, int]] = field(default_factory=dict)
    """Offset after the last record of the inspection, per partition."""

    def __contains__(self, inspection: InspectionId) -> bool:
        return inspection in self._judged

    def get(self, inspection: InspectionId) -> Judged | None:
        return self._judged.get(inspection)

    def add(self, judged: Judged, behind: Mapping[TopicPartition, int]) -> None:
        if judged.inspection in self._judged:  # a second verdict on the topic: only the first one counts
            return
        self._judged[judged.inspection] = judged
        self._behind[judged.inspection] = dict(behind)

    def extend(self, inspection: InspectionId, origin: Origin) -> None:
        """Keeps a judged inspection until one more of its records is not needed any more."""
        behind = self._behind[inspection]
        behind[place(origin)] = max(origin.offset + 1, behind.get(place(origin), 0))

    def back_to(self, done: Mapping[TopicPartition, int], forget: Callable[[Judged], bool]) -> int:
        """Offset from which verdicts must be read back; drops, oldest first, the verdicts that are not needed any
        more."""

        def is_over(judged: Judged) -> bool:
            behind = self._behind[judged.inspection]
            return forget(judged) and all(done.get(at, 0) >= offset for at, offset in behind.items())

        for judged in list(takewhile(is_over, self._judged.values())):
            del self._judged[judged.inspection], self._behind[judged.inspection]
        oldest = next(iter(self._judged.values()), None)
        return self.end if oldest is None else min(self.end, oldest.verdict_offset)


class Ledger:
    """The ledger of one shard."""

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
        for piece in sorted(judged, key=lambda piece: piece.verdict_offset):
            self.verdicts.add(piece, read)

    def _letter(self, record: Record) -> _DeadLetter | None:
        """A dead letter about a record of this shard that a predecessor had read; any other would suppress a record."""
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
        """Whether records that the predecessor had read have yet to be read again."""
        return not self._has_reread_all and any(cursor.next < cursor.read for cursor in self._cursors.values())

    @property
    def is_doubtful(self) -> bool:
        """Whether earlier owners may have died while judging the pieces that are judged next."""
        return self._num_doubtful > 0

    def begin_judging(self, inspection: InspectionId) -> int:
        """Marks the piece that is judged next, for the next commit. Returns how many owners died after marking it."""
        self._num_doubtful -= 1
        piece = _digest(inspection)
        ended = self._judging.pop(piece, 0)
        self._judging[piece] = ended
        return ended

    def _doubt(self) -> None:
        """Counts the predecessor's death against the piece that it marked last. Ignores signals: they are reread from
        far back anyway."""
        if self._judging:
            self._judging[next(reversed(self._judging))] += 1
        unsettled = max(self._cursors[at].unsettled for at in self._openers)
        starts = max(cursor.starts for cursor in self._cursors.values())
        self._num_doubtful = DOUBTFUL_PIECES if self._judging or unsettled > 1 or starts > 2 else 0

    def mark_clean_stop(self) -> None:
        """This owner stops cleanly, so its successor does not count it as one that died."""
        self._judging = {}
        for cursor in self._cursors.values():
            cursor.mark_clean_stop()

    def reread_all(self) -> None:
        """The input is read to its end: records that the predecessor had read but are gone now will not arrive."""
        self._has_reread_all = True

    def read(self, origin: Origin) -> bool:
        """Counts a record as read; True if the predecessor had read it too."""
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
        """The positions from which a successor continues after the next commit."""
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
    """Identifies a piece in the offset metadata."""
    return crc32(repr(inspection).encode())


OUTPUTS = ("verdicts", "dead-letters")
DOUBTFUL_PIECES = 100
"""After owners have died, this many pieces are judged one by one: twice `max_verdicts_per_commit`, since as many may be
judged as wait for their commit."""
