"""Micro-batches are bounded, and a bad item costs no other its result."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from inspector.engines.engine import Array, DeviceError, EngineError, Port
from inspector.inference.batching import run_batched


class Doubler:
    """Doubles its input; refuses a batch that holds 13, and loses its device at 99."""

    inputs = (Port("x", (None,)),)
    outputs = (Port("y", (None,)),)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.batches.append(len(inputs["x"]))
        if 13 in inputs["x"]:
            raise EngineError("thirteen")
        if 99 in inputs["x"]:
            raise DeviceError("lost")
        return {"y": 2 * inputs["x"]}


def feed(items: Sequence[float]) -> Mapping[str, Array]:
    if 7.0 in items:
        raise ValueError("seven cannot be prepared")
    return {"x": np.array(items, np.float32)}


def values(items: Sequence[float], engine: Doubler, max_batch: int = 16) -> list[float | None]:
    results = run_batched(engine, items, feed, max_batch)
    return [None if result.outputs is None else float(result.outputs["y"]) for result in results]


def test_batches_are_no_larger_than_allowed() -> None:
    engine = Doubler()
    assert values([1, 2, 3, 4, 5], engine, max_batch=2) == [2, 4, 6, 8, 10]
    assert engine.batches == [2, 2, 1]


def test_the_failing_item_alone_gets_no_result() -> None:
    engine = Doubler()
    assert values([1, 13, 3], engine) == [2, None, 6]
    assert engine.batches == [3, 1, 1, 1]


def test_an_item_that_cannot_be_prepared_gets_no_result() -> None:
    assert values([1, 7, 3], Doubler()) == [2, None, 6]


def test_what_is_not_finite_is_no_result() -> None:
    assert values([1, float("nan"), float("inf")], Doubler()) == [2, None, None]


def test_a_device_that_fails_is_not_asked_item_by_item() -> None:
    engine = Doubler()
    with pytest.raises(DeviceError):
        values([1, 99, 3], engine)
    assert engine.batches == [3]
