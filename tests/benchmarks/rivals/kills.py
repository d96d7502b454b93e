"""Kills a contestant again and again while pieces arrive, and counts which were lost or doubled in the end."""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.rivals.counting import Tally
from tests.benchmarks.rivals.publishing import Publishing
from tests.benchmarks.rivals.steady import Observer, count, settle

RETURN_BUDGET_S = 90.0
"""A restarted contestant that gives no result for so long is left alone."""
MOST_BETWEEN_S = 2.0
"""After its first new result a contestant works for up to this long before the next kill."""


@dataclass(frozen=True)
class Killed:
    """What a run with kills left behind."""

    name: str
    kills: int
    back_s: float
    """Median time from a kill to the next result."""
    tally: Tally


@dataclass
class _Kills:
    wanted: int
    random: random.Random
    next_s: float = 0.0
    killed_s: float | None = None
    """Set while the contestant has given no result since its last kill."""
    received: int = 0
    back_s: list[float] = field(default_factory=list)

    def turn(self, observer: Observer, now_s: float) -> None:
        if self.killed_s is not None:
            self._look_for_return(observer, now_s)
        elif len(self.back_s) < self.wanted and now_s > self.next_s and observer.receipts:
            observer.contestant.kill()
            observer.take()
            self.killed_s, self.received = time.monotonic(), len(observer.receipts)
            observer.contestant.start()

    def _look_for_return(self, observer: Observer, now_s: float) -> None:
        assert self.killed_s is not None
        # Results that were on their way at the kill arrive within half a second of it.
        if now_s - self.killed_s < 0.5:
            self.received = len(observer.receipts)
        elif len(observer.receipts) > self.received:
            self.back_s.append(now_s - self.killed_s)
            self.killed_s, self.next_s = None, now_s + self.random.uniform(0.2, MOST_BETWEEN_S)
        elif now_s - self.killed_s > RETURN_BUDGET_S:
            raise RuntimeError(f"no result within {RETURN_BUDGET_S:.0f} s after a kill; see {observer.contestant.log}")


def kill_repeatedly(
    name: str, num_kills: int, observer: Observer, publishing: Publishing, decisions: Sequence[int], seed: int = 0
) -> Killed:
    """While the publisher runs; fewer kills than asked for where the contestant came back too slowly."""
    kills = _Kills(num_kills, random.Random(seed), next_s=time.monotonic() + MOST_BETWEEN_S)
    while not publishing.has_ended:
        publishing.next_report(0.1)
        observer.take()
        kills.turn(observer, time.monotonic())
    settle(observer, publishing.num_pieces, quiet_s=30.0, patience_s=120.0)
    back_s = statistics.median(kills.back_s) if kills.back_s else float("nan")
    return Killed(name, len(kills.back_s), back_s, count(observer, publishing.num_pieces, decisions))
