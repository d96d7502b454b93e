"""Checks every few seconds whether a worker's topics were deleted, recreated or extended."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from streams.kafka.client import open_admin
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import Described, describe_topics, layout_problem
from streams.records import Topics

log = logging.getLogger("inspector.streams.kafka")

CHECK_INTERVAL_S = 3.0
CHECK_TIMEOUT_MS = 2_000


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """The state of the topics, compared with the previous check."""

    problem: str = ""
    """Missing topics or unequal partition counts, and the remedy; empty without a problem."""
    changed: frozenset[str] = frozenset()
    """Topics that were recreated or have new partitions."""
    recreated: frozenset[str] = frozenset()
    """Topics that were deleted and created again: older committed offsets are invalid in them."""


class TopicWatch:
    """Watches all topics of some lines through a separate client."""

    def __init__(
        self,
        settings: KafkaSettings,
        lines: Sequence[Topics],
        clock: Callable[[], float] = time.monotonic,
        open_client: Callable[[KafkaSettings], KafkaAdminClient] = open_admin,
    ) -> None:
        self._lines, self._clock = lines, clock
        self._admin = open_client(replace(settings, request_timeout_ms=CHECK_TIMEOUT_MS))
        self._last: Mapping[str, Described] = {}
        """From the last check without a problem."""
        self._next_s = clock()

    def check(self) -> TopicStatus | None:
        """None between checks, and while the cluster does not answer."""
        if self._clock() < self._next_s:
            return None
        self._next_s = self._clock() + CHECK_INTERVAL_S
        try:
            now = describe_topics(self._admin, self._names)
        except kafka_errors.KafkaError as exc:
            log.debug("The topics cannot be checked: %r", exc)
            return None
        problems = [
            layout_problem(line, {topic: now[topic].num_partitions for topic in line.sisters}) for line in self._lines
        ]
        if any(problems):
            return TopicStatus("; ".join(filter(None, problems)))
        changed = frozenset(
            topic for topic, description in now.items() if description != self._last.get(topic, description)
        )
        recreated = frozenset(topic for topic in changed if now[topic].topic_id != self._last[topic].topic_id)
        self._last = now
        return TopicStatus("", changed, recreated)

    @property
    def _names(self) -> list[str]:
        return [topic for line in self._lines for topic in line.sisters]

    def close(self) -> None:
        self._admin.close()
