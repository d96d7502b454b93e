"""Says what was published: at the first piece, then once a minute."""

import logging
import time

log = logging.getLogger("inspector.sources")
EVERY_S = 60.0


class Progress:
    """For one source. The line is what its counts say of themselves."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._said_s: float | None = None

    def say(self, counts: object) -> None:
        now_s = time.monotonic()
        if self._said_s is None or now_s - self._said_s >= self._every_s:
            self._said_s = now_s
            log.info("Published so far: %s.", counts)
