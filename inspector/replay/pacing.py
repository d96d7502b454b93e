"""Publishes scheduled records at their moments, to any log."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from inspector.replay.faults import NS, Scheduled
from streams.log import Publisher
from streams.records import Output

_NAP_S = 0.002
_MOST = 64
"""Records handed over at once."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time that runs with the monotonic clock, so that setting the machine's clock disturbs nothing."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall_ns: Callable[[], int] = time.time_ns
    _start: tuple[int, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_start", (self.wall_ns(), self.monotonic()))

    def now_ns(self) -> int:
        wall_ns, monotonic_s = self._start
        return wall_ns + round((self.monotonic() - monotonic_s) * NS)


@dataclass(slots=True)
class Published:
    """Counts of the published records."""

    records: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    behind_s: float = 0.0
    """How late the latest record was: large when this machine or the log cannot keep the rate."""


def publish_paced(
    records: Iterable[Scheduled],
    publisher: Publisher,
    clock: Clock,
    progress: Callable[[Output], None] | None = None,
    nap_s: float = _NAP_S,
) -> Published:
    """Publishes every record when its moment has come; returns when all are durable. Raises LogFullError.

    `nap_s`: the shortest wait. Records due within it are published together, never early.
    """
    done = Published()
    due: list[Output] = []
    for record in records:
        ahead_s = (record.at_ns - clock.now_ns()) / NS
        if ahead_s > 0:
            _hand_over(due, publisher, done, progress)
            clock.sleep(max(nap_s, (record.at_ns - clock.now_ns()) / NS))
        done.behind_s = max(done.behind_s, -ahead_s)
        due.append(record.output)
        if len(due) >= _MOST:
            _hand_over(due, publisher, done, progress)
    _hand_over(due, publisher, done, progress)
    publisher.flush()
    return done


def _hand_over(
    due: list[Output], publisher: Publisher, done: Published, progress: Callable[[Output], None] | None
) -> None:
    if not due:
        return
    publisher.publish(due)
    for output in due:
        done.records += 1
        done.by_type[output.type] = done.by_type.get(output.type, 0) + 1
        if progress is not None:
            progress(output)
    due.clear()
