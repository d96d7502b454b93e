"""Gathers the bytes of one referenced file while they arrive: at most as many as were announced, until a deadline.
Knows no store."""

import hashlib
import io
import threading
import time
from collections.abc import Callable


class FetchError(Exception):
    """A reference that may not or cannot be resolved; the message is the detail of its dead letter."""


class FetchTimeoutError(FetchError):
    """The store did not send the file before the deadline."""


class Transfer:
    """What has come of one file. The reader adds, the thread that waits for it may abandon it."""

    def __init__(self, shown: str, size_bytes: int, timeout_s: float, monotonic: Callable[[], float] = time.monotonic):
        self._shown, self.size_bytes, self._timeout_s, self._monotonic = shown, size_bytes, timeout_s, monotonic
        self._deadline_s = monotonic() + timeout_s
        self._lock = threading.Lock()
        self._buffer, self._digest = io.BytesIO(), hashlib.sha256()
        self._is_abandoned = False
        self._disconnect: Callable[[], None] | None = None

    @property
    def is_late(self) -> bool:
        return self._monotonic() >= self._deadline_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline, above 0. Raises FetchTimeoutError behind it."""
        remaining_s = self._deadline_s - self._monotonic()
        if remaining_s <= 0 or self._is_abandoned:
            raise self.late()
        return remaining_s

    def announce(self, size_bytes: int) -> None:
        """The size that the store states, before the first byte. Raises FetchError where the frame says another."""
        if size_bytes != self.size_bytes:
            raise FetchError(
                f"{self._shown} has {size_bytes} bytes, the frame says {self.size_bytes}: send the reference anew"
            )

    def add(self, block: bytes) -> None:
        """Raises FetchError for more bytes than announced, FetchTimeoutError behind the deadline."""
        with self._lock:
            if self._is_abandoned or self.is_late:
                raise self.late()
            if self._buffer.tell() + len(block) > self.size_bytes:
                raise FetchError(
                    f"{self._shown} has more than the {self.size_bytes} bytes that the frame says: "
                    "send the reference anew"
                )
            self._buffer.write(block)
            self._digest.update(block)

    def content(self, sha256: bytes) -> bytes:
        """The whole file. Raises FetchError where it is not the one that was announced, or was given up."""
        if self._is_abandoned:
            raise self.late()
        self.announce(self._buffer.tell())
        digest = self._digest.digest()
        if digest != sha256:
            raise FetchError(
                f"{self._shown} has SHA-256 {digest.hex()[:16]}..., the frame says {sha256.hex()[:16]}...: "
                "the file was changed, send the reference anew"
            )
        return self._buffer.getvalue()

    def late(self) -> FetchTimeoutError:
        """Why it is given up."""
        return FetchTimeoutError(
            f"{self._shown} did not come within {self._timeout_s:g} s ({self._buffer.tell()} of {self.size_bytes} "
            "bytes): check the store and the way to it, or raise [references] timeout_s"
        )

    def connected(self, disconnect: Callable[[], None]) -> None:
        """How to wake a reader that waits for bytes."""
        self._disconnect = disconnect

    def abandon(self) -> None:
        """Gives the memory back and wakes the reader, who is refused any further byte."""
        with self._lock:
            self._is_abandoned = True
            self._buffer = io.BytesIO()
        if self._disconnect is not None:
            self._disconnect()
