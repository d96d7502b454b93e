"""Looks every few seconds whether a worker's topics are still the same ones, with as many partitions."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from streams.kafka.client import open_admin
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import Described, described, layout_problem
from streams.records import Topics

log = logging.getLogger("inspector.streams.kafka")

LOOK_INTERVAL_S = 3.0
LOOK_TIMEOUT_MS = 2_000


@dataclass(frozen=True, slots=True)
class Sight:
    """What the topics look like, compared with the look before."""

    problem: str = ""
    """What is missing or unequal, and the cure; empty where nothing is."""
    changed: frozenset[str] = frozenset()
    """Topics that were recreated or have more partitions now."""
    recreated: frozenset[str] = frozenset()
    """Those of them that were deleted and created again: offsets committed before mean nothing in them."""


class TopicWatch:
    """All topics of some lines, seen through a client of its own."""

    def __init__(
        self,
        settings: KafkaSettings,
        lines: Sequence[Topics],
        clock: Callable[[], float] = time.monotonic,
        open_client: Callable[[KafkaSettings], KafkaAdminClient] = open_admin,
    ) -> None:
        self._lines, self._clock = lines, clock
        self._admin = open_client(replace(settings, request_timeout_ms=LOOK_TIMEOUT_MS))
        self._last: Mapping[str, Described] = {}
        """As of the last look at which nothing was missing."""
        self._next_s = clock()

    def look(self) -> Sight | None:
        """None between looks, and while the cluster does not answer."""
        if self._clock() < self._next_s:
            return None
        self._next_s = self._clock() + LOOK_INTERVAL_S
        try:
            now = described(self._admin, self._names)
        except kafka_errors.KafkaError as exc:
            log.debug("the topics cannot be looked at: %r", exc)
            return None
        problems = [
            layout_problem(line, {topic: now[topic].num_partitions for topic in line.sisters}) for line in self._lines
        ]
        if any(problems):
            return Sight("; ".join(filter(None, problems)))
        changed = frozenset(
            topic for topic, description in now.items() if description != self._last.get(topic, description)
        )
        recreated = frozenset(topic for topic in changed if now[topic].topic_id != self._last[topic].topic_id)
        self._last = now
        return Sight("", changed, recreated)

    @property
    def _names(self) -> list[str]:
        return [topic for line in self._lines for topic in line.sisters]

    def close(self) -> None:
        self._admin.close()
