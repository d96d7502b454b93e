"""Runs one graph over many items in micro-batches, so that one bad item costs no other its result."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from inspector.engines.engine import Array, DeviceError, Engine, EngineError

Item = TypeVar("Item")
log = logging.getLogger("inspector.inference.batching")

MAX_BATCH = 16
"""Pieces per run of an expert unless a configuration sets another number; compiled graphs accept as many."""


@dataclass(frozen=True, slots=True)
class Result:
    """One item's outputs, without the batch axis; None where the graph failed on it."""

    outputs: Mapping[str, Array] | None
    cost_ms: float
    """Wall time of the micro-batch, preparation included, divided by its items."""


def run_batched(
    engine: Engine, items: Sequence[Item], feed: Callable[[Sequence[Item]], Mapping[str, Array]], max_batch: int
) -> list[Result]:
    """One result per item, in their order. `feed` makes the graph's inputs; its ValueError is the item's failure.

    Raises DeviceError.
    """
    results: list[Result] = []
    for start in range(0, len(items), max_batch):
        results += _run(engine, items[start : start + max_batch], feed)
    return results


def _run(engine: Engine, items: Sequence[Item], feed: Callable[[Sequence[Item]], Mapping[str, Array]]) -> list[Result]:
    started_s = time.perf_counter()
    try:
        outputs = engine.run(feed(items))
    except DeviceError:
        raise  # No item is to blame, and none would fare better alone.
    except (EngineError, ValueError) as exc:
        if len(items) > 1:
            return [result for item in items for result in _run(engine, [item], feed)]
        log.warning("A graph failed on one item, which gets no result: %s", exc)
        return [Result(None, (time.perf_counter() - started_s) * 1e3)]
    cost_ms = (time.perf_counter() - started_s) * 1e3 / len(items)
    unusable = _unusable(outputs, len(items))
    return [
        Result(None if index in unusable else {name: values[index] for name, values in outputs.items()}, cost_ms)
        for index in range(len(items))
    ]


def _unusable(outputs: Mapping[str, Array], num: int) -> set[int]:
    """Items with NaN or infinity in an output: a sum is finite only if all its terms are."""
    rows: set[int] = set()
    for name, values in outputs.items():
        with np.errstate(invalid="ignore"):  # infinity less infinity
            if math.isfinite(values.sum(dtype=np.float64)):
                continue
            sums = values.reshape(num, -1).sum(axis=1, dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(sums)).tolist()
        log.warning("A graph answered NaN or infinity in %s for %d items, which get no result.", name, len(bad))
        rows.update(bad)
    return rows
