"""Keeps how far each follower has come, in the transaction that stores its rows.

Several archivers may write to one database: their transactions take turns, and each drops the records that another has
stored already.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, delete, select

from inspector.archive.dialect import insert
from inspector.archive.schema import FOLLOWERS, GAPS, POSITIONS, TOPICS
from inspector.verdicts.follow import StoreError
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


Item = TypeVar("Item", bound=Placed)


class _Position(NamedTuple):
    topic_id: int
    identity: str
    next_offset: int


_Positions = dict[TopicPartition, _Position]


class Positions:
    """The position of one follower. For one thread."""

    def __init__(self, follower: str) -> None:
        self._follower = follower
        self._loaded: Mapping[TopicPartition, _Position] = {}

    def token(self, connection: Connection) -> bytes | None:
        """None before the first record."""
        self._loaded = positions = _read(connection, self._follower)
        if not positions:
            return None
        identities = {source.topic: position.identity for source, position in positions.items() if position.identity}
        return resume_token.encode({source: at.next_offset for source, at in positions.items()}, identities)

    def new_entries(self, connection: Connection, entries: Sequence[Item], token: bytes) -> list[Item]:
        """Locks the follower, moves its position, and returns the entries that no other archiver has stored."""
        _lock(connection, self._follower)
        stored, point = _read(connection, self._follower), resume_token.read(token)
        self._check(stored, point)
        _save(connection, self._follower, stored, point)
        self._loaded = _read(connection, self._follower)
        floors = {
            source: position.next_offset for source, position in stored.items() if _is_same(source, position, point)
        }
        return [entry for entry in entries if entry.offset >= floors.get(entry.source, 0)]

    def _check(self, stored: _Positions, point: ResumePoint) -> None:
        """Raises StoreError where another archiver went on to a recreated topic, which this one does not know of."""
        for source, position in stored.items():
            identity = point.identities.get(source.topic, position.identity)
            before = self._loaded.get(source)
            if position.identity not in (identity, before.identity if before else identity):
                raise StoreError(f"another archiver reads a recreated topic {source.topic}")


def note_gaps(connection: Connection, follower: str, gaps: Sequence[Gap]) -> None:
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


def _lock(connection: Connection, follower: str) -> None:
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
    query = (
        select(TOPICS.c.name, POSITIONS.c.partition, TOPICS.c.id, POSITIONS.c.identity, POSITIONS.c.next_offset)
        .join(TOPICS)
        .where(POSITIONS.c.follower == follower)
    )
    return {TopicPartition(row[0], row[1]): _Position(row[2], row[3], row[4]) for row in connection.execute(query)}


def _save(connection: Connection, follower: str, stored: _Positions, point: ResumePoint) -> None:
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
    statement = insert(connection, POSITIONS)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[POSITIONS.c.follower, POSITIONS.c.topic_id, POSITIONS.c.partition],
            set_={"identity": statement.excluded.identity, "next_offset": statement.excluded.next_offset},
        ),
        [
            {
                "follower": follower,
                "topic_id": topics[source.topic],
                "partition": source.partition,
                "identity": point.identities.get(source.topic, ""),
                "next_offset": next_offset,
            }
            for source, next_offset in moved.items()
        ],
    )
