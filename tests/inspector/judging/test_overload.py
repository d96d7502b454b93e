"""While pieces wait, first the price of computing rises, then budgets fall."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from inspector.bundle.schema import Policy, Router
from inspector.judging.overload import OverloadGuard
from inspector.judging.price_control import CostController
from inspector.judging.settings import BudgetSettings, OverloadSettings
from protos.inspection.v1.verdict_pb2 import DECISION_PASS, DECISION_REVIEW
from streams.log_clock import LogClock
from tests.bundles import NOW_NS, Toy, clip, judge_of, piece, toy_recipe, view, write_toy_bundle

DOUBT = Router(
    first=("top-thumb", "mic-ear"),
    centre=(0.0, 0.0),
    scale=(1.0, 1.0),
    threshold=0.0,
    paths=((), ("top-full",)),
    weights=((0.0,) * 6,) * 2,
    bias=(0.0, -9.0),
    experts=("top-thumb", "top-full", "mic-ear"),
    costs_ms=(0.1, 1.0, 0.2),
)
"""Always worth half a regret to look closer."""


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_ns(self) -> int:
        return NOW_NS + int(self.now_s * 1e9)


@pytest.mark.parametrize(("max_p99_s", "routes"), [(5.0, ["full", "full", "exit"]), (None, ["full"] * 3)])
def test_the_price_rises_before_any_budget_falls(tmp_path: Path, max_p99_s: float | None, routes: list[str]) -> None:
    """At a price of 0.3 the first doubling leaves 0.5 of regret cheaper than 0.6 of computing."""
    policy = Policy(mode="budgeted", router=DOUBT, price=0.3)
    recipe = toy_recipe(write_toy_bundle(tmp_path, Toy(policy=policy)))
    clock, shown = Clock(), list[float]()
    guard = OverloadGuard(
        judge_of([recipe], clock_ns=lambda: NOW_NS),
        OverloadSettings(),
        CostController(BudgetSettings(max_p99_s), clock.monotonic_s),
        show=shown.append,
        clock_ns=clock.wall_ns,
    )
    verdicts = []
    for clock.now_s in (0.1, 20.0, 20.1):
        verdicts += guard.judge([piece(view(0.5), clip(0.5))])
    assert [verdict.route.partition(":")[2] for verdict in verdicts] == routes
    assert shown == ([1.0, 2.0, 2.0] if max_p99_s else [1.0, 1.0, 1.0])


@pytest.mark.parametrize("ahead_s", [40.0, 61.0, 121.0, -3600.0])
def test_a_worker_whose_clock_is_off_judges_as_others_do(tmp_path: Path, ahead_s: float) -> None:
    """40 s ahead was BACKLOG, 61 s ahead scouts only, 121 s ahead REVIEW for every piece."""
    clock = Clock()
    log_clock = LogClock(
        by_wall=False,
        monotonic_ns=lambda: int(clock.now_s * 1e9),
        wall_ns=lambda: clock.wall_ns() + int(ahead_s * 1e9),
    )
    recipe = toy_recipe(write_toy_bundle(tmp_path, Toy()))
    judge = judge_of([recipe], clock_ns=lambda: NOW_NS)
    guard = OverloadGuard(judge.with_own_budget(log_clock), OverloadSettings(), clock_ns=log_clock.reached_ns)
    log_clock.read(NOW_NS)
    (first,) = guard.judge([piece(view(0.0), clip(0.0))])
    log_clock.wrote(0, NOW_NS, 1_000_000)
    (second,) = guard.judge([piece(view(0.0), clip(0.0))])
    assert [first.decision, second.decision] == [DECISION_PASS, DECISION_PASS]
    assert second.decision_ns == pytest.approx(NOW_NS, abs=2_000_000)
    clock.now_s = 200.0
    (late,) = guard.judge([piece(view(0.0), clip(0.0))])
    assert late.decision == DECISION_REVIEW
