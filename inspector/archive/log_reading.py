"""Reads all records of one kind that the log holds at this moment, from the oldest one on."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Generic, NamedTuple

from inspector.verdicts.feed import Followed
from inspector.verdicts.follow import Item
from streams.log import LogUnavailableError, Start
from streams.records import TopicPartition

POLL_S = 0.5
SILENT_S = 60.0
"""A log that gives no record for so long, and has not reached its end, does not answer."""


class Batch(NamedTuple, Generic[Item]):
    """Records in their order, and the offset behind them by partition."""

    items: Sequence[Item]
    position: Mapping[TopicPartition, int]


class LogReading(Generic[Item]):
    """The records from `first` on, below `end`, by partition."""

    def __init__(self, followed: Followed[Item], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._followed, self._clock_s = followed, clock_s
        with closing(followed.tail(Start(earliest=True))) as tail:
            self.first = dict(tail.position())
        with closing(followed.tail(Start())) as tail:
            self.end = dict(tail.position())

    @property
    def num_offsets(self) -> int:
        """At least as many as there are records: offsets have gaps."""
        return self.done(self.end)

    def done(self, position: Mapping[TopicPartition, int]) -> int:
        """How many of them are read at this position."""
        return sum(max(0, min(position.get(at, 0), end) - self.first.get(at, 0)) for at, end in self.end.items())

    def batches(self) -> Iterator[Batch[Item]]:
        """Raises LogError."""
        heard_s = self._clock_s()
        with closing(self._followed.tail(Start(earliest=True))) as tail:
            while True:
                items = self._followed.read(tail.poll(0.0 if self._is_read(tail.position()) else POLL_S))
                position = dict(tail.position())
                yield Batch(items, position)
                if self._is_read(position):
                    return
                heard_s = self._clock_s() if items else heard_s
                if self._clock_s() - heard_s > SILENT_S:
                    raise LogUnavailableError(
                        f"the log gave no more {self._followed.name} for {SILENT_S:.3g} s, before its end: try again"
                    )

    def _is_read(self, position: Mapping[TopicPartition, int]) -> bool:
        return all(position.get(at, 0) >= end for at, end in self.end.items())
