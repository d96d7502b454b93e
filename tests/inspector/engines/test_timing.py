"""Ways to run a graph take turns, and are summed up as one works it out by hand."""

from functools import partial

import pytest

from inspector.engines.engine import Port
from inspector.engines.timing import NUM_WARM_UPS, Clock, Pace, Timing, inputs_for, interleaved, percentile


class FakeTime:
    """Runs take the milliseconds that they are told to, and half of that in processor time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[str] = []
        self.clock = Clock(lambda: self.now_s, lambda: self.now_s / 2)

    def run(self, name: str, ms: float) -> None:
        self.calls.append(name)
        self.now_s += ms / 1e3


def timed(pace: Pace, **ms: float) -> tuple[FakeTime, dict[str, Timing]]:
    fake = FakeTime()
    runs = {name: partial(fake.run, name, duration_ms) for name, duration_ms in ms.items()}
    return fake, interleaved(runs, pace, fake.clock)


def test_ways_take_turns_after_warming_up() -> None:
    fake, timings = timed(Pace(min_rounds=3, max_rounds=3, budget_s=0.0, turn=2), fast=1, slow=4)
    warm_ups, rounds = fake.calls[: 2 * NUM_WARM_UPS], fake.calls[2 * NUM_WARM_UPS :]
    assert warm_ups == ["fast"] * NUM_WARM_UPS + ["slow"] * NUM_WARM_UPS
    assert rounds == ["fast", "fast", "fast", "slow", "slow", "slow"] * 3
    assert timings["slow"].median_ms == pytest.approx(4)
    assert timings["slow"].median_cpu_ms == pytest.approx(2)
    assert len(timings["fast"].wall_ms) == 3 * 2


def test_the_first_run_of_a_turn_is_not_timed() -> None:
    fake = FakeTime()

    def run(name: str) -> None:
        is_first = not fake.calls or fake.calls[-1] != name
        fake.run(name, 50 if is_first else 1)

    timings = interleaved({name: partial(run, name) for name in ("a", "b")}, Pace(2, 2, 0.0, 3), fake.clock)
    assert list(timings["a"].wall_ms) == pytest.approx([1] * 6)


@pytest.mark.parametrize(
    ("ms", "rounds"),
    [(1.0, 30), (60.0, 9), (1000.0, 5)],
    ids=["the most rounds end it", "the budget ends it", "the fewest rounds are done whatever they take"],
)
def test_rounds_are_as_many_as_the_budget_allows(ms: float, rounds: int) -> None:
    _, timings = timed(Pace(min_rounds=5, max_rounds=30, budget_s=1.0, turn=1), only=ms)
    assert len(timings["only"].wall_ms) == rounds


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5.0], 99, 5.0), ([1, 2, 3], 50, 2.0), ([4, 1, 3, 2], 50, 2.5), (range(1, 102), 95, 96.0), ([0, 10], 95, 9.5)],
)
def test_percentiles_lie_between_neighbours(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


def test_inputs_fill_every_port_and_all_experts_are_present() -> None:
    inputs = inputs_for([Port("tokens_a", (None, 2, 3)), Port("present", (None, 4))], batch=5)
    assert {name: array.shape for name, array in inputs.items()} == {"tokens_a": (5, 2, 3), "present": (5, 4)}
    assert inputs["tokens_a"].std() > 0.5
    assert (inputs["present"] == 1).all()
