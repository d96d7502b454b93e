"""Waits for what another thread brings about."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Returns once the condition holds; fails the test after `limit_s` seconds."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {limit_s:g} s"
        time.sleep(0.005)
