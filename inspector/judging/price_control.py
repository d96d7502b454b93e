"""Moves the price of computing so that latency and CPU share stay under set limits. Knows no piece and no model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_COST_MULTIPLIER = 1e4
"""At this, nothing runs that safety does not ask for."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    max_p99_s: float | None = None
    """From the arrival of a piece's last record to its decision; None: no limit."""
    max_cpu_share: float | None = None
    """CPU of judging by wall time, 1 is one core; None: no limit."""
    period_s: float = 0.5
    """The price moves no more often, by what was measured since its last move: it must not chase the past."""
    raise_by: float = 2.0
    lower_by: float = 1.1
    """Up fast, for a queue grows meanwhile; down slowly, so that the price does not swing."""
    aim: float = 0.7
    """The share of the limits that is steered for; the rest is for swings."""


class BatchLoad(NamedTuple):
    """One batch that was judged."""

    latencies_s: tuple[float, ...]
    cpu_s: float


class CostController:
    """Says what the price of computing is to be multiplied by: 1 while there is room."""

    def __init__(self, settings: BudgetSettings, clock_s: Callable[[], float]) -> None:
        self._settings, self._clock_s = settings, clock_s
        self._work: list[BatchLoad] = []
        self._moved_s = clock_s()
        self.cost_multiplier = 1.0

    def note(self, latencies_s: Sequence[float], cpu_s: float) -> float:
        """After a batch: its pieces' latencies and what it cost. Returns the factor that holds from now on."""
        now_s = self._clock_s()
        self._work.append(BatchLoad(tuple(latencies_s), cpu_s))
        if now_s - self._moved_s >= self._settings.period_s:
            ratio = self._utilisation(now_s - self._moved_s) / self._settings.aim
            step = min(max(ratio, 1 / self._settings.lower_by), self._settings.raise_by)
            self.cost_multiplier = min(max(self.cost_multiplier * step, 1.0), MAX_COST_MULTIPLIER)
            self._moved_s = now_s
            self._work.clear()
        return self.cost_multiplier

    def _utilisation(self, span_s: float) -> float:
        """The measured share of the tighter limit."""
        settings, strain = self._settings, 0.0
        if settings.max_p99_s is not None:
            latencies = [latency for own in self._work for latency in own.latencies_s]
            strain = float(np.quantile(latencies, 0.99)) / settings.max_p99_s
        if settings.max_cpu_share is not None:
            strain = max(strain, sum(own.cpu_s for own in self._work) / span_s / settings.max_cpu_share)
        return strain
