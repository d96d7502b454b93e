"""Reads records of the file again by their offsets."""

from collections.abc import Iterable, Sequence

from streams.deadline import Deadline
from streams.embedded.store import Store
from streams.log import LogUnavailableError, ReadBack
from streams.records import Record, TopicPartition

_SLICE = 200
"""Offsets looked up in one transaction: an open one keeps the file -wal from shrinking."""


class EmbeddedReader:
    """`streams.log.RecordReader` on one SQLite file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, at: TopicPartition, offsets: Iterable[int], *, max_bytes: int, timeout_s: float) -> ReadBack:
        """Raises LogError."""
        deadline, ordered = Deadline.after(timeout_s), sorted(set(offsets))
        records: dict[int, Record] = {}
        missing: set[int] = set()
        left_bytes = max_bytes
        for start in range(0, len(ordered), _SLICE):
            if deadline.is_over:
                raise LogUnavailableError(
                    f"{self._store.path}: {len(records)} of {len(ordered)} records were read within {timeout_s:g} s: "
                    "the disk is slow, try again"
                )
            offsets_here = ordered[start : start + _SLICE]
            part, gone, left_bytes = self._slice(at, offsets_here, left_bytes)
            records |= part
            missing |= gone
        too_large = set(ordered) - records.keys() - missing
        return ReadBack(records, missing, too_large)

    def _slice(
        self, at: TopicPartition, offsets: Sequence[int], left_bytes: int
    ) -> tuple[dict[int, Record], set[int], int]:
        """Records, offsets without one, and the bytes left; negative once a record did not fit."""
        records: dict[int, Record] = {}
        with self._store.read():
            sizes = self._store.sizes(at.topic, offsets) if at.partition == 0 else {}
            topic = self._store.known_topic(at.topic) if sizes else None
            for offset, size in sorted(sizes.items()):
                left_bytes -= size
                if topic is None or left_bytes < 0:
                    break
                records[offset] = self._store.record(topic, offset)
        return records, set(offsets) - sizes.keys(), left_bytes

    def close(self) -> None:
        self._store.close()
