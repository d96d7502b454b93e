"""A worker without join and models: each frame becomes one verdict that repeats its value.

It keeps the worker's discipline: state dropped on `lost`, positions with metadata that lag behind the verdicts (as if
open pieces needed the records), so that a successor re-reads them and only the verdicts read back keep it from
judging twice.
"""

import logging
import os
from contextlib import closing
from dataclasses import replace

from streams.join.offset_metadata import OffsetMetadata
from streams.kafka.client_logs import quiet_client_logs
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings
from streams.log import Batch, CommitRefusedError, Position, Sink
from streams.records import Output, Shard, TopicPartition, Topics
from tests.integration.faults import Fault, FaultySource

PREFIX = "test"
LAG = 5
"""Records below the newest that a successor reads again."""


class StubWorker:
    """Judges by repeating. State per shard: values already judged."""

    def __init__(self, line: str, sink: Sink) -> None:
        self._topics = Topics(PREFIX, line)
        self._sink = sink
        self._judged: dict[Shard, set[bytes]] = {}

    def handle(self, batch: Batch) -> None:
        for shard in batch.lost:
            self._judged.pop(shard, None)
        for gained in batch.gained:
            self._judged[gained.shard] = {record.value for record in gained.verdicts}
        outputs: list[Output] = []
        positions: dict[TopicPartition, Position] = {}
        for record in batch.records:
            positions[TopicPartition(record.topic, record.partition)] = Position(
                max(0, record.offset + 1 - LAG),
                OffsetMetadata(read=record.offset + 1, verdicts=0, dead_letters=0).encode(),
            )
            judged = self._judged[Shard(self._topics.line, record.partition)]
            if record.value not in judged:
                judged.add(record.value)
                outputs.append(Output(self._topics.of("verdicts"), record.partition, record.key, record.value, "stub"))
        if positions:
            self._commit(outputs, positions, batch.epoch)

    def _commit(self, outputs: list[Output], positions: dict[TopicPartition, Position], epoch: object) -> None:
        try:
            self._sink.commit(outputs, positions, epoch)
        except CommitRefusedError as exc:
            logging.warning("refused: %s", exc)
            self._judged.clear()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    quiet_client_logs()
    line = os.environ["LINE"]
    settings = KafkaSettings(
        bootstrap_servers=(os.environ["BOOTSTRAP"],),
        group=line,
        session_timeout_s=float(os.environ["SESSION_TIMEOUT_S"]),
        transaction_timeout_s=float(os.environ["TRANSACTION_TIMEOUT_S"]),
        max_poll_records=int(os.environ.get("MAX_POLL_RECORDS", "10")),
    )
    fault = Fault.from_environment()
    log = KafkaLog(replace(settings, worker=os.environ["WORKER"]), PREFIX, [line])
    with closing(log.sink(fault.reached)) as sink, closing(FaultySource(log.source(), fault)) as source:
        worker = StubWorker(line, sink)
        while True:
            worker.handle(source.poll(0.05))


if __name__ == "__main__":
    main()
