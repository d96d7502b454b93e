"""Reads committed verdicts and dead letters back for a new owner, in slices: memory use does not grow with the log."""

import math
from collections.abc import Iterator, Sequence
from typing import overload

from streams.embedded.outage import outage_of
from streams.embedded.store import Store, Topic
from streams.outage import with_retries
from streams.records import Record

_SLICE = 500


class OutputReplay(Sequence[Record]):
    """Records of a topic by their offsets, read from the file at each access while the source is open.

    Waits while the file cannot be read. A record that was deleted meanwhile is empty.
    """

    def __init__(self, store: Store, topic: Topic, offsets: Sequence[int]) -> None:
        self._store, self._topic, self._offsets = store, topic, offsets
        self._outage = outage_of(f"Reading back {topic.name}")

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> "OutputReplay": ...

    def __getitem__(self, index: int | slice) -> "Record | OutputReplay":
        if isinstance(index, slice):
            return OutputReplay(self._store, self._topic, self._offsets[index])
        return self._read([self._offsets[index]])[0]

    def __iter__(self) -> Iterator[Record]:
        start = 0
        while start < len(self._offsets):
            records = self._read(self._offsets[start : start + _SLICE])
            yield from records
            start += len(records)

    def _read(self, offsets: Sequence[int]) -> list[Record]:
        """Up to the limits of one poll."""

        def attempt() -> list[Record]:
            with self._store.read():
                return self._store.some(((offset, self._topic.id) for offset in offsets), [self._topic])[0]

        return with_retries(attempt, self._outage, math.inf)
