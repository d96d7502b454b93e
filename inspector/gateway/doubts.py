"""Knows which inspections had a record of another part after their verdict, from the dead letters that say so."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from inspector.verdicts.feed import Position
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_ID_READ_TWICE
from streams.decode.dead_letters import dead_letter_from
from streams.log import Log, Start, TokenExpiredError
from streams.observation import InspectionId
from streams.records import Record, TopicPartition

MAX_DOUBTS = 20_000
"""Some 10 MB. Older ones are looked for in the log."""
WINDOW_NS = 3600 * 10**9
"""A worker remembers a verdict, and so tells another part from it, for two horizons: minutes."""
SAME_COMMIT_NS = 500_000_000
"""A verdict and a letter about it may be of one commit; partitions on two brokers are stamped by two clocks."""
_POLL_S = 0.05


class Doubt(NamedTuple):
    """Another part came under the id of this inspection."""

    inspection: InspectionId
    append_ns: int


def doubts_of(records: Iterable[Record]) -> list[Doubt]:
    """What dead letters say of parts that were read under one id; everything else is passed over."""
    found = []
    for record in records:
        letter = dead_letter_from(record)
        if letter is not None and letter.reason == DEAD_LETTER_REASON_ID_READ_TWICE:
            named = letter.inspection
            inspection = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
            found.append(Doubt(inspection, record.append_ns))
    return found


class Doubts:
    """The last doubt of each inspection. Belongs to the gateway's event loop; implements `FeedTarget`."""

    def __init__(
        self, since_ns: int, caught_up: Callable[[], None], blind: Callable[[bool], None], max_count: int = MAX_DOUBTS
    ) -> None:
        self._told_caught_up, self._told_blind, self._max_count = caught_up, blind, max_count
        self._last_ns: OrderedDict[InspectionId, int] = OrderedDict()
        self.since_ns = since_ns
        """Every doubt that the log has from this moment on is known here, once all was read."""
        self._is_behind = True

    def __contains__(self, entry: Entry) -> bool:
        """Whether another part came after this verdict, or with it; one that came before has nothing to do with it."""
        return self._last_ns.get(entry.inspection, -1) >= _first_ns(entry)

    def covers(self, entry: Entry) -> bool:
        """Whether every doubt about this verdict that the log has is known here."""
        return not self._is_behind and _first_ns(entry) >= self.since_ns

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        """What retention has deleted nobody can know."""

    def take(self, entries: Sequence[Doubt], position: Position) -> None:
        for inspection, append_ns in entries:
            self._last_ns[inspection] = append_ns
            self._last_ns.move_to_end(inspection)
        while len(self._last_ns) > self._max_count:
            _, append_ns = self._last_ns.popitem(last=False)
            self.since_ns = max(self.since_ns, append_ns + 1)

    def caught_up(self) -> None:
        self._is_behind = False
        self._told_caught_up()

    def blind(self, is_blind: bool) -> None:
        self._told_blind(is_blind)

    def end(self) -> None:
        """What is known stays; what comes from now on is not known."""
        self._told_blind(True)


def _first_ns(entry: Entry) -> int:
    """When the first letter about a verdict may have been taken by the log."""
    return entry.append_ns - SAME_COMMIT_NS


class LetterSearch:
    """Reads the dead letters of the hour behind a verdict until `deadline_s` of the monotonic clock."""

    def __init__(self, source: Log, entry: Entry, deadline_s: float, is_stopped: Callable[[], bool]) -> None:
        self._log, self._entry, self._deadline_s, self._is_stopped = source, entry, deadline_s, is_stopped
        self._needle = entry.inspection.piece_id.encode()

    def run(self) -> bool | None:
        """Whether another part came; None where time was too short to know. Raises LogError."""
        begin_ns = _first_ns(self._entry)
        try:
            with closing(self._log.dead_letters(Start(time_ns=begin_ns + WINDOW_NS))) as tail:
                goal = dict(tail.position())
        except TokenExpiredError:  # nothing of that hour is left
            return False
        try:
            return self._read(Start(time_ns=begin_ns), goal)
        except TokenExpiredError:
            return self._read(Start(earliest=True), goal)

    def _read(self, start: Start, goal: Mapping[TopicPartition, int]) -> bool | None:
        with closing(self._log.dead_letters(start)) as tail:
            while any(tail.position().get(source, 0) < end for source, end in goal.items()):
                if self._is_stopped() or time.monotonic() > self._deadline_s:
                    return None
                doubts = doubts_of(record for record in tail.poll(_POLL_S) if self._needle in record.value)
                if any(doubt.inspection == self._entry.inspection for doubt in doubts):
                    return True
        return False
