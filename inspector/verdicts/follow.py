"""Follows the verdict topics into a store with a durable position: how archives, alerts and integrations read verdicts.

The store keeps the position and its rows in one transaction, so each verdict is stored exactly once: after a crash of
the process, of the store or of the log, following continues behind the last verdict that was stored. A slow store
slows its follower only.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from threading import Event
from typing import Protocol

from inspector.verdicts.ring import Entry, entries_of
from streams import resume_token
from streams.log import Log, LogError, Start, Tail, TokenExpiredError, TokenInvalidError

log = logging.getLogger("inspector.verdicts.follow")

POLL_S = 0.5
FIRST_DELAY_S, MAX_DELAY_S = 0.1, 5.0
LOG_EVERY_S = 60.0


class StoreError(Exception):
    """The store is unavailable now, and nothing of the failed call was stored."""


class VerdictStore(Protocol):
    """Where a follower keeps what it makes of verdicts. Its calls may raise StoreError, and are repeated then."""

    def token(self) -> bytes | None:
        """The token stored last; None before the first one."""

    def store(self, entries: Sequence[Entry], token: bytes) -> None:
        """Stores what these verdicts mean, and the token behind them, in one transaction."""

    def skip(self, oldest_ns: int) -> None:
        """Notes that verdicts before this append time were deleted before they were read."""


def follow(source: Log, store: VerdictStore, stop: Event, name: str) -> None:
    """Follows until `stop` is set, through outages of log and store. `name` is how the log lines call the follower.

    Begins with the oldest verdict, or behind the stored token. If verdicts of any partition were deleted before they
    were read, or the log was replaced, tells the store (`skip`) and reads all partitions again from the oldest verdict:
    from then on the store must ignore verdicts that it has, by `Entry.source` and `Entry.offset`.
    """
    outage = _Outage(name, stop)
    while not stop.is_set():
        try:
            with closing(_tail(source, store, name)) as tail:
                _copy(tail, store, stop, outage)
        except (LogError, StoreError) as error:
            outage.wait(error)


def _tail(source: Log, store: VerdictStore, name: str) -> Tail:
    token = store.token()
    try:
        return source.tail(Start(earliest=True) if token is None else Start(token=token))
    except TokenExpiredError as expired:
        log.warning("%s: verdicts were deleted before they were read (%s). Continues with the oldest one; give the "
                    "verdict topics a longer retention, or start the follower earlier.", name, expired)  # fmt: skip
        store.skip(expired.oldest_ns or time.time_ns())
    except TokenInvalidError as other:
        log.warning("%s: the log was replaced (%s). Continues with the oldest verdict of the new log.", name, other)
        store.skip(time.time_ns())
    return source.tail(Start(earliest=True))


def _copy(tail: Tail, store: VerdictStore, stop: Event, outage: "_Outage") -> None:
    """Stores batch after batch; an empty one only where the position moved past records that are no verdicts."""
    stored = dict(tail.position())
    while not stop.is_set():
        entries, position = entries_of(tail.poll(POLL_S)), dict(tail.position())
        if position != stored:
            store.store(entries, resume_token.encode(position))
            stored = position
        if not tail.is_away:
            outage.end()


class _Outage:
    """Waits between attempts; logs an outage at its beginning, every minute, and at its end."""

    def __init__(self, name: str, stop: Event) -> None:
        self._name, self._stop = name, stop
        self._delay_s = FIRST_DELAY_S
        self._logged_s: float | None = None

    def wait(self, error: Exception) -> None:
        now_s = time.monotonic()
        if self._logged_s is None or now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.warning("%s: interrupted (%s). Retries until it succeeds; no verdict is lost while the log keeps it.",
                        self._name, error)  # fmt: skip
        self._stop.wait(self._delay_s)
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)

    def end(self) -> None:
        if self._logged_s is not None:
            log.warning("%s: continues.", self._name)
        self._logged_s, self._delay_s = None, FIRST_DELAY_S
