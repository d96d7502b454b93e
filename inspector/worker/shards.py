"""Holds one join per shard of this worker and passes records, observations and positions to and from them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial

from inspector.verdicts.records import judged_from
from inspector.worker.look_ahead import LookAhead
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
"""Samples have their own memory limit, and open pieces wait for them."""
MAX_REPORTED = 32
"""Misplaced stations logged per worker until it loses a shard: clients may invent any number of names."""


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

    def assign(self, assignment: Assignment) -> None:
        """Builds the join of a shard from the state that its earlier owners committed."""
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
            "Line %s, partition %d is assigned to this worker. Reading from %s; restored %d verdicts, %d dead letters.",
            shard.line,
            shard.partition,
            ", ".join(f"{topic}@{offset}" for topic, offset in sorted(assignment.starts.items())),
            len(judged),
            len(assignment.dead_letters),
        )

    def drop(self, lost: AbstractSet[Shard]) -> None:
        """Forgets lost shards with their open pieces."""
        for shard in lost:
            if join := self._joins.pop(shard, None):
                log.info(
                    "Line %s, partition %d is no longer assigned to this worker: discarded %d open pieces, which the "
                    "next owner rebuilds.",
                    *shard,
                    join.num_open,
                )
        self._care.forget(lambda at: self._shard(at) in lost)
        self._reported.clear()
        self._last = {at: position for at, position in self._last.items() if self._shard(at) not in lost}

    def is_doubtful(self, shard: Shard) -> bool:
        """Whether judging the shard's oldest piece may have crashed earlier owners."""
        return shard in self._joins and self._joins[shard].is_doubtful

    def begin_judging(self, shard: Shard, inspection: InspectionId) -> int:
        """Has the next commit, which is due now, announce this piece. Returns how many owners crashed while judging
        it."""
        self._last.clear()
        return self._joins[shard].begin_judging(inspection)

    def note_clean_stop(self) -> None:
        """Has one more commit tell the next owners that this worker stopped normally."""
        for join in self._joins.values():
            join.mark_clean_stop()
        self._last.clear()

    def all(self) -> frozenset[Shard]:
        return frozenset(self._joins)

    def lend(self, shard: Shard, pieces: Sequence[Observation]) -> None:
        """These pieces are being judged: their recordings fill the shard's memory until `take_back`."""
        self._joins[shard].lent_bytes += sum(piece.num_bytes for piece in pieces)

    def take_back(self, shard: Shard, pieces: Sequence[Observation]) -> None:
        self._joins[shard].lent_bytes -= sum(piece.num_bytes for piece in pieces)

    def add(self, record: Record, large_bytes: int = 0) -> None:
        """Decodes a record and passes it to its join; ignores records of lost shards. A large image, of `large_bytes`,
        is decoded later."""
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
            is_wanted = partial(self._is_wanted, frame)
            if frame.reference is None:
                self._large.submit(LargeImage(frame, record, line, large_bytes, is_wanted))
            else:
                self._resolver.submit(frame, is_wanted, is_apart=self._care.is_at(at))

    def _is_wanted(self, frame: Frame) -> bool:
        """Whether a piece waits for the image of a frame. Called from decoding and fetching threads, too."""
        join = self._joins.get(self._shard(place(frame.origin)))
        return join is not None and join.is_fetching(frame)

    def _may_come_later(self, join: Join, record: Record, size_bytes: int) -> bool:
        """Whether an image may be decoded outside the polling thread. Not if an earlier owner has read it: its result
        must be the same again, and it may have crashed that owner."""
        at = TopicPartition(record.topic, record.partition)
        is_new = not join.is_rereading and not join.was_read(origin_of(record))
        return self._large.has_room_for(size_bytes, len(record.value)) and is_new and not self._care.is_at(at)

    def take(self, batch: Batch, before: Callable[[], None]) -> Iterator[Batch]:
        """Adds the records of a batch. Yields the part read so far each time that memory is full and pieces must be
        judged first, then the whole batch. Calls `before` each record."""
        try:
            yield from self._take(batch, before)
        finally:
            self._care.forget_begun()

    def _take(self, batch: Batch, before: Callable[[], None]) -> Iterator[Batch]:
        ahead = LookAhead(batch.records, self._size_of, self._begin_decoding)
        for number, record in enumerate(batch.records):
            before()
            ahead.look(number)
            size = ahead.take(number)
            join = self._joins.get(self._shard(TopicPartition(record.topic, record.partition)))
            is_later = join is not None and self._may_come_later(join, record, size)
            if join is not None and not is_later and not join.has_room_for(size):
                yield self._so_far(batch, number)
                if not join.has_room_for(size):
                    join.make_room_for(size)
                    yield self._so_far(batch, number)
            self.add(record, size if is_later else 0)
        yield batch

    def _size_of(self, record: Record) -> int:
        return 0 if record.type == CHUNK_TYPE else decoded_size(record, self._settings.limits)

    def _begin_decoding(self, record: Record, size: int, ahead_bytes: int) -> bool:
        """Whether the frame is begun, or left for its turn: what an earlier owner has read may have crashed it."""
        join = self._joins.get(self._shard(TopicPartition(record.topic, record.partition)))
        if join is None or join.is_rereading or join.was_read(origin_of(record)) or self._large.is_large(size):
            return True
        line = self._line_of[record.topic]
        return join.has_room_for(ahead_bytes + size) and self._care.begin_decoding(record, self._settings.limits, line)

    def _so_far(self, batch: Batch, num_added: int) -> Batch:
        """The batch as if it had ended here: the remaining records are unread."""
        rest = {TopicPartition(record.topic, record.partition) for record in batch.records[num_added:]}
        at_end = batch.at_end - {self._shard(at) for at in rest if at.topic in self._line_of}
        return replace(batch, unread=batch.unread | rest, at_end=at_end)

    def _placed(self, item: Item, record: Record, num_partitions: int) -> Item:
        """The item, or its rejection if its key, the station, belongs in another partition, where another worker would
        judge the rest of the piece. This includes records from before partitions were added: a piece in transit
        would otherwise get two verdicts."""
        if isinstance(item, Rejected) and item.entry is None:
            return item
        home = home_partition(record.key, num_partitions)
        if home == record.partition:
            return item
        station = record.key.decode()
        finding = (
            f"station {station!r} is in partition {record.partition} of {record.topic}, its key belongs in partition "
            f"{home} of {num_partitions}: let the producer use Kafka's default partitioner (murmur2 over the key; "
            "librdkafka: partitioner=murmur2_random) and not choose a partition itself; if partitions were added "
            "since, send the record again"
        )
        self._report(record.topic, station, finding)
        return reject(item.origin, DEAD_LETTER_REASON_MISPLACED_STATION, finding, station=station, record=record)

    def _report(self, topic: str, station: str, finding: str) -> None:
        """Logs each topic and station once, up to `MAX_REPORTED` of them."""
        if (topic, station) not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add((topic, station))
            log.error("Line %s: %s.", self._line_of[topic], finding)

    def advance(self, batch: Batch, now_s: float) -> Iterator[tuple[Shard, list[Observation]]]:
        """Advances time in every join; yields the closed pieces, in order of entry within a shard."""
        self._care.forget(lambda at: self._shard(at) in batch.at_end)
        for fetched in self._resolver.finished():
            if join := self._joins.get(self._shard(fetched.at)):
                join.resolve(fetched.inspection, fetched.camera, fetched.sequence, fetched.image, fetched.detail)
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
        """Records rejected since the last call."""
        return [(shard, rejected) for shard, join in self._joins.items() for rejected in join.rejected()]

    def settle(self, shard: Shard, inspection: InspectionId) -> None:
        self._joins[shard].settle([inspection])

    def positions(self) -> dict[TopicPartition, Position]:
        """The committed position of every input partition, if a commit happens now."""
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
        """Partitions to pause because they are far enough ahead of the others."""
        return frozenset().union(*(join.ahead() for join in self._joins.values()))

    def _shard(self, at: TopicPartition) -> Shard:
        return Shard(self._line_of[at.topic], at.partition)
