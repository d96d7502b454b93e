"""Deletes records that are too old or too many, oldest first, never one that somebody still needs. Knows no payload."""

import time
from collections.abc import Sequence

from streams.embedded.store import EmbeddedSettings, Store, Topic
from streams.log import LogFullError
from streams.records import Output

_ROWS = 64
_EVERY_S = 1.0
_ROUNDS = 20
"""Bounds what one transaction deletes: 1,280 rows, every second."""
_ROW_BYTES = 512
"""A row's share of pages beside its value; errs on the large side."""


class Retention:
    """Keeps one file within age and size. Call its methods within `Store.write`."""

    def __init__(self, store: Store, settings: EmbeddedSettings) -> None:
        self._store = store
        self._settings = settings
        self._next_s = 0.0

    def drop_old(self) -> None:
        """Deletes some records above `max_age_s`; looks once a second only."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _EVERY_S
        cutoff_ns = time.time_ns() - int(self._settings.max_age_s * 1e9)
        for _ in range(_ROUNDS):
            if not self._drop(cutoff_ns):
                return

    def make_room(self, outputs: Sequence[Output]) -> None:
        """Deletes the oldest until the outputs fit. Raises LogFullError."""
        needed = sum(len(output.value) + len(output.key) + _ROW_BYTES for output in outputs)
        while (live := self._store.live_bytes()) + needed > self._settings.max_bytes:
            if not self._drop(time.time_ns() + 1):
                raise LogFullError(
                    f"{self._store.path} holds {live} bytes, {needed} more would pass max_bytes "
                    f"{self._settings.max_bytes}, and nothing in it may be deleted before a worker has read it: start "
                    "the worker, or raise max_bytes"
                )

    def _drop(self, cutoff_ns: int) -> int:
        """Deletes up to 64 of the oldest records appended before the cutoff; returns how many."""
        oldest = sorted(
            (record_id, append_ns, topic.id)
            for topic in self._store.topics()
            for record_id, append_ns in self._deletable(topic)
            if append_ns < cutoff_ns
        )[:_ROWS]
        for record_id, append_ns, topic_id in oldest:
            self._store.delete(topic_id, record_id)
            self._store.execute(
                "UPDATE topics SET floor = ?, floor_ns = ? WHERE id = ?", record_id + 1, append_ns, topic_id
            )
        return len(oldest)

    def _deletable(self, topic: Topic) -> list[tuple[int, int]]:
        rows = self._store.execute(
            "SELECT id, append_ns FROM records WHERE topic = ? AND id < ? ORDER BY id LIMIT ?",
            topic.id,
            topic.hold,
            _ROWS,
        )
        return rows.fetchall()
