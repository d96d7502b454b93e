"""Says when a piece is there: at a fixed rhythm, or for each line of a text stream."""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO

log = logging.getLogger("inspector.sources")
MAX_WAITING = 64
"""Lines that were read and not yet served; then the reader waits, and so does whoever writes to the pipe."""
_LOOK_S = 0.2
MAX_LINE = 1024


class Trigger(NamedTuple):
    """A piece is in front of the cameras."""

    piece_id: str
    product: str
    """Empty: as the source was told."""
    at_ns: int
    """Wall time, in nanoseconds since the Unix epoch."""


class Numbered:
    """Ids for pieces that have none: unique as long as no two runs begin in the same second."""

    def __init__(self, prefix: str | None = None) -> None:
        self._prefix = time.strftime("%Y%m%d-%H%M%S") if prefix is None else prefix
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"{self._prefix}-{next(self._numbers):06d}"


def at_rhythm(
    every_s: float, stop: threading.Event, names: Callable[[], str], monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Trigger]:
    """One piece each `every_s`, the first at once. Moments that pass while a piece is still being published are left
    out, not made up for."""
    next_s, missed = monotonic(), 0
    while not stop.wait(max(0.0, next_s - monotonic())):
        yield Trigger(names(), "", time.time_ns())
        behind = int(max(0.0, monotonic() - next_s) / every_s)
        if behind and not missed:
            log.warning(
                "One piece each %g s is more than this machine, cameras or the log keep: left out %d. Raise --every.",
                every_s,
                behind,
            )
        missed += behind
        next_s += every_s * (behind + 1)


def from_lines(stream: TextIO, stop: threading.Event, names: Callable[[], str]) -> Iterator[Trigger]:
    """One piece for each line `PIECE_ID [PRODUCT]`; an empty line numbers the piece. Ends with the stream."""
    lines: queue.Queue[tuple[str, int] | None] = queue.Queue(MAX_WAITING)
    threading.Thread(target=_read, args=(stream, lines), name="triggers", daemon=True).start()
    while not stop.is_set():
        try:
            line = lines.get(timeout=_LOOK_S)
        except queue.Empty:
            continue
        if line is None:
            return
        text, at_ns = line
        piece_id, _, product = text.strip().partition(" ")
        yield Trigger(piece_id or names(), product.strip(), at_ns)


def _read(stream: TextIO, lines: "queue.Queue[tuple[str, int] | None]") -> None:
    """A pipe cannot be waited for with a time limit everywhere: a thread of its own reads it."""
    try:
        while line := stream.readline(MAX_LINE):
            lines.put((line, time.time_ns()))
    except ValueError:  # closed at the end of the program
        pass
    finally:
        lines.put(None)
