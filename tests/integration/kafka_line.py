"""A line on a real broker: its settings, its topics, records in, verdicts out."""

import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from time import monotonic

from streams.kafka.client import open_admin
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import TopicPlan, create_topics
from streams.log import Batch, Source, Start
from streams.records import Output, Record, Topics

PREFIX = "test"
FRAME = "inspection.v1.CameraFrame"


@dataclass(frozen=True)
class KafkaLine:
    settings: KafkaSettings
    name: str
    partitions: int = 2

    @classmethod
    def named(cls, bootstrap: str, test: str) -> "KafkaLine":
        name = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:60] + "-" + uuid.uuid4().hex[:6]
        settings = KafkaSettings(
            bootstrap_servers=(bootstrap,),
            group=name,
            session_timeout_s=3.0,
            transaction_timeout_s=2.0,
        )
        return cls(settings, name)

    @property
    def topics(self) -> Topics:
        return Topics(PREFIX, self.name)

    def create(self) -> None:
        create_topics(self.settings, PREFIX, [self.name], TopicPlan(partitions=self.partitions))

    def log(self, worker: str = "worker-1") -> KafkaLog:
        return KafkaLog(replace(self.settings, worker=worker), PREFIX, [self.name])

    def publish(self, values: Iterable[bytes], kind: str = "frames", partition: int = 0) -> None:
        publisher = self.log("publisher").publisher()
        with closing(publisher):
            publisher.publish([Output(self.topics.of(kind), partition, b"station", value, FRAME) for value in values])

    def verdict(self, value: bytes, partition: int = 0) -> Output:
        return Output(self.topics.of("verdicts"), partition, b"station", value, "inspection.v1.Verdict")

    def verdicts(self, count: int, timeout_s: float = 60.0) -> list[Record]:
        """All committed verdicts, waiting until there are `count`, and a little longer for doubled ones."""
        records: list[Record] = []
        deadline = monotonic() + timeout_s
        with closing(self.log("reader").tail(Start(earliest=True))) as tail:
            while len(records) < count and monotonic() < deadline:
                records += tail.poll(0.1)
            records += tail.poll(0.3)
        return records

    def delete_before(self, kind: str, partition: int, offset: int) -> None:
        """Deletes records as retention does."""
        from kafka import TopicPartition

        with closing(open_admin(self.settings)) as admin:
            admin.delete_records({TopicPartition(self.topics.of(kind), partition): offset})


def poll_until(source: Source, count: int, timeout_s: float = 60.0) -> tuple[list[Batch], list[Record]]:
    """Polls until `count` records came."""
    batches: list[Batch] = []
    records: list[Record] = []
    deadline = monotonic() + timeout_s
    while len(records) < count and monotonic() < deadline:
        batches.append(source.poll(0.1))
        records += batches[-1].records
    return batches, records


def poll_for(source: Source, field: str, timeout_s: float = 60.0) -> Batch:
    """Polls until a batch has something under this name (`gained`, `lost`, `at_end`)."""
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        batch = source.poll(0.1)
        items: Sequence[object] = list(getattr(batch, field))
        if items:
            return batch
    raise TimeoutError(f"no {field} within {timeout_s} s")
