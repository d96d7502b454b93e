"""Adds the faults of an everyday line to its records: lost, doubled, late and reordered ones."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streams.records import Output

NS = 1_000_000_000
REORDER_S = 0.08
"""A reordered record comes this much later: after its successors, within the join's default patience."""


class Scheduled(NamedTuple):
    """One record and the moment to publish it; `number` keeps the order of equal moments."""

    at_ns: int
    number: int
    output: Output


@dataclass(frozen=True, slots=True)
class Silence:
    """A sensor sends nothing between two moments, counted from the first entry."""

    sensor: str
    from_s: float
    to_s: float
    station: str | None = None
    """None means every station."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a line; all zero is a perfect one. Piece events are never lost, so every piece enters."""

    jitter_s: float = 0.0
    """Each record comes up to this much late."""
    skew_s: float = 0.0
    """The sensors' clocks are this much ahead of the cameras'."""
    drop: float = 0.0
    """Share of frames, chunks and traces that never come."""
    duplicate: float = 0.0
    """Share of records that come twice."""
    reorder: float = 0.0
    """Share of records that come after their successors."""
    silences: tuple[Silence, ...] = ()
    seed: int = 0

    @property
    def keep_moments(self) -> bool:
        """Whether every record comes once and in time."""
        return not (self.jitter_s or self.drop or self.duplicate or self.reorder)


PERFECT = Faults()


def disturb(records: Iterable[Scheduled], faults: Faults) -> Iterator[Scheduled]:
    """Applies the faults and keeps the order of time; equal seeds give equal disturbances."""
    if faults.keep_moments:
        yield from records
        return
    rng = np.random.default_rng([faults.seed, 7])
    waiting: list[Scheduled] = []
    count = 0
    for record in records:
        while waiting and waiting[0].at_ns <= record.at_ns:
            yield heapq.heappop(waiting)
        for at_ns in _moments(record, faults, rng):
            heapq.heappush(waiting, Scheduled(at_ns, count, record.output))
            count += 1
    while waiting:
        yield heapq.heappop(waiting)


def _moments(record: Scheduled, faults: Faults, rng: np.random.Generator) -> list[int]:
    """When the record comes: never, once or twice."""
    lost, doubled, late, jitter, again = rng.uniform(size=5)
    if lost < faults.drop and not record.output.type.endswith(".PieceEvent"):
        return []
    delay_s = jitter * faults.jitter_s + (REORDER_S if late < faults.reorder else 0.0)
    first = record.at_ns + round(delay_s * NS)
    return [first, first + round(again * REORDER_S * NS)] if doubled < faults.duplicate else [first]
