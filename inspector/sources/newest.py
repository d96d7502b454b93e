"""Follows a camera on a thread of its own and keeps its newest picture only. Comes back when the camera does."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from inspector.sources.pictures import Pixels
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.sources")
FIRST_S, MAX_S = 0.5, 15.0
JOIN_S = 10.0


class CameraAwayError(Exception):
    """The camera gives no pictures now; the message says why. Trying again later may help."""


class VideoEndedError(Exception):
    """A file has been read to its end."""


class Picture(NamedTuple):
    """One picture and when it was taken, in nanoseconds since the Unix epoch."""

    pixels: Pixels
    capture_ns: int


class Camera(Protocol):
    """An open camera."""

    def read(self) -> Picture:
        """Waits for the next picture, for a bounded time. Raises CameraAwayError, VideoEndedError."""

    def close(self) -> None: ...


Opener = Callable[[], Camera]
"""Opens a camera. Raises CameraAwayError."""


class Newest:
    """A place for one picture: a new one replaces it, so that memory is bounded and no picture is stale."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._has_ended = False
        self.num_seen = 0

    def put(self, picture: Picture) -> None:
        with self._changed:
            self._picture = picture
            self.num_seen += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        with self._changed:
            return self._has_ended

    def taken_after(self, moment_ns: int, timeout_s: float) -> Picture | None:
        """The newest picture that was taken at this moment or later; None when none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._is_after(moment_ns), timeout_s)
            return self._picture if self._is_after(moment_ns) else None

    def _is_after(self, moment_ns: int) -> bool:
        return self._picture is not None and self._picture.capture_ns >= moment_ns


class Follower:
    """The thread of one camera; use as a context."""

    def __init__(self, name: str, opener: Opener, policy: OutagePolicy | None = None) -> None:
        """`name` stands in the log lines: without a password."""
        self.name, self.newest = name, Newest()
        self._opener, self._stop = opener, threading.Event()
        lines = OutageLines(log, self._waits, f"{name}: pictures come again.")
        default = OutagePolicy(FIRST_S, MAX_S, errors=(CameraAwayError,), lost=())
        self._outage = Outage(lines, policy or default)
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            log.warning("%s: the driver does not return; the program ends without it.", self.name)

    def _waits(self, reason: object) -> str:
        return f"{self.name}: no pictures ({reason}). Trying again; until then pieces come without its pictures."

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began_s = time.monotonic()
                try:
                    with closing(self._opener()) as camera:
                        self._follow(camera)
                except CameraAwayError as error:
                    self._stop.wait(self._outage.failed(error, began_s))
        except VideoEndedError:
            pass
        finally:
            self.newest.end()

    def _follow(self, camera: Camera) -> None:
        while not self._stop.is_set():
            picture = camera.read()
            if self._outage.is_away or not self.newest.num_seen:
                height_px, width_px = picture.pixels.shape[:2]
                log.info("%s: pictures of %d x %d px.", self.name, width_px, height_px)
            self._outage.worked()
            self.newest.put(picture)
