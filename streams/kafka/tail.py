"""Follows the verdict topics from a token, a time, the beginning or the end, without a consumer group."""

import logging
import time
from collections.abc import Mapping, Sequence

from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.kafka.answers import Message, UnreadableMessage
from streams.kafka.client import FATAL_ERRORS, connection_monitor, fatal_error, open_reader, record_of
from streams.kafka.fetching import ResilientConsumer
from streams.kafka.settings import KafkaSettings
from streams.log import Gap, LogError, LogUnavailableError, Start, TokenExpiredError, TokenInvalidError, TopicsError
from streams.records import Record, TopicPartition
from streams.resume_token import ResumePoint, read

log = logging.getLogger("inspector.streams.kafka")

_PROOF_EVERY_S = 5.0
_PROOF_TIMEOUT_MS = 1_000


class KafkaTail:
    """`streams.log.Tail` over all partitions of the given topics, read-committed."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], start: Start) -> None:
        self._settings = settings
        self._monitor = connection_monitor(settings)
        self._topics = topics
        self._ids: dict[str, object] = {}
        self._gaps: list[Gap] = []
        self._missing: frozenset[str] = frozenset()
        self._proof_s = time.monotonic()
        """Time of the last answer of the cluster."""
        self._consumer: ResilientConsumer = open_reader(settings)
        try:
            self._partitions = self._find_partitions(topics)
            self._ids = {topic: self._consumer.topic_id(topic) for topic in topics}
            self._consumer.assign(self._partitions)
            for at, offset in self._starts(start).items():
                self._consumer.seek(at, offset)
        except FATAL_ERRORS as exc:
            self.close()
            raise fatal_error(settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            self.close()
            raise _unavailable(exc) from exc
        except BaseException:
            self.close()
            raise

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Waits out outages.

        Raises TokenExpiredError when retention deletes records before they are read, or a topic was recreated.
        """
        try:
            self._check_topics()
            self._check_cluster()
            by_partition = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        except kafka_errors.OffsetOutOfRangeError as exc:
            raise self._overtaken() from exc
        except FATAL_ERRORS as exc:
            raise fatal_error(self._settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            time.sleep(min(timeout_s, self._monitor.failed(exc)))
            return ()
        if by_partition:
            self._monitor.worked()
            self._proof_s = time.monotonic()
        return [record_of(message) for messages in by_partition.values() for message in _readable(messages)]

    @property
    def is_away(self) -> bool:
        """Whether the cluster does not answer at present."""
        return self._monitor.is_away

    def _check_cluster(self) -> None:
        """Requests the ends after a time without records: kafka-python does not distinguish idle topics from an
        outage."""
        now_s = time.monotonic()
        if now_s - self._proof_s < _PROOF_EVERY_S and not self._monitor.is_away:
            return
        self._consumer.end_offsets(self._partitions, timeout_ms=_PROOF_TIMEOUT_MS)
        self._proof_s = now_s
        self._monitor.worked()

    def _check_topics(self) -> None:
        """Adds new partitions, from their beginning. Raises TokenExpiredError for a recreated topic."""
        missing = frozenset(topic for topic in self._topics if not self._consumer.known_partitions(topic))
        for topic in missing - self._missing:
            log.error("Topic %s is missing: waiting for it. Create it with 'inspector topics create'.", topic)
        self._missing = missing
        for topic in self._topics:
            topic_id = self._consumer.topic_id(topic)
            known_id = self._ids.get(topic)
            if None not in (topic_id, known_id) and topic_id != known_id:
                raise TokenExpiredError(f"topic {topic} was recreated: start with earliest", self._oldest_ns())
            self._ids[topic] = known_id or topic_id
        known = [
            KafkaPartition(topic, number) for topic in self._topics for number in self._consumer.known_partitions(topic)
        ]
        if new := sorted(set(known) - set(self._partitions)):
            firsts = self._consumer.beginning_offsets(new)
            self._partitions += new
            self._consumer.assign(self._partitions)
            for at in new:
                self._consumer.seek(at, firsts[at])

    def position(self) -> Mapping[TopicPartition, int]:
        """Raises LogError when the cluster does not answer in time."""
        try:
            return {TopicPartition(*at): self._consumer.position(at) for at in self._partitions}
        except kafka_errors.KafkaError as exc:
            raise _unavailable(exc) from exc

    def identities(self) -> Mapping[str, str]:
        return {topic: str(topic_id) for topic, topic_id in self._ids.items() if topic_id is not None}

    @property
    def gaps(self) -> Sequence[Gap]:
        return self._gaps

    def close(self) -> None:
        self._consumer.close()

    def _find_partitions(self, topics: Sequence[str]) -> list[KafkaPartition]:
        partitions = []
        for topic in topics:
            numbers = self._consumer.partitions_for_topic(topic)
            if not numbers:
                raise TopicsError(f"topic {topic} is missing: create it with 'inspector topics create'")
            partitions += [KafkaPartition(topic, number) for number in sorted(numbers)]
        return partitions

    def _starts(self, start: Start) -> Mapping[KafkaPartition, int]:
        if start.token is not None:
            point = read(start.token)
            return self._starts_past_gaps(point) if start.skip_lost else self._token_starts(point)
        if start.time_ns is not None:
            return self._time_starts(start.time_ns)
        if start.earliest:
            return self._firsts()
        return self._ends()

    def _token_starts(self, point: ResumePoint) -> Mapping[KafkaPartition, int]:
        firsts, ends = self._firsts(), self._ends()
        starts = {at: point.positions.get(TopicPartition(*at), firsts[at]) for at in self._partitions}
        for at, offset in starts.items():
            if self._is_recreated(at.topic, point):
                raise TokenInvalidError(
                    f"the token is of an earlier topic {at.topic}, which was recreated: start with live or earliest"
                )
            if offset > ends[at]:
                raise TokenInvalidError(
                    f"the token resumes at offset {offset} of {at.topic}/{at.partition}, which ends at {ends[at]}: "
                    "the topic was recreated, start with live or earliest"
                )
            if offset < firsts[at]:
                raise self._expired(f"the token (offset {offset} of {at.topic}/{at.partition})")
        return starts

    def _starts_past_gaps(self, point: ResumePoint) -> Mapping[KafkaPartition, int]:
        firsts, ends = self._firsts(), self._ends()
        oldest_ms = self._oldest_ms()
        starts = dict(firsts)
        for at in self._partitions:
            source = TopicPartition(*at)
            if (offset := point.positions.get(source)) is None:
                continue
            is_recreated = self._is_recreated(at.topic, point) or offset > ends[at]
            if is_recreated or offset < firsts[at]:
                oldest_ns = oldest_ms[at] * 1_000_000 if at in oldest_ms else time.time_ns()
                self._gaps.append(Gap(source, offset, firsts[at], oldest_ns, is_recreated))
            else:
                starts[at] = offset
        return starts

    def _is_recreated(self, topic: str, point: ResumePoint) -> bool:
        """Tokens of earlier versions have no identity: their offsets alone can show it."""
        before, now = point.identities.get(topic), self.identities().get(topic)
        return None not in (before, now) and before != now

    def _time_starts(self, time_ns: int) -> Mapping[KafkaPartition, int]:
        firsts, ends = self._firsts(), self._ends()
        oldest = self._oldest_ms()
        if any(firsts[at] > 0 and time_ns < oldest[at] * 1_000_000 for at in oldest):
            raise self._expired("the requested time")
        times_ms = dict.fromkeys(self._partitions, max(0, time_ns) // 1_000_000)
        starts = self._consumer.offsets_for_times(times_ms)
        return {at: ends[at] if starts[at] is None else starts[at].offset for at in self._partitions}

    def _overtaken(self) -> LogError:
        try:
            return self._expired("the next record to read")
        except kafka_errors.KafkaError as exc:
            return _unavailable(exc)

    def _expired(self, start: str) -> TokenExpiredError:
        return TokenExpiredError(
            f"{start} lies before the oldest record that retention has left: start with earliest or at a later time",
            self._oldest_ns(),
        )

    def _oldest_ns(self) -> int:
        oldest = self._oldest_ms()
        return max(oldest.values()) * 1_000_000 if oldest else time.time_ns()

    def _oldest_ms(self) -> Mapping[KafkaPartition, int]:
        """Append time of the oldest record per partition; partitions without records are absent."""
        oldest = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, 0))
        return {at: first.timestamp for at, first in oldest.items() if first is not None}

    def _firsts(self) -> Mapping[KafkaPartition, int]:
        firsts: Mapping[KafkaPartition, int] = self._consumer.beginning_offsets(self._partitions)
        return firsts

    def _ends(self) -> Mapping[KafkaPartition, int]:
        ends: Mapping[KafkaPartition, int] = self._consumer.end_offsets(self._partitions)
        return ends


def _readable(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages of one partition that can be decoded; logs one line about the others."""
    unreadable = [message for message in messages if isinstance(message, UnreadableMessage)]
    if not unreadable:
        return messages
    topic, partition, first, *_, detail, _ = unreadable[0]
    log.error("%s/%d: %d records cannot be decoded and are skipped, the first at offset %d: %s.",
              topic, partition, len(unreadable), first, detail)  # fmt: skip
    return [message for message in messages if not isinstance(message, UnreadableMessage)]


def _unavailable(exc: kafka_errors.KafkaError) -> LogError:
    return LogUnavailableError(
        f"Kafka does not report the offsets of the topics ({type(exc).__name__}: {exc}): try again"
    )
