"""Threads of the floor's parts. Whatever ends one ends its part, so that no part dies in silence."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

log = logging.getLogger("inspector.service.floor")

Work = Callable[[Event], None]
"""Works until the event is set."""
END_S = 10.0
"""The threads of a part may take this long to end, together."""


class PartThread(Thread):
    """Does one work of a part; sets `stop`, the part's end, when the work fails or ends by itself."""

    def __init__(self, name: str, work: Work, stop: Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._stop_part = work, stop
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._work(self._stop_part)
        except Exception as error:  # noqa: BLE001 - raised at the exit
            self.error = error
        finally:
            self._stop_part.set()


@contextmanager
def working(works: Mapping[str, Work], stop: Event) -> Iterator[None]:
    """Runs the works by their names, from entry to exit. Sets `stop` when one of them fails, and at the exit; raises
    the first failure there."""
    threads = [PartThread(name, work, stop) for name, work in works.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        _join(threads)
    for thread in threads:
        if thread.error is not None:
            raise thread.error


def _join(threads: Sequence[Thread]) -> None:
    deadline_s = time.monotonic() + END_S
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    if hanging := [thread.name for thread in threads if thread.is_alive()]:
        log.warning("Still busy after %.0f s, and left alone: %s.", END_S, ", ".join(hanging))
