"""Progress of long commands: a bar for each stage with its total, the time spent on it, and the time that is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from inspector.dataset.progress import WHOLE


@dataclass(slots=True)
class Stage:
    """One bar."""

    task: TaskID
    done: int = 0
    total: int = 0
    spent_s: float = 0.0
    since_s: float | None = None
    """When its clock was started; None while another stage runs."""
    note: str = ""

    def seconds(self, now_s: float) -> float:
        """Spent on this stage, without the time of others."""
        return self.spent_s + (0.0 if self.since_s is None else now_s - self.since_s)

    def left_s(self, now_s: float) -> float | None:
        """As the steps done suggest; None before the first one and after the last."""
        if not self.done or self.done >= self.total or self.since_s is None:
            return None
        return max(0.0, self.spent_s * self.total / self.done - self.seconds(now_s))

    def pause(self, now_s: float) -> None:
        self.spent_s, self.since_s = self.seconds(now_s), None


class Stages:
    """Receives the progress of stages. A stage that another one overtakes stands still; one that did not reach its end
    is marked when all is over."""

    def __init__(self, bars: Progress, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._bars, self._clock_s = bars, clock_s
        self._last_s = self._begun_s = clock_s()
        """When a stage last reported, and the next one may have begun: no stage reports its begin."""
        self._stages: dict[str, Stage] = {}
        self._current: Stage | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        now_s = self._clock_s()
        stage = self._stages.get(name) or self._add(name, total)
        if name != WHOLE:
            self._turn_to(stage)
            self._last_s = now_s
        stage.spent_s, stage.since_s = stage.seconds(now_s), None if done >= total else now_s
        stage.done, stage.total = done, total
        self._bars.update(stage.task, completed=done, total=total, stage=stage)

    def close(self) -> None:
        """Ends the bars of stages that stopped before their last step: their result was not needed."""
        now_s = self._clock_s()
        for stage in self._stages.values():
            stage.pause(now_s)
            if stage.done < stage.total:
                stage.note = f"ended at {stage.done} of {stage.total}: no more was needed"
                self._bars.update(stage.task, completed=stage.done, total=stage.done, stage=stage)

    def _add(self, name: str, total: int) -> Stage:
        stage = Stage(TaskID(0), since_s=self._begun_s if name == WHOLE else self._last_s)
        stage.task = self._bars.add_task(name, total=total, stage=stage)
        self._stages[name] = stage
        return stage

    def _turn_to(self, stage: Stage) -> None:
        """The time since the last report belongs to this stage."""
        if self._current is not None and self._current is not stage:
            self._current.since_s = None
        if stage.since_s is None:
            stage.since_s = self._last_s
        self._current = stage


class _SpentColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{clock_words(stage_of(task).seconds(time.monotonic()))} spent")


class _LeftColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        stage = stage_of(task)
        left_s = stage.left_s(time.monotonic())
        return Text(stage.note if left_s is None else f"about {clock_words(left_s)} left")


def stage_of(task: Task) -> Stage:
    stage = task.fields["stage"]
    assert isinstance(stage, Stage)  # noqa: S101 - our own invariant
    return stage


@contextmanager
def stages() -> Iterator[Stages]:
    """Bars on stderr while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _SpentColumn(), _LeftColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        shown = Stages(bars)
        yield shown
        shown.close()


def clock_words(seconds: float) -> str:
    """Such as 6:37 or 1:06:37."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
