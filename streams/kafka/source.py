"""Reads a worker's share of the input topics and reports gained and lost shards."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from queue import Empty, SimpleQueue

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.kafka.answers import Message
from streams.kafka.client import (
    FATAL_ERRORS,
    connection_monitor,
    connection_problem,
    fatal_error,
    open_group_consumer,
    record_of,
)
from streams.kafka.listener import GroupListener, Partitions, hold
from streams.kafka.progress import Progress
from streams.kafka.readback import NO_RULES, OutputRules
from streams.kafka.session import Session
from streams.kafka.settings import KafkaSettings
from streams.kafka.stamps import Stamps
from streams.kafka.takeover import Takeover
from streams.kafka.watch import TopicWatch
from streams.log import Assignment, Batch
from streams.records import Record, Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.kafka")


class KafkaSource:
    """`streams.log.Source` on a consumer group with static membership and the range assignor.

    Every rebalance takes all shards away and gives some back. In between, `Takeover` determines their positions, and
    `poll` returns no records. Records of a poll during which a partition was revoked are dropped and read again.
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
        self._monitor = connection_monitor(settings)
        self._topics = {topic: line for line in lines for topic in line.inputs}
        self._consumer: KafkaConsumer = open_group_consumer(settings)
        self._progress = Progress(self._consumer)
        self._stamps = Stamps()
        self._watch = TopicWatch(settings, lines)
        self._problem = ""
        """A problem of the topics, during which nothing is read; empty without one."""
        self._recreated: frozenset[str] = frozenset()
        """Topics that were recreated since the last takeover."""
        self._split = ""
        """Partitions that the group's leader assigned apart from the rest of their shard, during which nothing is
        read."""
        self._events: SimpleQueue[Partitions | None] = SimpleQueue()
        self._owned: dict[Shard, tuple[KafkaPartition, ...]] = {}
        self._takeover: Takeover | None = None
        self._paused: Partitions = frozenset()
        self._consumer.subscribe(list(self._topics), listener=GroupListener(self._consumer, self._events))
        self._consumer.topics()  # as the group's leader, it assigns only partitions that its metadata contain

    def poll(self, timeout_s: float) -> Batch:
        """Raises LogError only where waiting cannot help (rejected login, another process of the same name)."""
        if self._session.replaced:
            raise fatal_error(self._settings, kafka_errors.FencedInstanceIdError())
        records = self._fetch(0.02 if self._takeover else timeout_s)
        epoch = self._consumer.group_metadata()
        self._check_topics()
        lost = self._follow_group(epoch.generation_id)
        if lost:
            return Batch(epoch, lost=lost)
        if self._problem or self._split:
            return Batch(epoch, connection_problem=self._problem or self._split)
        if self._takeover is not None:
            gained = self._continue_takeover(self._takeover, timeout_s)
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
        paused = owned & {KafkaPartition(*partition) for partition in partitions}
        self._consumer.pause(*(paused - self._paused))
        self._consumer.resume(*(self._paused - paused))
        self._paused = frozenset(paused)

    def close(self) -> None:
        self._end_takeover()
        self._watch.close()
        self._consumer.close(autocommit=False, timeout_ms=5_000)

    def _fetch(self, timeout_s: float) -> list[Record]:
        try:
            messages = self._poll_client(int(timeout_s * 1000))
        except FATAL_ERRORS as exc:
            raise fatal_error(self._settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            time.sleep(min(timeout_s, self._monitor.failed(exc)))
            return []
        if messages:
            self._monitor.worked()
        return [self._stamps.timed(record_of(message)) for message in messages]

    def _poll_client(self, timeout_ms: int) -> list[Message]:
        try:
            by_partition: Mapping[KafkaPartition, list[Message]] = self._consumer.poll(timeout_ms=timeout_ms)
        except kafka_errors.OffsetOutOfRangeError as exc:
            self._skip_deleted(exc.args[0])
        except kafka_errors.LogTruncationError as exc:
            self._step_back(exc)
        else:
            return [message for messages in by_partition.values() for message in messages]
        return []

    def _connection_problem(self, generation: int) -> str:
        if self._monitor.is_away and (self._owned or self._takeover is not None):
            return f"Kafka at {','.join(self._settings.bootstrap_servers)} does not answer"
        if self._takeover is not None:
            return "this worker is still taking over its partitions"
        return "" if generation >= 0 else f"this worker is not a member of group {self._settings.group}"

    def _check_topics(self) -> None:
        """Gives up all shards while topics are missing or have unequal partition counts. Has the group reassign them
        when topics were recreated or have new partitions."""
        status = self._watch.check()
        if status is None:
            return
        if status.problem and not self._problem:
            log.error("Reading has stopped: %s. It continues when the topics are right.", status.problem)
            self._session.refused = True
        elif not status.problem and (status.changed or self._problem or self._split):
            log.info(
                "Topics usable again (recreated or with new partitions: %s). The group shares out their partitions, "
                "then reading continues.",
                ", ".join(sorted(status.changed)) or "none",
            )
            self._recreated |= status.recreated
            # Offsets and pieces of the old topics are invalid in the new ones.
            self._session.refused |= bool(status.recreated)
            self._rejoin()
        self._problem = status.problem

    def _rejoin(self) -> None:
        """Has the group reassign all partitions with fresh metadata."""
        try:
            self._consumer.topics()
        except kafka_errors.KafkaError as exc:
            self._monitor.failed(exc)
        self._consumer.rejoin()

    def _follow_group(self, generation: int) -> frozenset[Shard]:
        """Handles rebalances, refused commits and a lost membership; returns the lost shards."""
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
            self._end_takeover()
            self._takeover = None if self._problem else self._new_takeover(assigned)
        return lost

    def _latest_assignment(self) -> tuple[Partitions, bool]:
        """The latest assignment (empty after a revocation alone), and whether there was any event."""
        assigned: Partitions = frozenset()
        changed = False
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return assigned, changed
            assigned, changed = event or frozenset(), True

    def _new_takeover(self, assigned: Partitions) -> Takeover | None:
        shards = {Shard(self._topics[at.topic].line, at.partition): self._topics[at.topic] for at in assigned}
        inputs = {KafkaPartition(topic, shard.partition) for shard, line in shards.items() for topic in line.inputs}
        missing = ", ".join(f"{at.topic}/{at.partition}" for at in sorted(inputs - assigned))
        self._split = (
            missing and f"the group assigned {missing} not to this worker, but the other topics of the same partition"
        )
        if self._split:
            log.error("Reading has stopped: %s. It continues after the next rebalance of the group.", self._split)
            return None
        if not shards:
            return None
        return Takeover(self._consumer, self._settings, shards, self._note_lost, self._rules, self._recreated)

    def _continue_takeover(self, takeover: Takeover, timeout_s: float) -> Sequence[Assignment]:
        try:
            gained = takeover.step(timeout_s)
        except FATAL_ERRORS as exc:
            raise fatal_error(self._settings, exc) from exc
        except (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError) as exc:
            log.info("The group changed during the takeover of partitions, which starts again: %s", exc)
            self._session.refused = True
            return ()
        except kafka_errors.KafkaError as exc:
            if connection_problem(self._settings):
                time.sleep(min(timeout_s, self._monitor.failed(exc)))
            else:
                takeover.report_waiting(exc)
            return ()
        self._monitor.worked()
        if gained is None:
            return ()
        self._recreated = frozenset()
        self._end_takeover()
        self._begin([assignment.shard for assignment in gained])
        return gained

    def _begin(self, shards: Sequence[Shard]) -> None:
        for shard in shards:
            topics = [topic for topic, line in self._topics.items() if line.line == shard.line]
            self._owned[shard] = tuple(KafkaPartition(topic, shard.partition) for topic in topics)
        partitions = [at for owned in self._owned.values() for at in owned]
        self._progress.begin(partitions)
        self._consumer.resume(*partitions)

    def _end_takeover(self) -> None:
        if self._takeover is not None:
            self._takeover.close()
        self._takeover = None

    def _confirm(self, idle: bool) -> frozenset[Shard]:
        try:
            at_end = self._progress.confirm(self._owned, idle)
        except kafka_errors.KafkaError as exc:
            self._monitor.failed(exc)
            return frozenset()
        if at_end is None:
            return frozenset()
        self._monitor.worked()
        return at_end

    def _newly_lost(self) -> int:
        lost, self._num_lost = self.lost_offsets.total() - self._num_lost, self.lost_offsets.total()
        return lost

    def _skip_deleted(self, offsets: Mapping[KafkaPartition, int]) -> None:
        """Continues at the earliest record where retention has deleted the next one."""
        firsts = self._consumer.beginning_offsets(list(offsets))
        for at, offset in offsets.items():
            if offset < firsts[at]:
                self._note_lost(TopicPartition(*at), offset, firsts[at] - 1)
            else:
                log.error("%s/%d: offset %d is past the end of the topic, which was probably recreated. Reading from "
                          "its first record, offset %d.",
                          *at, offset, firsts[at])  # fmt: skip
            self._consumer.seek(at, firsts[at])

    def _step_back(self, error: kafka_errors.LogTruncationError) -> None:
        """Continues where the leader's log diverges: an unclean leader election has lost records that were read
        already."""
        log.error(
            "An unclean leader election of the cluster has lost records that were read already (%s). Reading continues "
            "after the last record that is left. To do: set unclean.leader.election.enable = false.",
            error,
        )
        for at, position in error.divergent_offsets.items():
            if position is None:
                self._consumer.seek_to_beginning(at)
            else:
                self._consumer.seek(at, position.offset)

    def _note_lost(self, at: TopicPartition, first: int, last: int) -> None:
        self.lost_offsets[at.topic] += last - first + 1
        log.error("%s/%d: the broker deleted %d records before this worker could read them (offsets %d to %d). To do: "
                  "extend the retention of the topic or add workers.",
                  *at, last - first + 1, first, last)  # fmt: skip
