"""Raises the price of computing, then lowers the budget of a judge, while pieces wait too long."""

import logging
import time
from collections.abc import Callable, Sequence

from inspector.judging.price_control import CostController
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.routing import Budget
from inspector.judging.settings import OverloadSettings
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation

log = logging.getLogger("inspector.judging.overload")


class OverloadGuard:
    """Implements `inspector.verdicts.judge.Judge`: sets budget and price from waiting time and CPU time."""

    def __init__(
        self,
        judge: RoutedJudge,
        settings: OverloadSettings,
        control: CostController | None = None,
        *,
        show: Callable[[float], None] = lambda cost_multiplier: None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`control` moves the price of bundles whose policy is `budgeted`; `show` gets its value. `clock_ns` is that of
        the log, by which arrivals are stamped."""
        self._judge, self._settings, self._clock_ns = judge, settings, clock_ns
        self._control, self._show = control, show
        self._budget = Budget.FULL

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        waited_s = (self._clock_ns() - min(piece.arrival_ns for piece in observations)) / 1e9
        budget = self._budget_for(waited_s)
        if budget is not self._budget:
            log.warning(
                "Pieces have waited %.1f s: the computing budget changes from %s to %s.",
                *(waited_s, self._budget.value, budget.value),
            )
            self._budget = budget
            self._judge.set_budget(budget)
        started_s = time.thread_time()
        verdicts = self._judge.judge(observations)
        self._set_price(observations, time.thread_time() - started_s)
        return verdicts

    def _set_price(self, observations: Sequence[Observation], cpu_s: float) -> None:
        if self._control is None:
            return
        now_ns = self._clock_ns()
        cost_multiplier = self._control.note([(now_ns - piece.arrival_ns) / 1e9 for piece in observations], cpu_s)
        self._judge.set_cost_multiplier(cost_multiplier)
        self._show(cost_multiplier)

    def _budget_for(self, waited_s: float) -> Budget:
        if waited_s > self._settings.review_after_s:
            return Budget.REVIEW
        return Budget.SCOUTS if waited_s > self._settings.scouts_only_after_s else Budget.FULL
