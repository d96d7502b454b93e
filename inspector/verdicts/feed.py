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
from typing import Generic, Protocol, TypeVar

from streams import resume_token
from streams.log import LogError, RecordReader, Start, Tail, TokenExpiredError, TokenInvalidError
from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.verdicts.feed")

Position = Mapping[TopicPartition, int]
FIRST_DELAY_S = 0.1
BLIND_AFTER_S = 30.0
"""The same limit as for a worker whose line stands still."""
_SAY_EVERY_S = 60.0


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

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        """Entries start at this position, after a gap; `oldest_ns` is set where older verdicts have expired."""

    def take(self, entries: Sequence[Taken], position: Position) -> None: ...

    def caught_up(self) -> None:
        """The feed has delivered all entries that the log held when it began."""

    def blind(self, is_blind: bool) -> None:
        """The log has been unreadable for longer than `BLIND_AFTER_S`, or is readable again."""

    def end(self) -> None:
        """No more entries follow."""


class Feed(Generic[Entry]):
    """Follows the log from `start` on, across outages, until it is stopped."""

    def __init__(
        self,
        followed: Followed[Entry],
        start: Start,
        target: FeedTarget[Entry],
        loop: asyncio.AbstractEventLoop,
        reader: str = "gateway",
    ) -> None:
        """`reader` is how the log lines call the part that follows."""
        self._followed, self._start, self._target, self._loop, self._reader = followed, start, target, loop, reader
        self._stop = threading.Event()
        self._position: Position | None = None
        self._goal: Position | None = None
        self._delay_s = FIRST_DELAY_S
        self._away_s: float | None = None
        """When the log was last read, while it cannot be."""
        self._said_s: float | None = None
        self._is_blind = False
        self._thread = threading.Thread(target=self._run, name=f"{reader}-feed", daemon=True)
        self.poll_s = 0.2
        self.max_delay_s = 5.0
        self.blind_after_s = BLIND_AFTER_S

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
                except LogError as error:
                    self._wait_out(error)
                    start = start if self._position is None else Start(token=resume_token.encode(self._position))
        finally:
            self._post(self._target.end)

    def _wait_out(self, error: LogError) -> None:
        """Logs the outage once, and every minute."""
        now_s = time.monotonic()
        if self._said_s is None or now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            log.warning(
                "The %s cannot be read (%s); the %s tries again. Is the log there, and may the %s Read the topic of "
                "%s?",
                *(self._followed.name, error, self._reader, self._reader, self._followed.name),
            )
        self._note(is_away=True)
        self._stop.wait(self._delay_s)
        self._delay_s = min(2 * self._delay_s, self.max_delay_s)

    def _note(self, *, is_away: bool) -> None:
        now_s = time.monotonic()
        self._away_s = (now_s if self._away_s is None else self._away_s) if is_away else None
        if not is_away and self._said_s is not None:
            self._said_s = None
            log.warning("The %s can be read again.", self._followed.name)
        is_blind = self._away_s is not None and now_s - self._away_s > self.blind_after_s
        if is_blind != self._is_blind:
            self._is_blind = is_blind
            self._post(lambda: self._target.blind(is_blind))

    def _follow(self, start: Start, oldest_ns: int | None) -> None:
        with closing(self._followed.tail(start)) as tail:
            if self._position is None:
                self._goal = self._end()
                self._position = position = dict(tail.position())
                self._post(lambda: self._target.begin(position, oldest_ns))
            while not self._stop.is_set():
                entries = self._followed.read(tail.poll(self.poll_s))
                self._delay_s = FIRST_DELAY_S
                self._note(is_away=tail.is_away)
                self._hand_over(entries, dict(tail.position()))

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
