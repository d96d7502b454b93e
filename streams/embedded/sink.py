"""Writes verdicts and positions in one transaction, and appends the records of producers."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence

from streams.embedded.lease import Epoch, holds
from streams.embedded.outage import outage_of
from streams.embedded.retention import Retention
from streams.embedded.store import Store
from streams.join.offset_metadata import OffsetMetadata
from streams.log import CommitRefusedError, LogUnavailableError, Position, Step, no_step
from streams.outage import with_retries
from streams.records import Output, TopicPartition


class EmbeddedSink:
    """Output of one worker. Not limited by `max_bytes`: only its commits allow older records to be deleted."""

    def __init__(self, store: Store, retention: Retention, step: Step = no_step) -> None:
        self._store = store
        self._retention = retention
        self._step = step
        self._outage = outage_of(f"Committing to {store.path}")

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        """Waits while the file cannot be written. Raises CommitRefusedError when another worker has taken a line of
        this epoch (then nothing is written), LogError where waiting cannot help."""
        return with_retries(lambda: self._commit(outputs, positions, epoch), self._outage, math.inf)

    def _commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        self._step("before begin")
        with self._store.write(durable=True):
            if not isinstance(epoch, Epoch) or not holds(self._store, epoch):
                raise CommitRefusedError(
                    "another worker holds the lease of these lines now: nothing was committed, and that worker "
                    "inspects these pieces again"
                )
            ends = self._store.append(outputs)
            self._step("after produce")
            for partition, position in positions.items():
                self._set(partition.topic, position)
            self._step("after send_offsets")
            self._retention.drop_old()
            self._step("before commit")
        return ends

    def _set(self, topic: str, position: Position) -> None:
        self._store.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", topic, position.offset, position.memo)
        self._hold(topic, position.offset)
        memo = OffsetMetadata.decode(position.memo, position.offset)
        stem, _, _ = topic.rpartition(".")
        if memo.verdicts is not None:
            self._hold(f"{stem}.verdicts", memo.verdicts)
        if memo.dead_letters is not None:
            self._hold(f"{stem}.dead-letters", memo.dead_letters)

    def _hold(self, topic: str, offset: int) -> None:
        """Protects the records that a successor needs from deletion."""
        self._store.execute("UPDATE topics SET hold = ? WHERE id = ?", offset, self._store.topic(topic).id)

    def close(self) -> None:
        self._store.close()


class EmbeddedPublisher:
    """Appends records of producers; any thread may call it. Waits for a file that cannot be written, up to `busy_s`."""

    def __init__(self, store: Store, retention: Retention, busy_s: float) -> None:
        self._store = store
        self._retention = retention
        self._busy_s = busy_s
        self._outage = outage_of(f"Publishing to {store.path}")
        self._lock = threading.Lock()
        self._pending = False

    def publish(self, outputs: Sequence[Output]) -> None:
        """Readers see the records at once; `flush` makes them durable. Raises LogFullError, LogUnavailableError or
        LogError; then no record of this call is written."""
        self._store.check_sizes(outputs)
        with self._lock:
            self._retry(lambda: self._append(outputs), "nothing of this call was written")

    def flush(self) -> None:
        """Returns when all published records are on the disk. Raises LogUnavailableError, LogError."""
        with self._lock:
            if self._pending:
                self._retry(self._sync, "records published before may not be on the disk")
            self._pending = False

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._store.close()

    def _retry(self, attempt: Callable[[], None], consequence: str) -> None:
        try:
            with_retries(attempt, self._outage, self._busy_s)
        except LogUnavailableError as exc:
            raise LogUnavailableError(f"{exc}; waited {self._busy_s:.3g} s, {consequence}") from exc

    def _append(self, outputs: Sequence[Output]) -> None:
        self._store.check_wal()
        with self._store.write(durable=False):
            self._retention.drop_old()
            self._retention.make_room(outputs)
            self._store.append(outputs)
        self._pending = True

    def _sync(self) -> None:
        with self._store.write(durable=True):
            self._store.execute("UPDATE flushes SET number = number + 1")
