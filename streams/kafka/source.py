"""Reads a worker's share of the input topics and says which shards come and go. Knows no payload."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from queue import Empty, SimpleQueue

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord

from streams.kafka.client import (
    FATAL_ERRORS,
    ConnectionMonitor,
    connection_problem,
    fatal,
    open_group_consumer,
    record_of,
)
from streams.kafka.listener import GroupListener, Partitions, hold
from streams.kafka.progress import Progress
from streams.kafka.readback import NO_RULES, OutputRules
from streams.kafka.session import Session
from streams.kafka.settings import KafkaSettings
from streams.kafka.stamps import Stamps
from streams.kafka.takeover import Handover
from streams.kafka.watch import TopicWatch
from streams.log import Assignment, Batch
from streams.records import Record, Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.kafka")


class KafkaSource:
    """`streams.log.Source` on a consumer group with static membership and the range assignor.

    Every rebalance takes all shards away and gives some back; a handover (`Handover`) lies in between, during which
    `poll` gives nothing. Records of a poll in which anything was revoked are dropped: they are read again.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        lines: Sequence[Topics],
        session: Session,
        rules: OutputRules = NO_RULES,
    ) -> None:
        self.lost_offsets: Counter[str] = Counter()
        """Records per topic that were deleted before this worker could read them."""
        self._num_lost = 0
        self._settings = settings
        self._session = session
        self._rules = rules
        self._reach = ConnectionMonitor(settings)
        self._topics = {topic: line for line in lines for topic in line.inputs}
        self._consumer: KafkaConsumer = open_group_consumer(settings)
        self._progress = Progress(self._consumer)
        self._stamps = Stamps()
        self._watch = TopicWatch(settings, lines)
        self._problem = ""
        """What is wrong with the topics; nothing is read meanwhile."""
        self._recreated: frozenset[str] = frozenset()
        """Topics that were deleted and created again, and for which no handover was done since."""
        self._torn = ""
        """Which partitions of its shards the group's leader did not give to this worker; nothing is read meanwhile."""
        self._events: SimpleQueue[Partitions | None] = SimpleQueue()
        self._owned: dict[Shard, tuple[KafkaPartition, ...]] = {}
        self._handover: Handover | None = None
        self._paused: Partitions = frozenset()
        self._consumer.subscribe(list(self._topics), listener=GroupListener(self._consumer, self._events))
        self._consumer.topics()  # the leader of the group assigns only what its metadata hold already

    def poll(self, timeout_s: float) -> Batch:
        """Raises LogError only for what waiting does not mend (refused login, another process of the same name)."""
        if self._session.replaced:
            raise fatal(self._settings, kafka_errors.FencedInstanceIdError())
        records = self._fetch(0.02 if self._handover else timeout_s)
        epoch = self._consumer.group_metadata()
        self._look_at_topics()
        lost = self._follow_group(epoch.generation_id)
        if lost:
            return Batch(epoch, lost=lost)
        if self._problem or self._torn:
            return Batch(epoch, connection_problem=self._problem or self._torn)
        if self._handover is not None:
            gained = self._hand_over(self._handover, timeout_s)
            return Batch(epoch, gained=gained, connection_problem=self._connection_problem(epoch.generation_id))
        at_end = self._confirm(idle=not records)
        unread, lag = self._progress.unread(), self._progress.lag()
        connection_problem = self._connection_problem(epoch.generation_id)
        num_lost = self._newly_lost()
        return Batch(
            epoch,
            records,
            at_end=at_end,
            unread=unread,
            lag=lag,
            num_lost=num_lost,
            connection_problem=connection_problem,
        )

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        owned = {at for shard in self._owned.values() for at in shard}
        wanted = frozenset(at for at in (KafkaPartition(*each) for each in partitions) if at in owned)
        self._consumer.pause(*(wanted - self._paused))
        self._consumer.resume(*(self._paused - wanted))
        self._paused = wanted

    def close(self) -> None:
        self._drop_handover()
        self._watch.close()
        self._consumer.close(autocommit=False, timeout_ms=5_000)

    def _fetch(self, timeout_s: float) -> list[Record]:
        try:
            found = self._poll_client(int(timeout_s * 1000))
        except FATAL_ERRORS as exc:
            raise fatal(self._settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            time.sleep(min(timeout_s, self._reach.failed(exc)))
            return []
        if found:
            self._reach.worked()
        return [self._stamps.timed(record_of(message)) for messages in found.values() for message in messages]

    def _poll_client(self, timeout_ms: int) -> dict[KafkaPartition, list[ConsumerRecord]]:
        try:
            found: dict[KafkaPartition, list[ConsumerRecord]] = self._consumer.poll(timeout_ms=timeout_ms)
        except kafka_errors.OffsetOutOfRangeError as exc:
            self._skip_deleted(exc.args[0])
        except kafka_errors.LogTruncationError as exc:
            self._step_back(exc)
        else:
            return found
        return {}

    def _connection_problem(self, generation: int) -> str:
        if self._reach.away and (self._owned or self._handover is not None):
            return f"Kafka at {','.join(self._settings.bootstrap_servers)} does not answer"
        if self._handover is not None:
            return "the handover of its shards is not over"
        return "" if generation >= 0 else f"this worker is no member of group {self._settings.group}"

    def _look_at_topics(self) -> None:
        """Gives all shards up while topics are missing or have unequal partition counts, and has them assigned again
        when topics were recreated or have got partitions."""
        sight = self._watch.look()
        if sight is None:
            return
        if sight.problem and not self._problem:
            log.error("%s. Nothing is read until then", sight.problem)
            self._session.refused = True
        elif not sight.problem and (sight.changed or self._problem or self._torn):
            changed = ", ".join(sorted(sight.changed)) or "none of them"
            log.warning(
                "no topic is missing now; recreated or with more partitions: %s; the group shares them out again",
                changed,
            )
            self._recreated |= sight.recreated
            self._session.refused |= bool(
                sight.recreated
            )  # offsets and pieces of the old topics mean nothing in the new ones
            self._rejoin()
        self._problem = sight.problem

    def _rejoin(self) -> None:
        """Has the group assign all partitions again, by the metadata that its leader has then."""
        try:
            self._consumer.topics()
        except kafka_errors.KafkaError as exc:
            self._reach.failed(exc)
        self._consumer.rejoin()

    def _follow_group(self, generation: int) -> frozenset[Shard]:
        """Takes note of rebalances, refused commits and a lost membership; the shards that are gone by that."""
        assigned, changed = self._latest_assignment()
        if self._session.refused and not changed:
            changed, assigned = True, frozenset(self._consumer.assignment())
            hold(self._consumer, assigned)
        if not changed and generation >= 0:
            return frozenset()
        self._session.refused = False
        lost = frozenset(self._owned)
        self._owned, self._paused = {}, frozenset()
        self._progress.begin(())
        if changed:
            self._drop_handover()
            self._handover = None if self._problem else self._new_handover(assigned)
        return lost

    def _latest_assignment(self) -> tuple[Partitions, bool]:
        """The partitions assigned last (none after a mere revocation), and whether anything happened at all."""
        assigned: Partitions = frozenset()
        changed = False
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return assigned, changed
            assigned, changed = event or frozenset(), True

    def _new_handover(self, assigned: Partitions) -> Handover | None:
        shards = {Shard(self._topics[at.topic].line, at.partition): self._topics[at.topic] for at in assigned}
        inputs = {KafkaPartition(topic, shard.partition) for shard, each in shards.items() for topic in each.inputs}
        missing = ", ".join(f"{at.topic}/{at.partition}" for at in sorted(inputs - assigned))
        self._torn = missing and f"{missing} went to nobody or to another worker than the rest of the shard"
        if self._torn:
            log.error("%s: nothing is read until the group has shared its partitions out again", self._torn)
            return None
        if not shards:
            return None
        return Handover(self._consumer, self._settings, shards, self._note_lost, self._rules, self._recreated)

    def _hand_over(self, handover: Handover, timeout_s: float) -> Sequence[Assignment]:
        try:
            gained = handover.step(timeout_s)
        except FATAL_ERRORS as exc:
            raise fatal(self._settings, exc) from exc
        except (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError) as exc:
            log.info("handover broken off, the group changes again: %s", exc)
            self._session.refused = True
            return ()
        except kafka_errors.KafkaError as exc:
            if connection_problem(self._settings):
                time.sleep(min(timeout_s, self._reach.failed(exc)))
            else:
                handover.report_waiting(exc)
            return ()
        self._reach.worked()
        if gained is None:
            return ()
        self._recreated = frozenset()
        self._drop_handover()
        self._begin([assignment.shard for assignment in gained])
        return gained

    def _begin(self, shards: Sequence[Shard]) -> None:
        for shard in shards:
            topics = [topic for topic, line in self._topics.items() if line.line == shard.line]
            self._owned[shard] = tuple(KafkaPartition(topic, shard.partition) for topic in topics)
        partitions = [at for owned in self._owned.values() for at in owned]
        self._progress.begin(partitions)
        self._consumer.resume(*partitions)

    def _drop_handover(self) -> None:
        if self._handover is not None:
            self._handover.close()
        self._handover = None

    def _confirm(self, idle: bool) -> frozenset[Shard]:
        try:
            at_end = self._progress.confirm(self._owned, idle)
        except kafka_errors.KafkaError as exc:
            self._reach.failed(exc)
            return frozenset()
        if at_end is None:
            return frozenset()
        self._reach.worked()
        return at_end

    def _newly_lost(self) -> int:
        lost, self._num_lost = self.lost_offsets.total() - self._num_lost, self.lost_offsets.total()
        return lost

    def _skip_deleted(self, offsets: Mapping[KafkaPartition, int]) -> None:
        """Goes on at the earliest record where retention has overtaken the reading."""
        firsts = self._consumer.beginning_offsets(list(offsets))
        for at, offset in offsets.items():
            if offset < firsts[at]:
                self._note_lost(TopicPartition(*at), offset, firsts[at] - 1)
            else:
                log.error("%s/%d: nothing lies at offset %d any more: was the topic recreated? Reading from %d",
                          *at, offset, firsts[at])  # fmt: skip
            self._consumer.seek(at, firsts[at])

    def _step_back(self, error: kafka_errors.LogTruncationError) -> None:
        """After an unclean election records already read are gone: go on where the leader's log parted."""
        log.error("the cluster has lost records that were already read: %s", error)
        for at, position in error.divergent_offsets.items():
            if position is None:
                self._consumer.seek_to_beginning(at)
            else:
                self._consumer.seek(at, position.offset)

    def _note_lost(self, at: TopicPartition, first: int, last: int) -> None:
        self.lost_offsets[at.topic] += last - first + 1
        log.error("%s/%d: %d records were deleted before this worker could read them, offsets %d to %d",
                  *at, last - first + 1, first, last)  # fmt: skip
