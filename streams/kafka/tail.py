"""Follows the verdict topics from a token, a time, the beginning or the end. Knows no verdict and no group."""

import logging
import time
from collections.abc import Mapping, Sequence

from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.kafka.answers import Message, UnreadableMessage
from streams.kafka.client import FATAL_ERRORS, ConnectionMonitor, fatal, open_reader, record_of
from streams.kafka.fetching import SteadyConsumer
from streams.kafka.settings import KafkaSettings
from streams.log import LogError, LogUnavailableError, Start, TokenExpiredError, TokenInvalidError, TopicsError
from streams.records import Record, TopicPartition
from streams.resume_token import decode

log = logging.getLogger("inspector.streams.kafka")

_PROOF_EVERY_S = 5.0
_PROOF_TIMEOUT_MS = 1_000


class KafkaTail:
    """`streams.log.Tail` over all partitions of the given topics, read-committed."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], start: Start) -> None:
        self._settings = settings
        self._reach = ConnectionMonitor(settings)
        self._topics = topics
        self._ids: dict[str, object] = {}
        self._missing: frozenset[str] = frozenset()
        self._proof_s = time.monotonic()
        """When the cluster last gave something."""
        self._consumer: SteadyConsumer = open_reader(settings)
        try:
            self._partitions = self._find_partitions(topics)
            self._consumer.assign(self._partitions)
            for at, offset in self._starts(start).items():
                self._consumer.seek(at, offset)
        except FATAL_ERRORS as exc:
            self.close()
            raise fatal(settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            self.close()
            raise _unanswered(exc) from exc
        except BaseException:
            self.close()
            raise

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Outages are waited out.

        Raises TokenExpiredError when retention overtakes the reading, or a topic is made anew.
        """
        try:
            self._look_at_topics()
            self._ask_for_proof()
            found = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        except kafka_errors.OffsetOutOfRangeError as exc:
            raise self._overtaken() from exc
        except FATAL_ERRORS as exc:
            raise fatal(self._settings, exc) from exc
        except kafka_errors.KafkaError as exc:
            time.sleep(min(timeout_s, self._reach.failed(exc)))
            return ()
        if found:
            self._reach.worked()
            self._proof_s = time.monotonic()
        return [record_of(message) for messages in found.values() for message in _readable(messages)]

    @property
    def is_away(self) -> bool:
        """Whether the cluster does not answer, so that nothing that it holds can be seen."""
        return self._reach.away

    def _ask_for_proof(self) -> None:
        """An idle topic and a cluster that is away look the same to kafka-python: asks, where nothing came lately."""
        now_s = time.monotonic()
        if now_s - self._proof_s < _PROOF_EVERY_S and not self._reach.away:
            return
        self._consumer.end_offsets(self._partitions, timeout_ms=_PROOF_TIMEOUT_MS)
        self._proof_s = now_s
        self._reach.worked()

    def _look_at_topics(self) -> None:
        """Reads new partitions from their beginning. Raises TokenExpiredError for a topic that is another one now."""
        missing = frozenset(topic for topic in self._topics if not self._consumer.known_partitions(topic))
        for topic in missing - self._missing:
            log.error("topic %s is missing: waiting for it; create it with 'inspector topics create'", topic)
        self._missing = missing
        for topic in self._topics:
            topic_id = self._consumer.topic_id(topic)
            if topic_id != self._ids.setdefault(topic, topic_id) and topic_id is not None:
                raise TokenExpiredError(f"topic {topic} was made anew: start with earliest", self._oldest_ns())
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
        """Raises LogError when the cluster does not say it in time."""
        try:
            return {TopicPartition(*at): self._consumer.position(at) for at in self._partitions}
        except kafka_errors.KafkaError as exc:
            raise _unanswered(exc) from exc

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
            return self._token_starts(decode(start.token))
        if start.time_ns is not None:
            return self._time_starts(start.time_ns)
        if start.earliest:
            return self._firsts()
        return self._ends()

    def _token_starts(self, token: Mapping[TopicPartition, int]) -> Mapping[KafkaPartition, int]:
        firsts, ends = self._firsts(), self._ends()
        starts = {at: token.get(TopicPartition(*at), firsts[at]) for at in self._partitions}
        for at, offset in starts.items():
            if offset > ends[at]:
                raise TokenInvalidError(
                    f"the token resumes at offset {offset} of {at.topic}/{at.partition}, which ends at {ends[at]}: "
                    "the topic was made anew, start with live or earliest"
                )
            if offset < firsts[at]:
                raise self._expired(f"the token, at offset {offset} of {at.topic}/{at.partition}, is")
        return starts

    def _time_starts(self, time_ns: int) -> Mapping[KafkaPartition, int]:
        firsts, ends = self._firsts(), self._ends()
        oldest = self._oldest_ms()
        if any(firsts[at] > 0 and time_ns < oldest[at] * 1_000_000 for at in oldest):
            raise self._expired("the time asked for is")
        found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(0, time_ns) // 1_000_000))
        return {at: ends[at] if found[at] is None else found[at].offset for at in self._partitions}

    def _overtaken(self) -> LogError:
        try:
            return self._expired("the reading is")
        except kafka_errors.KafkaError as exc:
            return _unanswered(exc)

    def _expired(self, what: str) -> TokenExpiredError:
        return TokenExpiredError(
            f"{what} before the oldest verdict left: retention has deleted it, start at that time or later",
            self._oldest_ns(),
        )

    def _oldest_ns(self) -> int:
        oldest = self._oldest_ms()
        return max(oldest.values()) * 1_000_000 if oldest else time.time_ns()

    def _oldest_ms(self) -> Mapping[KafkaPartition, int]:
        """Append time of the first record left per partition; partitions without records are absent."""
        found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, 0))
        return {at: first.timestamp for at, first in found.items() if first is not None}

    def _firsts(self) -> Mapping[KafkaPartition, int]:
        firsts: Mapping[KafkaPartition, int] = self._consumer.beginning_offsets(self._partitions)
        return firsts

    def _ends(self) -> Mapping[KafkaPartition, int]:
        ends: Mapping[KafkaPartition, int] = self._consumer.end_offsets(self._partitions)
        return ends


def _readable(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages of one partition that can be decoded; the others are passed over, and said in one line."""
    passed_over = [message for message in messages if isinstance(message, UnreadableMessage)]
    if not passed_over:
        return messages
    topic, partition, first, *_, detail, _ = passed_over[0]
    log.error("%s/%d: %d records cannot be decoded and are passed over, the first at offset %d: %s",
              topic, partition, len(passed_over), first, detail)  # fmt: skip
    return [message for message in messages if not isinstance(message, UnreadableMessage)]


def _unanswered(exc: kafka_errors.KafkaError) -> LogError:
    return LogUnavailableError(
        f"the cluster does not say where its topics begin and end ({type(exc).__name__}: {exc}): try again"
    )
