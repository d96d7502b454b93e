"""Opens sources, sinks, publishers and tails on one Kafka cluster."""

from collections.abc import Sequence

from streams.kafka.publisher import KafkaPublisher
from streams.kafka.readback import NO_RULES, OutputRules
from streams.kafka.reader import KafkaReader
from streams.kafka.session import Session
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import KafkaSink
from streams.kafka.source import KafkaSource
from streams.kafka.tail import KafkaTail
from streams.kafka.topics import require_topics
from streams.log import Publisher, RecordReader, Start, Step, Tail, no_step
from streams.log_clock import LogClock
from streams.records import CONTROL_KIND, Topics


class KafkaLog:
    """`streams.log.Log` on Apache Kafka. Opening a part waits for the cluster; wrong settings raise LogError.

    A worker opens one sink and one source, the sink first: that ends an open transaction of its predecessor.
    """

    def __init__(
        self, settings: KafkaSettings, prefix: str, lines: Sequence[str], rules: OutputRules = NO_RULES
    ) -> None:
        """`rules`: how to interpret the outputs of predecessors, and which parts of them to keep."""
        self._settings = settings
        self._rules = rules
        self._prefix = prefix
        self._lines = tuple(lines)
        self._session = Session()

    def source(self) -> KafkaSource:
        """Raises TopicsError when topics are missing or unequal."""
        require_topics(self._settings, self._prefix, self._lines)
        lines = [Topics(self._prefix, line) for line in self._lines]
        return KafkaSource(self._settings, lines, self._session, self._rules)

    def sink(self, step: Step = no_step, clock: LogClock | None = None) -> KafkaSink:
        """`clock` learns the log's time from the stamps of written records."""
        return KafkaSink(self._settings, self._session, step, clock)

    def publisher(self) -> Publisher:
        return KafkaPublisher(self._settings)

    def tail(self, start: Start) -> Tail:
        return self._follow("verdicts", start)

    def dead_letters(self, start: Start) -> Tail:
        return self._follow("dead-letters", start)

    def shadow(self, start: Start) -> Tail:
        return self._follow("shadow", start)

    def feedback(self, start: Start) -> Tail:
        return self._follow("feedback", start)

    def control(self, start: Start) -> Tail:
        return self._follow(CONTROL_KIND, start)

    def reader(self) -> RecordReader:
        """Waits for the cluster."""
        return KafkaReader(self._settings)

    def _follow(self, kind: str, start: Start) -> Tail:
        return KafkaTail(self._settings, [Topics(self._prefix, line).of(kind) for line in self._lines], start)

    def close(self) -> None:
        """Does nothing: every part closes its own client."""
