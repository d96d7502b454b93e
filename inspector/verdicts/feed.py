"""Carries verdicts, or doubts about them, from the log into the event loop: one thread that follows one tail.

The next batch is fetched when the loop has taken the last one, so that a busy loop holds back the tail, not memory.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from streams import resume_token
from streams.log import RecordReader, Start, Tail, TokenExpiredError, TokenInvalidError
from streams.outage import Outage, OutageLines, OutagePolicy
from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.verdicts.feed")

Position = Mapping[TopicPartition, int]
FIRST_DELAY_S = 0.1
BLIND_AFTER_S = 30.0
"""The same limit as for a worker whose line stands still."""

Entry = TypeVar("Entry")
Taken = TypeVar("Taken", contravariant=True)


@dataclass(frozen=True, slots=True)
class Followed(Generic[Entry]):
    """A kind of record that is followed."""

    name: str
    tail: Callable[[Start], Tail]
    read: Callable[[Sequence[Record]], Sequence[Entry]]
    reader: Callable[[], RecordReader] | None = None
    """Reads records of these topics again."""
    is_compacted: bool = False
    """Whether the log removes records that a later one replaces."""


class FeedTarget(Protocol[Taken]):
    """The consumer of a feed; called in the event loop only."""

    def identify(self, identities: Mapping[str, str]) -> None:
        """What tells the topics from later ones of the same names: called with `begin`, and when topics appear."""

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        """Entries start at this position, after a gap; `oldest_ns` is set where older verdicts have expired."""

    def take(self, entries: Sequence[Taken], position: Position) -> None: ...

    def caught_up(self) -> None:
        """The feed has delivered all entries that the log held when it began."""

    def blind(self, is_blind: bool) -> None:
        """The log has been unreadable for longer than `BLIND_AFTER_S`, or is readable again."""

    def end(self) -> None:
        """No more entries follow."""


class FeedPace(NamedTuple):
    poll_s: float = 0.2
    max_delay_s: float = 5.0
    """Longest delay between attempts to read."""
    blind_after_s: float = BLIND_AFTER_S


PACE = FeedPace()


class Feed(Generic[Entry]):
    """Follows the log from `start` on, across outages, until it is stopped."""

    def __init__(
        self,
        followed: Followed[Entry],
        start: Start,
        target: FeedTarget[Entry],
        loop: asyncio.AbstractEventLoop,
        reader: str = "gateway",
        pace: FeedPace = PACE,
    ) -> None:
        """`reader` is how the log lines call the part that follows."""
        self._followed, self._start, self._target, self._loop, self._reader = followed, start, target, loop, reader
        self._stop = threading.Event()
        self._position: Position | None = None
        self._identities: Mapping[str, str] = {}
        self._goal: Position | None = None
        self._is_blind = False
        self._thread = threading.Thread(target=self._run, name=f"{reader}-feed", daemon=True)
        self._pace = pace
        self._outage = Outage(_lines(followed.name, reader), OutagePolicy(FIRST_DELAY_S, pace.max_delay_s, lost=()))

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        start, oldest_ns = self._start, None
        try:
            while not self._stop.is_set():
                try:
                    self._follow(start, oldest_ns)
                except TokenExpiredError as expired:
                    log.warning(
                        "Some %s were deleted before the %s read them (%s): it continues with the oldest.",
                        *(self._followed.name, self._reader, expired),
                    )
                    self._position, start, oldest_ns = None, Start(earliest=True), expired.oldest_ns
                except TokenInvalidError as other:
                    log.warning(
                        "The log was replaced (%s): the %s continues with the oldest record of the new log.",
                        *(other, self._reader),
                    )
                    self._position, start, oldest_ns = None, Start(earliest=True), time.time_ns()
                except self._outage.errors as error:
                    delay_s = self._outage.failed(error)
                    self._note(is_away=True)
                    self._stop.wait(delay_s)
                    start = start if self._position is None else Start(token=resume_token.encode(self._position))
        finally:
            self._post(self._target.end)

    def _note(self, *, is_away: bool) -> None:
        if is_away:
            self._outage.begin()
        else:
            self._outage.worked()
        is_blind = self._outage.lasted_s > self._pace.blind_after_s
        if is_blind != self._is_blind:
            self._is_blind = is_blind
            self._post(lambda: self._target.blind(is_blind))

    def _follow(self, start: Start, oldest_ns: int | None) -> None:
        with closing(self._followed.tail(start)) as tail:
            if self._position is None:
                self._goal = self._end()
                self._position = position = dict(tail.position())
                self._identities = identities = dict(tail.identities())

                def begin() -> None:
                    self._target.identify(identities)
                    self._target.begin(position, oldest_ns)

                self._post(begin)
            while not self._stop.is_set():
                entries = self._followed.read(tail.poll(self._pace.poll_s))
                self._outage.progressed()
                self._note(is_away=tail.is_away)
                self._identify(tail)
                self._hand_over(entries, dict(tail.position()))

    def _identify(self, tail: Tail) -> None:
        """Tells of topics that have appeared."""
        if (identities := dict(tail.identities())) != self._identities:
            self._identities = identities
            self._post(lambda: self._target.identify(identities))

    def _end(self) -> Position:
        with closing(self._followed.tail(Start())) as tail:
            return dict(tail.position())

    def _hand_over(self, entries: Sequence[Entry], position: Position) -> None:
        self._position = position
        self._post(lambda: self._target.take(entries, position))
        if self._goal is not None and all(position.get(source, 0) >= end for source, end in self._goal.items()):
            self._goal = None
            self._post(self._target.caught_up)

    def _post(self, call: Callable[[], None]) -> None:
        """Runs `call` in the loop and waits for it; a loop that has ended takes nothing any more."""
        done = threading.Event()

        def run() -> None:
            try:
                call()
            finally:
                done.set()

        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(run)
        while not done.wait(0.1) and not self._stop.is_set():
            pass


def _lines(records: str, reader: str) -> OutageLines:
    return OutageLines(
        log,
        lambda error: (
            f"The {records} cannot be read ({error}); the {reader} tries again. Is the log there, and may the "
            f"{reader} Read the topic of {records}?"
        ),
        f"The {records} can be read again.",
    )
