"""Progress of long commands: time spent and left, by stage and in all."""

import pytest
from rich.console import Console
from rich.progress import Progress

from inspector.cli.stages import Stage, Stages, stage_of
from inspector.dataset.progress import WHOLE


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def after(self, seconds: float) -> "Clock":
        self.now_s += seconds
        return self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bars() -> Progress:
    return Progress(console=Console(file=None, quiet=True))


def by_name(bars: Progress) -> dict[str, Stage]:
    return {task.description: stage_of(task) for task in bars.tasks}


def test_the_time_left_follows_from_the_steps_done(bars: Progress, clock: Clock) -> None:
    shown = Stages(bars, clock)
    clock.after(10.0)
    shown("top", 1, 4)
    assert by_name(bars)["top"].seconds(clock.now_s) == 10.0
    assert by_name(bars)["top"].left_s(clock.now_s) == 30.0
    clock.after(4.0)
    assert by_name(bars)["top"].left_s(clock.now_s) == 26.0


def test_a_stage_stands_still_while_another_one_runs(bars: Progress, clock: Clock) -> None:
    shown = Stages(bars, clock)
    clock.after(10.0)
    shown("top", 5, 6)
    clock.after(20.0)
    shown("mic", 1, 2)
    clock.after(5.0)
    stages = by_name(bars)
    assert (stages["top"].seconds(clock.now_s), stages["top"].left_s(clock.now_s)) == (10.0, None)
    assert stages["mic"].seconds(clock.now_s) == 25.0


def test_a_stage_that_ends_early_ends_its_bar_and_says_so(bars: Progress, clock: Clock) -> None:
    shown = Stages(bars, clock)
    shown("top", 5, 6)
    shown("mic", 2, 2)
    shown.close()
    assert by_name(bars)["top"].note == "ended at 5 of 6: no more was needed"
    assert by_name(bars)["mic"].note == ""
    assert all(task.finished for task in bars.tasks)


def test_the_whole_runs_beside_its_stages(bars: Progress, clock: Clock) -> None:
    shown = Stages(bars, clock)
    shown(WHOLE, 0, 4)
    clock.after(10.0)
    shown("top", 1, 1)
    shown(WHOLE, 1, 4)
    clock.after(2.0)
    assert by_name(bars)[WHOLE].left_s(clock.now_s) == 28.0
    assert by_name(bars)["top"].left_s(clock.now_s) is None
