"""Reads verdicts from their topic, committed ones only, with the time of their receipt: the client of every contestant.

A contestant may write at least once, or twice: this keeps every record it reads.
"""

import queue
import threading
import time

from kafka import KafkaConsumer, TopicPartition

from protos.inspection.v1.verdict_pb2 import Verdict
from tests.benchmarks.setting import Receipt

POLL_MS, JOIN_BUDGET_S = 20, 10.0


class TopicReceiver:
    def __init__(self, bootstrap: str, topic: str, num_partitions: int = 4) -> None:
        self._receipts: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            fetch_max_wait_ms=20,
        )
        partitions = [TopicPartition(topic, number) for number in range(num_partitions)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        self._thread = threading.Thread(target=self._read, name="verdicts")

    def __enter__(self) -> "TopicReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(JOIN_BUDGET_S)
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            for records in self._consumer.poll(timeout_ms=POLL_MS).values():
                received_ns = time.time_ns()
                for record in records:
                    self._receipts.put((Verdict.FromString(record.value), received_ns))

    def drain(self) -> list[Receipt]:
        """Receipts since the last call."""
        receipts = []
        while not self._receipts.empty():
            receipts.append(self._receipts.get())
        return receipts
