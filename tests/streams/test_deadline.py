"""A deadline counts down on the clock that it is given."""

import time

import pytest

from streams.deadline import Deadline


@pytest.mark.parametrize(
    ("now_s", "remaining_s", "is_over"),
    [(100.0, 2.0, False), (101.5, 0.5, False), (102.0, 0.0, True), (150.0, 0.0, True)],
)
def test_the_time_left_shrinks_to_zero_and_stays_there(now_s: float, remaining_s: float, is_over: bool) -> None:
    times_s = [100.0]
    deadline = Deadline.after(2.0, lambda: times_s[-1])
    times_s.append(now_s)
    assert (deadline.remaining_s, deadline.is_over) == (remaining_s, is_over)


def test_a_budget_of_zero_is_over_at_once() -> None:
    assert Deadline.after(0.0).is_over


def test_a_sleep_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s: list[float] = []
    monkeypatch.setattr(time, "sleep", slept_s.append)
    deadline = Deadline.after(2.0, lambda: 100.0)
    deadline.sleep(0.5)
    deadline.sleep(30.0)
    assert slept_s == [0.5, 2.0]
