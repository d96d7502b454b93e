"""Times several ways to run one graph in turn, and summarises the measurements."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.engines.engine import Array, Port

Run = Callable[[], object]

NUM_WARM_UPS = 3
"""Before the first round, of every way."""


@dataclass(frozen=True, slots=True)
class Clock:
    wall_s: Callable[[], float] = time.perf_counter
    cpu_s: Callable[[], float] = time.process_time
    """Of all threads of this process: a runtime may have threads."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each way is run."""

    min_rounds: int = 5
    max_rounds: int = 50
    budget_s: float = 1.0
    """For each way: rounds end when it is spent, and `min_rounds` are done."""
    turn: int = 4
    """Runs of one way in a round that are timed, after one that is not: it finds the other ways' weights in the
    processor's caches, where a line that runs the same graph over and over finds its own."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of each run."""

    wall_ms: Sequence[float]
    cpu_ms: Sequence[float]

    @property
    def median_ms(self) -> float:
        return percentile(self.wall_ms, 50)

    @property
    def p95_ms(self) -> float:
        return percentile(self.wall_ms, 95)

    @property
    def median_cpu_ms(self) -> float:
        return percentile(self.cpu_ms, 50)


def percentile(values: Iterable[float], share: float) -> float:
    """Linear between neighbours."""
    return float(np.percentile(np.asarray(list(values), np.float64), share))


def interleaved(runs: Mapping[str, Run], pace: Pace | None = None, clock: Clock | None = None) -> dict[str, Timing]:
    """All ways have a turn in each round, so that other load on the machine affects them alike."""
    pace, clock = pace or Pace(), clock or Clock()
    for run in runs.values():
        for _ in range(NUM_WARM_UPS):
            run()
    end_s = clock.wall_s() + pace.budget_s * len(runs)
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for done in range(pace.max_rounds):
        if done >= pace.min_rounds and clock.wall_s() >= end_s:
            break
        for name, run in runs.items():
            run()
            for _ in range(pace.turn):
                cpu_s, wall_s = clock.cpu_s(), clock.wall_s()
                run()
                wall[name].append((clock.wall_s() - wall_s) * 1e3)
                cpu[name].append((clock.cpu_s() - cpu_s) * 1e3)
    return {name: Timing(wall[name], cpu[name]) for name in runs}


def inputs_for(ports: Sequence[Port], batch: int, seed: int = 1) -> dict[str, Array]:
    """Noise for every input; all experts of the head are present."""
    rng = np.random.default_rng(seed)
    shapes = {port.name: (batch, *(size or 1 for size in port.shape[1:])) for port in ports}
    return {
        name: np.ones(shape, np.float32) if name == "present" else rng.standard_normal(shape, np.float32)
        for name, shape in shapes.items()
    }
