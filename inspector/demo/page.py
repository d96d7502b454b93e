"""Finds out where the live page of a service that was just started is: its log says so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.web.settings import ADDRESS_WORDS

LOOK_S = 0.1


@contextmanager
def page_address(log_file: Path, show: Callable[[str], None]) -> Iterator[None]:
    """Calls `show` once with the address, in a thread that ends with the context at the latest."""
    stop = threading.Event()
    thread = threading.Thread(target=_look, args=(log_file, show, stop), name="page-address", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _look(log_file: Path, show: Callable[[str], None], stop: threading.Event) -> None:
    while not stop.wait(LOOK_S):
        address = address_in(log_file)
        if address is not None:
            show(address)
            return


def address_in(log_file: Path) -> str | None:
    """The address that the log names; None while it names none."""
    text = log_file.read_text(encoding="utf-8", errors="replace")
    words = text.partition(ADDRESS_WORDS)[2].split(maxsplit=1)
    return words[0].strip('",') if words else None
