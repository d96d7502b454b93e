"""Moves the price of computing so that latency and CPU share stay under set limits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from inspector.judging.settings import BudgetSettings

MAX_COST_MULTIPLIER = 1e4
"""At this price only the experts that safety requires run."""


class BatchLoad(NamedTuple):
    """One batch that was judged."""

    latencies_s: tuple[float, ...]
    cpu_s: float


class CostController:
    """Computes the factor on the price of computing: 1 while latency and CPU have room."""

    def __init__(self, settings: BudgetSettings, clock_s: Callable[[], float]) -> None:
        self._settings, self._clock_s = settings, clock_s
        self._work: list[BatchLoad] = []
        self._moved_s = clock_s()
        self.cost_multiplier = 1.0

    def note(self, latencies_s: Sequence[float], cpu_s: float) -> float:
        """Adds a batch with its pieces' latencies and CPU time. Returns the new factor."""
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
            latencies = [latency for load in self._work for latency in load.latencies_s]
            strain = float(np.quantile(latencies, 0.99)) / settings.max_p99_s
        if settings.max_cpu_share is not None:
            strain = max(strain, sum(load.cpu_s for load in self._work) / span_s / settings.max_cpu_share)
        return strain
