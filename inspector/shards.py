"""Holds one join per shard that this worker owns, and hands records, observations and positions through to them.
Knows neither experts nor how a log commits."""

import logging
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from inspector.verdicts import judged_from
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_MISPLACED_STATION
from streams.assembly import JoinSettings, RecipeBook
from streams.codecs import decode
from streams.dead_letters import reject
from streams.items import Chunk, Entry, Event, Frame, Item, Rejected, Trace
from streams.join import Join, JoinMetrics
from streams.limits import Limits
from streams.log import Assignment, Batch, Position
from streams.observation import InspectionId, Observation
from streams.records import Record, Shard, TopicPartition, Topics
from streams.references import Resolver

log = logging.getLogger("inspector.shards")


class StationMap:
    """Remembers in which partition each station was first seen: its records must all lie in one."""

    def __init__(self) -> None:
        self._home: dict[tuple[str, str], tuple[int, str]] = {}

    def misplaced(self, line: str, station: str, at: TopicPartition) -> str | None:
        """None where the station is at home or new; else what is wrong and what mends it."""
        partition, topic = self._home.get((line, station), (at.partition, at.topic))
        if partition == at.partition:
            return None
        return (
            f"station {station!r} is in partition {partition} of {topic} and in partition {at.partition} of "
            f"{at.topic}: its producers place records differently; set all of them to Kafka's default partitioner "
            "(murmur2 over the key; librdkafka: partitioner=murmur2_random)"
        )

    def learn(self, line: str, station: str, at: TopicPartition) -> None:
        self._home.setdefault((line, station), (at.partition, at.topic))

    def forget(self, shards: AbstractSet[Shard]) -> None:
        gone = {(shard.line, shard.partition) for shard in shards}
        self._home = {key: home for key, home in self._home.items() if (key[0], home[0]) not in gone}


@dataclass(frozen=True, slots=True)
class ShardSettings:
    prefix: str
    lines: tuple[str, ...]
    join: JoinSettings
    limits: Limits


class Shards:
    """The joins of this worker, by shard."""

    def __init__(self, settings: ShardSettings, recipes: RecipeBook, resolver: Resolver, metrics: JoinMetrics) -> None:
        self._settings, self._recipes, self._resolver, self._metrics = settings, recipes, resolver, metrics
        self._joins: dict[Shard, Join] = {}
        self._stations = StationMap()
        self._reported: set[tuple[str, str]] = set()
        self._last: dict[TopicPartition, Position] = {}
        self._line_of = {topic: line for line in settings.lines for topic in Topics(settings.prefix, line).inputs}

    def __iter__(self) -> Iterator[tuple[Shard, Join]]:
        return iter(self._joins.items())

    def owns(self, shard: Shard) -> bool:
        return shard in self._joins

    def topics(self, shard: Shard) -> Topics:
        return Topics(self._settings.prefix, shard.line)

    def own(self, assignment: Assignment) -> None:
        """Builds the join of a shard from what its predecessors left."""
        shard = assignment.shard
        judged = [judged_from(record) for record in assignment.verdicts]
        self._joins[shard] = Join(
            assignment, judged, self._recipes, self.topics(shard), self._settings.join, self._metrics
        )
        log.info(
            "Line %s, partition %d is mine: reading on at %s; %d verdicts and %d dead letters read back.",
            shard.line,
            shard.partition,
            ", ".join(f"{topic}@{offset}" for topic, offset in sorted(assignment.starts.items())),
            len(judged),
            len(assignment.dead_letters),
        )

    def drop(self, lost: AbstractSet[Shard]) -> None:
        """Forgets shards that another worker has now, with everything open in them."""
        for shard in lost:
            if join := self._joins.pop(shard, None):
                log.info("Line %s, partition %d is lost: %d open pieces dropped.", *shard, join.num_open)
        self._stations.forget(lost)
        self._last = {at: position for at, position in self._last.items() if self._shard(at) not in lost}

    def clear(self) -> None:
        self.drop(set(self._joins))

    def add(self, record: Record) -> None:
        """Decodes a record and gives it to its join; records of shards that are lost are left to their new owner."""
        at = TopicPartition(record.topic, record.partition)
        join = self._joins.get(self._shard(at))
        if join is None:
            return
        item = decode(record, self._settings.limits, self._line_of[record.topic])
        station = _station(item)
        if not join.was_read(item.origin):  # else it is at home where it was accepted
            item = self._placed(item, station, record, at)
        join.add(item)
        if join.knows(station):  # no more names are kept than stations
            self._stations.learn(self._line_of[at.topic], station, at)
        for frame in join.references():
            self._resolver.submit(frame, partial(join.is_fetching, frame))

    def _placed(self, item: Item, station: str, record: Record, at: TopicPartition) -> Item:
        """The item, or its rejection where the station's records lie in several partitions."""
        if isinstance(item, Rejected) and item.entry is None:
            return item
        finding = self._stations.misplaced(self._line_of[at.topic], station, at)
        if finding is None:
            return item
        if (at.topic, station) not in self._reported:
            self._reported.add((at.topic, station))
            log.error("Line %s: %s.", self._line_of[at.topic], finding)
        return reject(item.origin, DEAD_LETTER_REASON_MISPLACED_STATION, finding, station=station, record=record)

    def advance(self, batch: Batch, now_s: float) -> Iterator[tuple[Shard, list[Observation]]]:
        """Lets time pass in every join; gives the pieces that closed, in order of entry within a shard."""
        for found in self._resolver.finished():
            if join := self._joins.get(self._shard(found.at)):
                join.resolve(found.inspection, found.camera, found.sequence, found.image, found.detail)
        for shard, join in list(self._joins.items()):
            closed = join.advance(batch.unread, shard in batch.at_end, now_s)
            if closed and shard in self._joins:
                yield shard, closed

    def rejected(self) -> list[tuple[Shard, Rejected]]:
        """Records found unusable since the last call."""
        return [(shard, rejected) for shard, join in self._joins.items() for rejected in join.rejected()]

    def settle(self, shard: Shard, inspection: InspectionId) -> None:
        self._joins[shard].settle([inspection])

    def positions(self) -> dict[TopicPartition, Position]:
        """How far the input of every shard is done."""
        return {at: position for join in self._joins.values() for at, position in join.positions().items()}

    def moved(self, positions: Mapping[TopicPartition, Position]) -> bool:
        return any(
            position.offset != self._last[at].offset if at in self._last else True for at, position in positions.items()
        )

    def committed(self, positions: Mapping[TopicPartition, Position], ends: Mapping[TopicPartition, int]) -> None:
        self._last = dict(positions)
        for join in self._joins.values():
            join.committed(ends)

    def ahead(self) -> frozenset[TopicPartition]:
        """Partitions that have read far enough ahead to be paused."""
        return frozenset().union(*(join.ahead() for join in self._joins.values()))

    def _shard(self, at: TopicPartition) -> Shard:
        return Shard(self._line_of[at.topic], at.partition)


def _station(item: Item) -> str:
    match item:
        case Rejected(entry=Entry() as entry):
            return entry.inspection.station
        case Chunk() | Rejected():
            return item.station
        case Frame() | Trace() | Event():
            return item.inspection.station
