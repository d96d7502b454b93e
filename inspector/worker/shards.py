"""Holds one join per shard that this worker owns, and hands records, observations and positions through to them.
Knows neither experts nor how a log commits."""

import logging
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial

from inspector.verdicts.records import judged_from
from inspector.worker.poison_guard import CarefulDecoder
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_MISPLACED_STATION
from streams.decode.dead_letters import origin_of, reject
from streams.decode.items import Frame, Item, Rejected
from streams.decode.large_images import Decoded, LargeImage, LargeImages
from streams.decode.limits import Limits
from streams.decode.process import Decoder
from streams.decode.records import decode, decoded_size
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.foreign import read_ours
from streams.join.join import Join, JoinMetrics
from streams.join.ledger import place
from streams.join.placement import home_partition
from streams.log import Assignment, Batch, Position
from streams.observation import InspectionId, Observation
from streams.records import TYPE_PREFIX, Record, Shard, TopicPartition, Topics
from streams.references.references import Resolver

log = logging.getLogger("inspector.worker.shards")


CHUNK_TYPE = TYPE_PREFIX + "SignalChunk"
"""Its samples count as signals: they have a bound of their own, and are what open pieces wait for."""
MAX_REPORTED = 32
"""Misplaced stations that are named in the log, per worker and until it loses a shard: anybody may make up names."""


@dataclass(frozen=True, slots=True)
class ShardSettings:
    prefix: str
    lines: tuple[str, ...]
    join: JoinSettings
    limits: Limits


class Shards:
    """The joins of this worker, by shard."""

    def __init__(
        self,
        settings: ShardSettings,
        recipes: RecipeBook,
        resolver: Resolver,
        metrics: JoinMetrics,
        decoder: Decoder | None = None,
        large: LargeImages | None = None,
    ) -> None:
        self._settings, self._recipes, self._resolver, self._metrics = settings, recipes, resolver, metrics
        self._care = CarefulDecoder(decoder or Decoder())
        self._large = large or LargeImages(settings.limits)
        self._joins: dict[Shard, Join] = {}
        self._num_partitions: dict[Shard, int] = {}
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
        self._care.begin(assignment)
        max_skew_s = self._settings.join.max_skew_s
        judged = read_ours(
            assignment.verdicts, lambda record: judged_from(record, shard.line, max_skew_s), self._metrics
        )
        self._joins[shard] = Join(
            assignment, judged, self._recipes, self.topics(shard), self._settings.join, self._metrics
        )
        self._num_partitions[shard] = assignment.num_partitions
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
        self._care.forget(lambda at: self._shard(at) in lost)
        self._reported.clear()
        self._last = {at: position for at, position in self._last.items() if self._shard(at) not in lost}

    def is_doubtful(self, shard: Shard) -> bool:
        """Whether owners before may have ended because they judged the shard's oldest piece."""
        return shard in self._joins and self._joins[shard].is_doubtful

    def begin_judging(self, shard: Shard, inspection: InspectionId) -> int:
        """The next commit, which is due now, says that this piece is judged next; how many owners have ended so."""
        self._last.clear()
        return self._joins[shard].begin_judging(inspection)

    def rest(self) -> None:
        """This worker stops of its own accord: one more commit tells its successors that it has not died."""
        for join in self._joins.values():
            join.mark_clean_stop()
        self._last.clear()

    def clear(self) -> None:
        self.drop(set(self._joins))

    def add(self, record: Record, large_bytes: int = 0) -> None:
        """Decodes a record and gives it to its join; records of shards that are lost are left to their new owner. A
        large image, of `large_bytes`, comes later."""
        at = TopicPartition(record.topic, record.partition)
        join = self._joins.get(self._shard(at))
        if join is None:
            return
        line, limits = self._line_of[record.topic], self._settings.limits
        if large_bytes:
            item = decode(record, limits, line, with_pixels=False)
        else:
            item = self._care.decode(record, limits, line, join.reason_given(origin_of(record)))
        if not join.was_read(item.origin):  # else it was accepted here, and must not be judged elsewhere
            item = self._placed(item, record, self._num_partitions[self._shard(at)])
        join.add(item)
        for frame in join.references():
            wanted = partial(self._is_wanted, frame)
            if frame.reference is None:
                self._large.submit(LargeImage(frame, record, line, large_bytes, wanted))
            else:
                self._resolver.submit(frame, wanted, is_apart=self._care.is_at(at))

    def _is_wanted(self, frame: Frame) -> bool:
        """Whether a piece waits for the image of a frame; asked from the threads that bring it, too."""
        join = self._joins.get(self._shard(place(frame.origin)))
        return join is not None and join.is_fetching(frame)

    def _may_come_later(self, join: Join, record: Record, size_bytes: int) -> bool:
        """Whether an image is decoded beside the polling thread. Not where a predecessor has read it: what became of
        it must come out again, and may have ended him."""
        at = TopicPartition(record.topic, record.partition)
        is_new = not join.is_rereading and not join.was_read(origin_of(record))
        return self._large.has_room_for(size_bytes, len(record.value)) and is_new and not self._care.is_at(at)

    def take(self, batch: Batch, before: Callable[[], None]) -> Iterator[Batch]:
        """Adds the records of a batch, as far as what they decode to fits; gives what was read so far each time that
        pieces must be judged before more is decoded, and at last the batch itself. Calls `before` each record."""
        for number, record in enumerate(batch.records):
            before()
            size = 0 if record.type == CHUNK_TYPE else decoded_size(record, self._settings.limits)
            join = self._joins.get(self._shard(TopicPartition(record.topic, record.partition)))
            is_later = join is not None and self._may_come_later(join, record, size)
            if join is not None and not is_later and not join.has_room_for(size):
                yield self._so_far(batch, number)
                if not join.has_room_for(size):
                    join.make_room_for(size)
                    yield self._so_far(batch, number)
            self.add(record, size if is_later else 0)
        yield batch

    def _so_far(self, batch: Batch, num_added: int) -> Batch:
        """The batch as if it had ended here: what follows is unread."""
        rest = {TopicPartition(record.topic, record.partition) for record in batch.records[num_added:]}
        at_end = batch.at_end - {self._shard(at) for at in rest if at.topic in self._line_of}
        return replace(batch, unread=batch.unread | rest, at_end=at_end)

    def _placed(self, item: Item, record: Record, num_partitions: int) -> Item:
        """The item, or its rejection where its key, the station, belongs in another partition: another worker would
        judge the rest of the piece there. A record written before partitions were added is no exception: the piece
        that was on its way meanwhile would have two verdicts."""
        if isinstance(item, Rejected) and item.entry is None:
            return item
        home = home_partition(record.key, num_partitions)
        if home == record.partition:
            return item
        station = record.key.decode()
        finding = (
            f"station {station!r} is in partition {record.partition} of {record.topic}, its key belongs in partition "
            f"{home} of {num_partitions}: set the producer to Kafka's default partitioner (murmur2 over the key; "
            "librdkafka: partitioner=murmur2_random) and let it choose no partition itself; if partitions were added "
            "since, send it again"
        )
        self._report(record.topic, station, finding)
        return reject(item.origin, DEAD_LETTER_REASON_MISPLACED_STATION, finding, station=station, record=record)

    def _report(self, topic: str, station: str, finding: str) -> None:
        """In the log, once for each topic and station, for so many of them."""
        if (topic, station) not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add((topic, station))
            log.error("Line %s: %s.", self._line_of[topic], finding)

    def advance(self, batch: Batch, now_s: float) -> Iterator[tuple[Shard, list[Observation]]]:
        """Lets time pass in every join; gives the pieces that closed, in order of entry within a shard."""
        self._care.forget(lambda at: self._shard(at) in batch.at_end)
        for found in self._resolver.finished():
            if join := self._joins.get(self._shard(found.at)):
                join.resolve(found.inspection, found.camera, found.sequence, found.image, found.detail)
        if decoded := self._large.finished(self._has_room_for):
            self._take_large(decoded)
        for shard, join in list(self._joins.items()):
            closed = join.advance(batch.unread, shard in batch.at_end, now_s)
            if closed and shard in self._joins:
                yield shard, closed

    def _has_room_for(self, frame: Frame, num_bytes: int) -> bool:
        join = self._joins.get(self._shard(place(frame.origin)))
        return join is None or join.has_room_for(num_bytes)

    def _take_large(self, decoded: Decoded) -> None:
        join = self._joins.get(self._shard(place(decoded.frame.origin)))
        if join is not None:
            join.decoded(decoded.frame, decoded.item)

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
