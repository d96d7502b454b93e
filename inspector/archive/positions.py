"""Keeps how far each follower has come, in the transaction that stores its rows.

Several archivers may write to one database: their transactions take turns, and each drops the records that another has
stored already.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, delete, select, update

from inspector.archive.dialect import insert
from inspector.archive.schema import FOLLOWERS, GAPS, POSITIONS, TOPICS
from inspector.verdicts.follow import StoreError
from inspector.verdicts.regrown import LastRecord
from streams import resume_token
from streams.log import Gap
from streams.records import TopicPartition
from streams.resume_token import ResumePoint


class Placed(Protocol):
    """Something that came from a record."""

    @property
    def source(self) -> TopicPartition: ...
    @property
    def offset(self) -> int: ...
    @property
    def append_ns(self) -> int: ...


Item = TypeVar("Item", bound=Placed)


class _Position(NamedTuple):
    topic_id: int
    identity: str
    next_offset: int
    last: LastRecord | None
    before_ns: int


_ANEW = -1
"""Next offset where the log was replaced."""
_Positions = dict[TopicPartition, _Position]


class Positions:
    """The position of one follower. For one thread."""

    def __init__(self, follower: str, *, counts: bool = False) -> None:
        """`counts`: a replaced log gives only its later records, as one that was stored before would count twice."""
        self._follower, self._counts = follower, counts
        self._loaded: Mapping[TopicPartition, _Position] = {}

    def token(self, connection: Connection) -> bytes | None:
        """None before the first record."""
        self._loaded = _read(connection, self._follower)
        positions = {source: at for source, at in self._loaded.items() if at.next_offset != _ANEW}
        if not positions:
            return None
        identities = {source.topic: position.identity for source, position in positions.items() if position.identity}
        return resume_token.encode({source: at.next_offset for source, at in positions.items()}, identities)

    def last(self) -> Mapping[TopicPartition, LastRecord]:
        """The record stored last of each partition, as of the last `token`."""
        return {source: position.last for source, position in self._loaded.items() if position.last is not None}

    def skip(self, connection: Connection, gaps: Sequence[Gap]) -> None:
        """Notes the gaps. The position in a log that was replaced ends: the records of the other one may be new."""
        lock_follower(connection, self._follower)
        _note_gaps(connection, self._follower, gaps)
        stored = _read(connection, self._follower)
        for gap in gaps:
            if gap.is_recreated and (position := stored.get(gap.source)) is not None:
                _begin_anew(connection, self._follower, gap.source, position)
        self._loaded = _read(connection, self._follower)

    def new_entries(self, connection: Connection, entries: Sequence[Item], token: bytes) -> list[Item]:
        """Locks the follower, moves its position, and returns the entries that no other archiver has stored."""
        lock_follower(connection, self._follower)
        stored, point = _read(connection, self._follower), resume_token.read(token)
        self._check(stored, point)
        last = {entry.source: LastRecord(entry.offset, entry.append_ns) for entry in entries}
        _save(connection, self._follower, stored, point, last)
        self._loaded = _read(connection, self._follower)
        floors = {
            source: position.next_offset for source, position in stored.items() if _is_same(source, position, point)
        }
        new = [entry for entry in entries if entry.offset >= floors.get(entry.source, 0)]
        return [entry for entry in new if not self._is_counted(entry, stored)]

    def _is_counted(self, entry: Placed, stored: _Positions) -> bool:
        position = stored.get(entry.source)
        return self._counts and position is not None and entry.append_ns <= position.before_ns

    def _check(self, stored: _Positions, point: ResumePoint) -> None:
        """Raises StoreError where another archiver went on to a recreated topic, which this one does not know of."""
        for source, position in stored.items():
            identity = point.identities.get(source.topic, position.identity)
            before = self._loaded.get(source)
            if position.identity not in (identity, before.identity if before else identity):
                raise StoreError(f"another archiver reads a recreated topic {source.topic}")


def _note_gaps(connection: Connection, follower: str, gaps: Sequence[Gap]) -> None:
    """Keeps each gap once: a follower reports it again after a crash."""
    topics = topic_ids(connection, {gap.source.topic for gap in gaps})
    table = GAPS.c
    for gap in gaps:
        row = {"follower": follower, "topic_id": topics[gap.source.topic], "partition": gap.source.partition,
               "first_offset": gap.first, "next_offset": gap.next, "oldest_ns": gap.oldest_ns,
               "is_recreated": gap.is_recreated, "noted_ns": time.time_ns()}  # fmt: skip
        is_same = [table[name] == row[name] for name in ("follower", "topic_id", "partition", "first_offset")]
        connection.execute(delete(GAPS).where(*is_same))
        connection.execute(GAPS.insert(), row)


def _begin_anew(connection: Connection, follower: str, source: TopicPartition, position: _Position) -> None:
    before_ns = max(position.before_ns, position.last.append_ns if position.last else 0)
    connection.execute(
        update(POSITIONS)
        .where(
            POSITIONS.c.follower == follower,
            POSITIONS.c.topic_id == position.topic_id,
            POSITIONS.c.partition == source.partition,
        )
        .values(next_offset=_ANEW, identity="", last_offset=None, last_ns=None, before_ns=before_ns)
    )


def topic_ids(connection: Connection, names: Iterable[str]) -> Mapping[str, int]:
    """Numbers of topics; gives one to a new topic."""
    topics = set(names)
    known = known_topics(connection, topics)
    if new := sorted(topics - known.keys()):
        connection.execute(insert(connection, TOPICS).on_conflict_do_nothing(), [{"name": name} for name in new])
        known = known_topics(connection, topics)
    return known


def known_topics(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(TOPICS.c.name, TOPICS.c.id).where(TOPICS.c.name.in_(names)))
    return {row.name: row.id for row in rows}


def lock_follower(connection: Connection, follower: str) -> None:
    """Until the end of the transaction: the update holds the row."""
    statement = insert(connection, FOLLOWERS).values(name=follower, updated_ns=time.time_ns())
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[FOLLOWERS.c.name], set_={"updated_ns": statement.excluded.updated_ns}
        )
    )


def _is_same(source: TopicPartition, position: _Position, point: ResumePoint) -> bool:
    """Whether both are of one topic, as far as their logs told."""
    return point.identities.get(source.topic, position.identity) in (position.identity, "") or not position.identity


def _read(connection: Connection, follower: str) -> _Positions:
    query = select(TOPICS.c.name, POSITIONS).join(TOPICS).where(POSITIONS.c.follower == follower)
    return {
        TopicPartition(row.name, row.partition): _Position(
            row.topic_id,
            row.identity,
            row.next_offset,
            None if row.last_offset is None else LastRecord(row.last_offset, row.last_ns),
            row.before_ns,
        )
        for row in connection.execute(query)
    }


def _save(
    connection: Connection,
    follower: str,
    stored: _Positions,
    point: ResumePoint,
    last: Mapping[TopicPartition, LastRecord],
) -> None:
    """Never moves back within one topic."""
    moved = {
        source: next_offset
        for source, next_offset in point.positions.items()
        if (before := stored.get(source)) is None
        or not _is_same(source, before, point)
        or before.next_offset < next_offset
    }
    if not moved:
        return
    topics = topic_ids(connection, {source.topic for source in moved})
    rows = []
    for source, next_offset in moved.items():
        before = stored.get(source)
        is_same = before is not None and _is_same(source, before, point)
        record = last.get(source, before.last if before is not None and is_same else None)
        rows.append(
            {
                "follower": follower,
                "topic_id": topics[source.topic],
                "partition": source.partition,
                "identity": point.identities.get(source.topic, ""),
                "next_offset": next_offset,
                "last_offset": None if record is None else record.offset,
                "last_ns": None if record is None else record.append_ns,
            }
        )
    statement = insert(connection, POSITIONS)
    changed = ("identity", "next_offset", "last_offset", "last_ns")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[POSITIONS.c.follower, POSITIONS.c.topic_id, POSITIONS.c.partition],
            set_={name: statement.excluded[name] for name in changed},
        ),
        rows,
    )
