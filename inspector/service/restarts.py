"""Runs a part or a child process again when it ends, after growing delays."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from streams.outage import Backoff

FIRST_DELAY_S, MAX_DELAY_S = 1.0, 60.0
HEALTHY_S = 60.0
"""After a run that lasted this long, the next one begins after the first delay."""

End = TypeVar("End")


def run_again(run: Callable[[], End], report: Callable[[End, float], None], stop: Event) -> None:
    """Until `stop` is set. `report` gets how a run ended, and the delay before the next one in seconds."""
    delays = Backoff(FIRST_DELAY_S, MAX_DELAY_S)
    while not stop.is_set():
        started_s = time.monotonic()
        end = run()
        if stop.is_set():
            return
        if time.monotonic() - started_s > HEALTHY_S:
            delays.reset()
        delay_s = delays.next_s()
        report(end, delay_s)
        stop.wait(delay_s)
