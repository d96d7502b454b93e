"""Computes average run lengths of control charts: how many pieces pass until a chart gives a signal.

Bernoulli CUSUM: Reynolds and Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously" (1999);
exact, its sum has whole steps. CUSUM and EWMA of normal values: Markov chain of Brook and Evans (1972).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

NUM_STATES = 151
"""Of the chains of normal values. With four times as many, run lengths of 345,600 differ by less than 1 %."""
_NORMAL = NormalDist()
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class _Descent:
    """From a state to a lower one or to the limit: mean time, chance of the lower one, chance of the limit."""

    time: float = 0.0
    falls: float = 1.0
    escapes: float = 0.0

    def then(self, lower: "_Descent") -> "_Descent":
        return _Descent(
            self.time + self.falls * lower.time,
            self.falls * lower.falls,
            self.escapes + self.falls * lower.escapes,
        )


_AT_LIMIT = _Descent(0.0, 0.0, 1.0)


class _Window:
    """The descent through the last so many states, the newest of which is the lowest; constant work for each, by two
    stacks."""

    def __init__(self, size: int) -> None:
        self._size, self._num = size, 0
        self._new: list[_Descent] = []
        self._new_total = _Descent()
        self._old: list[_Descent] = []
        """Each entry composed with all entries under it."""

    def push(self, descent: _Descent) -> None:
        self._new.append(descent)
        self._new_total = self._new_total.then(descent)
        self._num += 1
        if self._num > self._size:
            self._pop()

    def _pop(self) -> None:
        if not self._old:
            total = _Descent()
            for descent in reversed(self._new):
                total = descent.then(total)
                self._old.append(total)
            self._new, self._new_total = [], _Descent()
        self._old.pop()
        self._num -= 1

    @property
    def total(self) -> _Descent:
        return (self._old[-1] if self._old else _Descent()).then(self._new_total)


@lru_cache(4096)
def bernoulli_run_length(share: float, rise: int, limit: int) -> float:
    """Pieces until the sum reaches `limit`, from 0: it falls by 1 (not below 0) with a good piece and rises by `rise`
    with a bad one, of which there are `share`.

    Works from the limit down, with times and chances of falling from each state to the next: nothing is subtracted,
    so nothing cancels.
    """
    if share <= 0.0:
        return math.inf
    window = _Window(rise)
    for state in range(limit - 1, 0, -1):
        back = window.total if state + rise < limit else _AT_LIMIT
        stays = 1.0 - share * back.falls
        window.push(_Descent((1.0 + share * back.time) / stays, (1.0 - share) / stays, share * back.escapes / stays))
    back = window.total if rise < limit else _AT_LIMIT
    return (1.0 + share * back.time) / (share * back.escapes)


@lru_cache(4096)
def return_run_length(share: float, fall: int, limit: int) -> float:
    """Pieces until the sum reaches `limit`, from 0: it rises by 1 with a good piece and falls by `fall` (not below 0)
    with a bad one, of which there are `share`.

    Adds up the mean times from each state to the next one.
    """
    times: list[float] = []
    recent = 0.0
    for state in range(limit):
        times.append((1.0 + share * recent) / (1.0 - share))
        recent += times[-1] - (times[state - fall] if state >= fall else 0.0)
    return sum(times)


@lru_cache(4096)
def cusum_run_length(slack: float, limit: float, shift: float = 0.0) -> float:
    """Values until the two-sided CUSUM of values N(shift, 1) reaches `limit`, from 0."""
    up, down = (_one_sided(slack, limit, mean) for mean in (shift, -shift))
    return 1.0 / (1.0 / up + 1.0 / down)


def _one_sided(slack: float, limit: float, mean: float) -> float:
    """State 0 holds the sum 0; the others are the middles of intervals up to the limit. Chances depend on the
    distance between two states alone."""
    width = 2.0 * limit / (2 * NUM_STATES - 1)
    distances = np.arange(-NUM_STATES, NUM_STATES) + 0.5
    below = _cdf(distances * width + slack - mean)
    to, start = np.arange(NUM_STATES)[None, :], np.arange(NUM_STATES)[:, None]
    upper = to - start + NUM_STATES
    chances = below[upper] - below[upper - 1]
    chances[:, 0] = below[upper[:, 0]]
    return float(_times(chances)[0])


@lru_cache(4096)
def ewma_run_length(weight: float, limit: float, shift: float = 0.0) -> float:
    """Values until |z| > limit * sd(z) with z <- (1 - weight) z + weight x, x ~ N(shift, 1), from z = 0."""
    bound = limit * ewma_sd(weight)
    width = 2.0 * bound / NUM_STATES
    middles = (np.arange(NUM_STATES) - NUM_STATES // 2) * width
    centres = (middles[None, :] - (1.0 - weight) * middles[:, None]) / weight - shift
    chances = _cdf(centres + width / 2 / weight) - _cdf(centres - width / 2 / weight)
    return float(_times(chances)[NUM_STATES // 2])


def ewma_sd(weight: float) -> float:
    """Standard deviation of the average in the long run, for values of standard deviation 1."""
    return math.sqrt(weight / (2.0 - weight))


def _times(chances: Floats) -> Floats:
    """Mean steps until absorption from each state."""
    return np.linalg.solve(np.eye(len(chances)) - chances, np.ones(len(chances)))


def _cdf(values: Floats) -> Floats:
    flat = np.array([_NORMAL.cdf(value) for value in values.ravel().tolist()])
    return flat.reshape(values.shape)
