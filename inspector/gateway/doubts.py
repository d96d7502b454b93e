"""Tracks inspections whose id was used again for another part after the verdict, as dead letters report it."""

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
"""About 10 MB. Older ones are searched in the log."""
WINDOW_NS = 3600 * 10**9
"""Much longer than the minutes for which a worker remembers a verdict and can detect another part."""
SAME_COMMIT_NS = 500_000_000
"""A verdict and a dead letter about it may share a commit but be stamped by the clocks of two brokers."""
_POLL_S = 0.05


class Doubt(NamedTuple):
    """Another part used the id of this inspection."""

    inspection: InspectionId
    append_ns: int


def doubts_of(records: Iterable[Record]) -> list[Doubt]:
    """Doubts from dead letters about ids that were read twice; ignores other dead letters."""
    doubts = []
    for record in records:
        letter = dead_letter_from(record)
        if letter is not None and letter.reason == DEAD_LETTER_REASON_ID_READ_TWICE:
            named = letter.inspection
            inspection = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
            doubts.append(Doubt(inspection, record.append_ns))
    return doubts


class Doubts:
    """The last doubt of each inspection. Used in the event loop only; implements `FeedTarget`."""

    def __init__(
        self, since_ns: int, caught_up: Callable[[], None], blind: Callable[[bool], None], max_count: int = MAX_DOUBTS
    ) -> None:
        self._on_caught_up, self._on_blind, self._max_count = caught_up, blind, max_count
        self._last_ns: OrderedDict[InspectionId, int] = OrderedDict()
        self.since_ns = since_ns
        """All doubts in the log from this moment on are known here once the feed has caught up."""
        self._is_behind = True

    def __contains__(self, entry: Entry) -> bool:
        """Whether another part came with or after this verdict; an earlier one does not matter."""
        return self._last_ns.get(entry.inspection, -1) >= _first_ns(entry)

    def covers(self, entry: Entry) -> bool:
        """Whether all doubts about this verdict in the log are known here."""
        return not self._is_behind and _first_ns(entry) >= self.since_ns

    def identify(self, identities: Mapping[str, str]) -> None:
        """Nothing to do: doubts are searched by time."""

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        """Nothing to do: deleted dead letters cannot be known."""

    def take(self, entries: Sequence[Doubt], position: Position) -> None:
        for inspection, append_ns in entries:
            self._last_ns[inspection] = append_ns
            self._last_ns.move_to_end(inspection)
        while len(self._last_ns) > self._max_count:
            _, append_ns = self._last_ns.popitem(last=False)
            self.since_ns = max(self.since_ns, append_ns + 1)

    def caught_up(self) -> None:
        self._is_behind = False
        self._on_caught_up()

    def blind(self, is_blind: bool) -> None:
        self._on_blind(is_blind)

    def end(self) -> None:
        """Keeps the known doubts, but no new ones arrive."""
        self._on_blind(True)


def _first_ns(entry: Entry) -> int:
    """The earliest time at which the log may have received a dead letter about a verdict."""
    return entry.append_ns - SAME_COMMIT_NS


class LetterSearch:
    """Reads the dead letters of the hour after a verdict until `deadline_s` of the monotonic clock."""

    def __init__(self, source: Log, entry: Entry, deadline_s: float, is_stopped: Callable[[], bool]) -> None:
        self._log, self._entry, self._deadline_s, self._is_stopped = source, entry, deadline_s, is_stopped
        self._needle = entry.inspection.piece_id.encode()

    def run(self) -> bool | None:
        """Whether another part came; None if the time was too short. Raises LogError."""
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
