"""Reports on stderr that a gateway does not answer, and why, until it does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inspector.cli.printable import print_line

FIRST_S = 2.0
EVERY_S = 10.0


@contextmanager
def show_waiting(address: str, trouble: Callable[[], str | None]) -> Iterator[None]:
    """Another thread calls `trouble`: None while all is well, else the last status, which may be empty."""
    ended = threading.Event()
    thread = threading.Thread(target=_report, args=(address, trouble, ended), name="connecting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _report(address: str, trouble: Callable[[], str | None], ended: threading.Event) -> None:
    was_reported = False
    while not ended.wait(EVERY_S if was_reported else FIRST_S):
        status = trouble()
        if status is not None:
            print_line(f"connecting to {address} …" + (f" ({status})" if status else " (no answer yet)"), err=True)
        elif was_reported:
            print_line(f"{address} answers", err=True)
        was_reported = status is not None
