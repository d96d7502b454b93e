"""The price of computing under load: a line whose queue is simulated, and each limit alone."""

from dataclasses import dataclass

import numpy as np
import pytest

from inspector.judging.price_control import MAX_COST_MULTIPLIER, CostController
from inspector.judging.settings import BudgetSettings


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Line:
    """Pieces come at a rate and are judged one batch after the other; what one costs falls with the price."""

    control: CostController | None
    clock: Clock
    full_s: float = 0.02
    scouts_s: float = 0.002

    def run(self, rate_hz: float, seconds: float) -> list[tuple[float, float]]:
        """(time of decision, latency) of each piece."""
        arrivals = np.arange(self.clock.now_s, self.clock.now_s + seconds, 1 / rate_hz).tolist()
        decided: list[tuple[float, float]] = []
        while arrivals:
            self.clock.now_s = max(self.clock.now_s, arrivals[0])
            batch = [at for at in arrivals if at <= self.clock.now_s][:16]
            arrivals = arrivals[len(batch) :]
            cost_s = len(batch) * self.cost_s
            self.clock.now_s += cost_s
            latencies = [self.clock.now_s - at for at in batch]
            if self.control is not None:
                self.control.note(latencies, cost_s)
            decided += [(self.clock.now_s, latency) for latency in latencies]
        return decided

    @property
    def cost_s(self) -> float:
        cost_multiplier = 1.0 if self.control is None else self.control.cost_multiplier
        return self.scouts_s + (self.full_s - self.scouts_s) / cost_multiplier


def p99(decided: list[tuple[float, float]], since_s: float) -> float:
    return float(np.quantile([latency for at, latency in decided if at >= since_s], 0.99))


def test_p99_stays_under_its_limit_at_three_times_the_load_that_all_experts_can_bear() -> None:
    clock = Clock()
    held = Line(CostController(BudgetSettings(max_p99_s=0.5), clock), clock).run(rate_hz=150, seconds=120)
    free = Line(None, Clock()).run(rate_hz=150, seconds=120)
    assert p99(held, since_s=20) < 0.5
    assert p99(free, since_s=20) > 50


def test_cpu_stays_under_its_share() -> None:
    clock = Clock()
    line = Line(CostController(BudgetSettings(max_cpu_share=0.3), clock), clock)
    line.run(rate_hz=40, seconds=60)
    spent = 40 * line.cost_s
    assert 0.15 < spent < 0.3


def test_the_price_comes_back_when_the_load_is_gone() -> None:
    clock = Clock()
    control = CostController(BudgetSettings(max_p99_s=0.5), clock)
    line = Line(control, clock)
    line.run(rate_hz=150, seconds=30)
    raised = control.cost_multiplier
    line.run(rate_hz=10, seconds=60)
    assert raised > 1.5
    assert control.cost_multiplier == 1.0


@pytest.mark.parametrize("settings", [BudgetSettings(), BudgetSettings(max_p99_s=5.0, max_cpu_share=10.0)])
def test_without_a_limit_or_under_it_nothing_moves(settings: BudgetSettings) -> None:
    clock = Clock()
    control = CostController(settings, clock)
    Line(control, clock).run(rate_hz=30, seconds=10)
    assert control.cost_multiplier == 1.0


@pytest.mark.parametrize(("elapsed_s", "expected"), [(0.4, 1.0), (0.5, 2.0), (0.9, 2.0), (1.0, 4.0)])
def test_the_price_moves_once_a_period(elapsed_s: float, expected: float) -> None:
    clock = Clock()
    control = CostController(BudgetSettings(max_p99_s=0.1), clock)
    for step in range(int(elapsed_s * 10 + 0.5)):
        clock.now_s = (step + 1) / 10
        control.note([1.0], 0.0)
    assert control.cost_multiplier == expected


def test_the_price_has_an_end() -> None:
    clock = Clock()
    control = CostController(BudgetSettings(max_p99_s=0.1), clock)
    for step in range(100):
        clock.now_s = float(step)
        control.note([1.0], 0.0)
    assert control.cost_multiplier == MAX_COST_MULTIPLIER
