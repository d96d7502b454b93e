"""Says on stderr that a gateway does not answer, and why, for as long as it does not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inspector.cli.printable import say

FIRST_S = 2.0
EVERY_S = 10.0


@contextmanager
def waiting_said(address: str, trouble: Callable[[], str | None]) -> Iterator[None]:
    """`trouble` is asked from another thread: None while all is well, else the last status, empty without one."""
    ended = threading.Event()
    thread = threading.Thread(target=_say, args=(address, trouble, ended), name="connecting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say(address: str, trouble: Callable[[], str | None], ended: threading.Event) -> None:
    was_said = False
    while not ended.wait(EVERY_S if was_said else FIRST_S):
        status = trouble()
        if status is not None:
            say(f"connecting to {address} …" + (f" ({status})" if status else " (no answer yet)"), err=True)
        elif was_said:
            say(f"{address} answers", err=True)
        was_said = status is not None
