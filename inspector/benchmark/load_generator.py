"""Offers pieces to a judge at a fixed rate and records when each gets its verdict.

The schedule does not wait for the judge (open loop): a piece that had to queue counts from the moment when it was due.
Pieces that are due when the judge has finished go to it at once, as closed pieces do in the worker.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.engines.timing import percentile
from inspector.worker.settings import PipelineSettings
from streams.observation import Observation

_NAP_S = 1e-4
_PATIENCE = 1.25
"""Of the schedule's length: pieces without a verdict by then get none, so that an overloaded run ends."""


@dataclass(frozen=True, slots=True)
class Clock:
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    cpu_s: Callable[[], float] = time.process_time


@dataclass(frozen=True, slots=True)
class Load:
    rate: float
    """Pieces per second, evenly spaced."""
    seconds: float
    max_pieces: int = PipelineSettings().max_verdicts_per_commit
    """Per call of the judge."""

    @property
    def schedule_s(self) -> list[float]:
        return [index / self.rate for index in range(max(1, round(self.rate * self.seconds)))]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of a load."""

    latencies_s: Sequence[float]
    """From the moment a piece was due; of those without a verdict, until the end: the least that it may be."""
    batches: Sequence[int]
    """Pieces per call of the judge."""
    num_left: int
    """Pieces that had no verdict when the run ended."""
    elapsed_s: float
    cpu_s: float

    @property
    def num_judged(self) -> int:
        return sum(self.batches)

    @property
    def achieved_rate(self) -> float:
        return self.num_judged / self.elapsed_s

    def latency_ms(self, share: float) -> float:
        return percentile(self.latencies_s, share) * 1e3


def offer(
    judge: Callable[[Sequence[Observation]], object],
    pieces: Sequence[Observation],
    load: Load,
    clock: Clock | None = None,
) -> LoadResult:
    """Takes the pieces over and over again, in their order."""
    clock, schedule_s = clock or Clock(), load.schedule_s
    latencies_s: list[float] = []
    batches: list[int] = []
    start_s, start_cpu_s = clock.monotonic(), clock.cpu_s()
    now_s, done, num = 0.0, 0, len(schedule_s)
    while done < num and now_s <= _PATIENCE * load.seconds:
        due = min(bisect_right(schedule_s, now_s) - done, load.max_pieces)
        if due:
            judge([pieces[index % len(pieces)] for index in range(done, done + due)])
            judged_s = clock.monotonic() - start_s
            latencies_s += [judged_s - at_s for at_s in schedule_s[done : done + due]]
            batches.append(due)
            done += due
        else:
            clock.sleep(max(schedule_s[done] - now_s, _NAP_S))
        now_s = clock.monotonic() - start_s
    latencies_s += [now_s - at_s for at_s in schedule_s[done:]]
    elapsed_s = max(now_s, num / load.rate)
    return LoadResult(latencies_s, batches, num - done, elapsed_s, clock.cpu_s() - start_cpu_s)
