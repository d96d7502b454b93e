"""Follows topics of the log into a store with a durable position: how archives, alerts and integrations read verdicts,
dead letters, feedback and deployments.

The store keeps the position and its rows in one transaction, so each record is stored exactly once: after a crash of
the process, of the store or of the log, following continues behind the last record that was stored. A slow store
slows its follower only.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from threading import Event
from typing import Protocol, TypeVar

from inspector.verdicts.feed import Followed
from inspector.verdicts.regrown import LastRecord, regrown
from inspector.verdicts.ring import Entry, entries_of
from streams import resume_token
from streams.log import Gap, Log, LogError, Start, Tail, TokenExpiredError, TokenInvalidError
from streams.outage import Outage, OutageLines, OutagePolicy
from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.verdicts.follow")

POLL_S = 0.5
FIRST_DELAY_S, MAX_DELAY_S = 0.1, 5.0
IDLE_STORE_S = 60.0
"""A position that moved without records (past marks of transactions, or records of other topics) is stored this often:
far within the time that a log keeps its records, so that nothing seems lost."""

MANY_RECORDS = 100
"""Where a poll gives so many, more may wait: they are stored together, as each commit waits for the disk."""
MAX_RECORDS, MAX_BYTES, GATHER_S = 1000, 8 * 2**20, 0.1
"""Records of one commit, their bytes, and the time for which more are asked for: the poll that reaches one is the
last."""

Item = TypeVar("Item")
Stored = TypeVar("Stored", contravariant=True)


class StoreError(Exception):
    """The store is unavailable now, and nothing of the failed call was stored."""


class Store(Protocol[Stored]):
    """Where a follower keeps its results. Its calls may raise StoreError, and are repeated then."""

    def token(self) -> bytes | None:
        """The token stored last; None before the first one."""

    def last(self) -> Mapping[TopicPartition, LastRecord]:
        """The record stored last of each partition, for the token returned last. A log that was put back to an earlier
        state, and has grown past the token since, has another record there. Empty: this is not checked."""

    def store(self, entries: Sequence[Stored], token: bytes) -> None:
        """Stores what these records mean, and the token behind them, in one transaction."""

    def skip(self, gaps: Sequence[Gap]) -> None:
        """Notes records that can no longer be read. They are reported again if the process ends before the next
        `store`. Where `is_recreated`, the partition's position ends too: the next `token` does not have it, and
        records at any offset may be new."""


VerdictStore = Store[Entry]


def follow(source: Log, store: VerdictStore, stop: Event, name: str) -> None:
    """Follows the verdicts of all lines; see `follow_records`."""
    follow_records(Followed("verdicts", source.tail, entries_of, source.reader), store, stop, name)


def follow_records(followed: Followed[Item], store: Store[Item], stop: Event, name: str) -> None:
    """Follows until `stop` is set, through outages of log and store. `name` is how the log lines call the follower.

    Begins with the oldest record, or behind the stored token. Where records of a partition were deleted before they
    were read, or its topic was recreated, tells the store and continues there with the oldest record left; the other
    partitions are not affected. Raises LogLostError: the log is damaged or gone, and waiting does not help.
    """
    lines = OutageLines(
        log,
        lambda error: (
            f"{name}: interrupted ({error}). Retries until it succeeds; no record is lost while the log keeps it."
        ),
        f"{name}: continues.",
    )
    outage = Outage(lines, OutagePolicy(FIRST_DELAY_S, MAX_DELAY_S, errors=(LogError, StoreError)))
    while not stop.is_set():
        try:
            with closing(_open(followed, store, name)) as tail:
                _copy(followed, tail, store, stop, outage)
        except TokenExpiredError as expired:  # while it was read; opened again, the tail tells the gaps
            log.warning("%s: %s.", name, expired)
        except outage.errors as error:
            stop.wait(outage.failed(error))


def _open(followed: Followed[Item], store: Store[Item], name: str) -> Tail:
    tail = _open_at(followed, store, name)
    try:
        replaced = regrown(followed, store.last(), tail)
        if not replaced:
            return tail
        _report(replaced, followed.name, name)
        store.skip(replaced)
    except BaseException:
        tail.close()
        raise
    tail.close()
    return _open_at(followed, store, name)


def _open_at(followed: Followed[Item], store: Store[Item], name: str) -> Tail:
    token = store.token()
    if token is None:
        return followed.tail(Start(earliest=True))
    try:
        tail = followed.tail(Start(token=token, skip_lost=True))
    except TokenInvalidError as unreadable:
        log.warning("%s: its stored position cannot be read (%s). Begins with the oldest of the %s.",
                    name, unreadable, followed.name)  # fmt: skip
        return followed.tail(Start(earliest=True))
    if tail.gaps:
        _report(tail.gaps, followed.name, name)
        try:
            store.skip(tail.gaps)
        except BaseException:
            tail.close()
            raise
    return tail


def _report(gaps: Sequence[Gap], records: str, name: str) -> None:
    for gap in gaps:
        if gap.is_recreated:
            log.warning("%s: %s/%d is another topic than before (it was recreated, or the log replaced or put back). "
                        "Continues with its oldest record.", name, *gap.source)  # fmt: skip
        else:
            log.warning("%s: %s of %s/%d were deleted before they were read, from offset %d to %d. Continues with the "
                        "oldest one left; give the topics a longer retention, or start the follower earlier.",
                        name, records, *gap.source, gap.first, gap.next - 1)  # fmt: skip


def _copy(followed: Followed[Item], tail: Tail, store: Store[Item], stop: Event, outage: Outage) -> None:
    """Stores batch after batch."""
    stored, stored_s = dict(tail.position()), time.monotonic()
    while not stop.is_set():
        records = _gathered(tail)
        position = dict(tail.position())
        is_due = position != stored and time.monotonic() - stored_s >= IDLE_STORE_S
        if records or is_due:
            store.store(followed.read(records), resume_token.encode(position, tail.identities()))
            stored, stored_s = position, time.monotonic()
        if not tail.is_away:
            outage.worked()


def _gathered(tail: Tail) -> list[Record]:
    records: list[Record] = []
    end_s, num_bytes = time.monotonic() + POLL_S + GATHER_S, 0
    while True:
        more = tail.poll(0.0 if records else POLL_S)
        records += more
        num_bytes += sum(len(record.value) for record in more)
        is_full = len(records) >= MAX_RECORDS or num_bytes >= MAX_BYTES
        if len(more) < MANY_RECORDS or is_full or time.monotonic() >= end_s:
            return records
