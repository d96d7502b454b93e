"""Times engines against each other on one piece, in turn. Knows no graph."""

import time
from collections.abc import Sequence

import numpy as np

from inspector.compile.quantise import Feed
from inspector.engines.engine import Engine

ROUNDS, WARM_UP = 40, 3


def interleaved_ms(engines: Sequence[Engine], feed: Feed, rounds: int = ROUNDS) -> list[float]:
    """Median processor time of a run of each, in milliseconds: what else the machine does hits all alike."""
    times: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds + WARM_UP):
        for engine, own in zip(engines, times, strict=True):
            started_s = time.process_time()
            engine.run(feed)
            own.append(time.process_time() - started_s)
    return [float(np.median(own[WARM_UP:])) * 1e3 for own in times]
