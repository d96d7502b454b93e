"""Runs functions of a test in threads."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

LIMIT_S = 60.0


def run_together(targets: Iterable[Callable[[], object]]) -> None:
    """Starts all of them at once, and returns when all have ended; fails the test after `LIMIT_S` seconds."""
    _ended(_started(targets))


@contextmanager
def running(targets: Iterable[Callable[[Event], object]]) -> Iterator[Event]:
    """Runs all of them until the end of the block, or until the event that they and the block get is set."""
    stop = Event()
    threads = _started([_with(target, stop) for target in targets])
    try:
        yield stop
    finally:
        stop.set()
        _ended(threads)


def _with(target: Callable[[Event], object], stop: Event) -> Callable[[], object]:
    return lambda: target(stop)


def _started(targets: Iterable[Callable[[], object]]) -> list[Thread]:
    threads = [Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def _ended(threads: Iterable[Thread]) -> None:
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive(), f"a thread of the test did not end within {LIMIT_S:g} s"
