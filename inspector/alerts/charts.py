"""Charts of one place each: they read verdict after verdict and say when an alert begins and ends.

A chart's state is a JSON text, so that a restart continues where the last transaction ended.
"""

import json
import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

from inspector.alerts.seen import Seen
from inspector.statistics.sequential_charts import BernoulliCusum, BernoulliReturn, Cusum, Ewma

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Signal:
    """An alert begins, or ends."""

    is_raised: bool
    detail: str
    """Figures, for people."""


class Chart(Protocol):
    """The state of one place."""

    def step(self, seen: Seen) -> Signal | None:
        """Takes the next verdict of the place."""

    def state(self) -> str: ...

    def reference(self) -> bytes:
        """Values that the chart learnt as usual, in addition to its state; empty for most."""


def _loaded(state: str) -> dict[str, object]:
    values = json.loads(state) if state else {}
    if not isinstance(values, dict):
        raise TypeError(f"the state of a chart is {state[:40]!r}, expected a JSON object")
    return values


def _number(values: dict[str, object], key: str) -> int:
    value = values.get(key, 0)
    return value if isinstance(value, int) else 0


def _real(values: dict[str, object], key: str) -> float:
    value = values.get(key, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


class RateChart:
    """Bernoulli CUSUM; while it fires, its mirror looks for the return."""

    def __init__(
        self, cusum: BernoulliCusum, back: BernoulliReturn, is_bad: Callable[[Seen], bool], state: str = ""
    ) -> None:
        self._cusum, self._back, self._is_bad = cusum, back, is_bad
        values = _loaded(state)
        self._is_firing = bool(values.get("is_firing", False))
        self._total = _number(values, "total")
        self._num_pieces, self._num_bad = _number(values, "num_pieces"), _number(values, "num_bad")
        """Since the sum was 0 for the last time: where the change probably began."""

    def step(self, seen: Seen) -> Signal | None:
        is_bad = self._is_bad(seen)
        if self._total == 0:
            self._num_pieces = self._num_bad = 0
        self._num_pieces += 1
        self._num_bad += is_bad
        if self._is_firing:
            self._total = self._back.next(self._total, is_bad)
            return self._change() if self._total >= self._back.limit else None
        self._total = self._cusum.next(self._total, is_bad)
        return self._change() if self._total >= self._cusum.limit else None

    def _change(self) -> Signal:
        self._is_firing, self._total = not self._is_firing, 0
        figures = (
            f"{self._num_bad} of the last {self._num_pieces} pieces ({_percent(self._num_bad / self._num_pieces)})"
        )
        return Signal(self._is_firing, f"{figures}; usually {_percent(self._cusum.before)}")

    def state(self) -> str:
        return json.dumps(
            {
                "is_firing": self._is_firing,
                "total": self._total,
                "num_pieces": self._num_pieces,
                "num_bad": self._num_bad,
            }
        )

    def reference(self) -> bytes:
        return b""


class CountChart:
    """So many bad pieces among the last ones; ends when at most half of them are left."""

    def __init__(self, num_bad: int, num_pieces: int, is_bad: Callable[[Seen], bool], state: str = "") -> None:
        self._limit, self._window, self._is_bad = num_bad, num_pieces, is_bad
        values = _loaded(state)
        recent = values.get("recent", [])
        self._is_firing = bool(values.get("is_firing", False))
        self._number = _number(values, "number")
        self._recent = deque((int(number) for number in recent) if isinstance(recent, list) else (), maxlen=num_bad)
        """Running numbers of the newest bad pieces."""

    def step(self, seen: Seen) -> Signal | None:
        self._number += 1
        if self._is_bad(seen):
            self._recent.append(self._number)
        while self._recent and self._recent[0] <= self._number - self._window:
            self._recent.popleft()
        if not self._recent:
            self._number = 0  # So that the state of a place without bad pieces stays equal, and is not written.
        should_fire = len(self._recent) > self._limit // 2 if self._is_firing else len(self._recent) >= self._limit
        if should_fire == self._is_firing:
            return None
        self._is_firing = should_fire
        return Signal(should_fire, f"{len(self._recent)} of the last {min(self._window, max(1, self._number))} pieces")

    def state(self) -> str:
        return json.dumps({"is_firing": self._is_firing, "number": self._number, "recent": list(self._recent)})

    def reference(self) -> bytes:
        return b""


class ScoreChart:
    """CUSUM or EWMA of normal scores: each score by its rank among the first ones of the bundle, so that the shape of
    the scores' distribution does not matter. Another bundle starts again."""

    def __init__(
        self, chart: Cusum | Ewma, sensor: str, num_reference: int, state: str = "", reference: bytes = b""
    ) -> None:
        self._chart, self._sensor, self._num_reference = chart, sensor, num_reference
        values = _loaded(state)
        self._bundle = str(values.get("bundle", ""))
        self._direction = _number(values, "direction")
        """Of the alert that is raised: 1 up, -1 down, 0 none."""
        self._up, self._down = _real(values, "up"), _real(values, "down")
        """Sums of the CUSUM; `up` is the average of an EWMA, and the sum that looks for the return while firing."""
        self._usual = array("f")
        self._usual.frombytes(reference)

    def step(self, seen: Seen) -> Signal | None:
        sensor = seen.sensors.get(self._sensor)
        if sensor is None or sensor.score is None or not math.isfinite(sensor.score):
            return None
        if seen.bundle != self._bundle:
            return self._start_again(seen.bundle, sensor.score)
        if len(self._usual) < self._num_reference:
            insort(self._usual, sensor.score)
            return None
        value = self._normal_score(sensor.score)
        return self._look_for_change(value) if self._direction == 0 else self._look_for_return(value)

    def _start_again(self, bundle: str, score: float) -> Signal | None:
        was_firing = self._direction != 0
        self._bundle, self._direction, self._up, self._down = bundle, 0, 0.0, 0.0
        self._usual = array("f", [score])
        return Signal(False, "another bundle judges now, and the chart starts again") if was_firing else None

    def _normal_score(self, score: float) -> float:
        """Equal scores get the middle of their ranks. As 32-bit floats, as the reference is."""
        single = array("f", [score])[0]
        low, high = bisect_left(self._usual, single), bisect_right(self._usual, single)
        return _NORMAL.inv_cdf((low + high + 1) / 2.0 / (len(self._usual) + 1))

    def _look_for_change(self, value: float) -> Signal | None:
        match self._chart:
            case Cusum() as cusum:
                self._up, self._down = cusum.next((self._up, self._down), value)
                height = self._up if self._up >= self._down else -self._down
            case Ewma() as ewma:
                self._up = ewma.next(self._up, value)
                height = ewma.height(self._up)
        if abs(height) < self._chart.limit:
            return None
        self._direction = 1 if height > 0 else -1
        if isinstance(self._chart, Cusum):
            self._up = self._down = 0.0
        way = "higher" if height > 0 else "lower"
        return Signal(True, f"its scores are {way} than those of the {len(self._usual)} pieces of reference")

    def _look_for_return(self, value: float) -> Signal | None:
        match self._chart:
            case Cusum(slack=slack):
                self._up = max(0.0, self._up + slack - self._direction * value)
                is_back = self._up >= self._chart.limit
            case Ewma() as ewma:
                self._up = ewma.next(self._up, value)
                is_back = abs(ewma.height(self._up)) <= ewma.limit / 2.0
        if not is_back:
            return None
        self._direction, self._up, self._down = 0, 0.0, 0.0
        return Signal(False, "its scores are as those of the reference again")

    def state(self) -> str:
        return json.dumps({"bundle": self._bundle, "direction": self._direction, "up": self._up, "down": self._down})

    def reference(self) -> bytes:
        return self._usual.tobytes()


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
