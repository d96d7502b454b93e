"""Reads cameras, video streams and video files through OpenCV."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit, urlunsplit

import cv2

from inspector.sources.newest import CameraAwayError, Opener, Picture, VideoEndedError
from inspector.sources.pictures import Pixels

OPEN_S, READ_S = 8.0, 5.0
"""How long a stream may take to answer, and then to send a picture."""
FASTEST_HZ = 1000.0


def quiet() -> None:
    """Call it before the first camera is opened: OpenCV and the decoders in it write a line to the terminal for many a
    picture and would hide ours. `OPENCV_FFMPEG_LOGLEVEL` and `OPENCV_LOG_LEVEL` in the environment bring them back."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class VideoCamera:
    """`inspector.sources.newest.Camera` on an open OpenCV capture. Pictures are stamped as they arrive."""

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture, self._name = capture, name

    def read(self) -> Picture:
        try:
            done = self._capture.grab()
            capture_ns = time.time_ns()
            done, pixels = self._capture.retrieve() if done else (False, None)
        except cv2.error as exc:
            raise CameraAwayError(f"OpenCV: {exc}") from exc
        if not done or pixels is None:
            raise CameraAwayError(f"it sent no picture within {READ_S:g} s, or ended")
        return Picture(cast("Pixels", pixels), capture_ns)

    def close(self) -> None:
        self._capture.release()


class PacedFile:
    """A video file, played at its own speed like a camera, once or again and again."""

    def __init__(self, capture: cv2.VideoCapture, *, again: bool, sleep: Callable[[float], None] = time.sleep) -> None:
        self._capture, self._again, self._sleep = capture, again, sleep
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        self._period_s = 1.0 / rate_hz if 0 < rate_hz <= FASTEST_HZ else 0.04
        self._next_s: float | None = None

    def read(self) -> Picture:
        """Raises VideoEndedError."""
        done, pixels = self._capture.read()
        if not done and self._again:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            done, pixels = self._capture.read()
        if not done:
            raise VideoEndedError
        self._wait()
        return Picture(cast("Pixels", pixels), time.time_ns())

    def close(self) -> None:
        self._capture.release()

    def _wait(self) -> None:
        now_s = time.monotonic()
        due_s = now_s if self._next_s is None else self._next_s
        if due_s > now_s:
            self._sleep(due_s - now_s)
        self._next_s = max(due_s, now_s) + self._period_s


def device(index: int, size_px: tuple[int, int] | None = None) -> Opener:
    """A camera of this machine by number, as the system counts them."""

    def opens() -> VideoCamera:
        capture = cv2.VideoCapture(index)
        if not capture.isOpened():
            raise CameraAwayError(f"camera {index} is not there, or another program has it")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size_px is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_px[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_px[1])
        return VideoCamera(capture, f"camera {index}")

    return opens


def stream(url: str, *, open_s: float = OPEN_S, read_s: float = READ_S) -> Opener:
    """A stream by its address (rtsp, http), which may hold a password: it is never shown."""
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(1000 * open_s),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(1000 * read_s),
    ]

    def opens() -> VideoCamera:
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            raise CameraAwayError(
                "it does not answer, refuses the login, or its stream cannot be decoded: check address, user and cable"
            )
        return VideoCamera(capture, shown_url(url))

    return opens


def video_file(path: Path, *, again: bool = False) -> Opener:
    """A recording in place of a camera."""

    def opens() -> PacedFile:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise CameraAwayError(f"{path} is not there, or is no video that OpenCV reads")
        return PacedFile(capture, again=again)

    return opens


def with_login(url: str, user: str | None, password: str | None) -> str:
    """The address with user and password in it, as OpenCV takes them."""
    if user is None:
        return url
    parts = urlsplit(url)
    login = quote(user, safe="") + ("" if password is None else ":" + quote(password, safe=""))
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def shown_url(url: str) -> str:
    """For log lines: without user, password and query."""
    parts = urlsplit(url)
    query = "..." if parts.query else ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))
