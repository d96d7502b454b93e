"""Collects the bytes of one referenced file: at most the announced number, until a deadline."""

import hashlib
import io
import threading
import time
from collections.abc import Callable


class FetchError(Exception):
    """A reference that is not allowed or cannot be resolved; the message is the detail of its dead letter."""


class FetchTimeoutError(FetchError):
    """The store did not send the file before the deadline."""


class Transfer:
    """The bytes of one file received so far. The reader adds blocks; the waiting thread may abandon it."""

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
        """Seconds until the deadline, above 0. Raises FetchTimeoutError after it."""
        remaining_s = self._deadline_s - self._monotonic()
        if remaining_s <= 0 or self._is_abandoned:
            raise self.late()
        return remaining_s

    def announce(self, size_bytes: int) -> None:
        """Checks the size reported by the store before the first byte. Raises FetchError if the frame has another
        one."""
        if size_bytes != self.size_bytes:
            raise FetchError(
                f"{self._shown} has {size_bytes} bytes, but the frame says {self.size_bytes}: send the reference again"
            )

    def add(self, block: bytes) -> None:
        """Raises FetchError for more bytes than announced, FetchTimeoutError after the deadline."""
        with self._lock:
            if self._is_abandoned or self.is_late:
                raise self.late()
            if self._buffer.tell() + len(block) > self.size_bytes:
                raise FetchError(
                    f"{self._shown} has more than the {self.size_bytes} bytes that the frame says: "
                    "send the reference again"
                )
            self._buffer.write(block)
            self._digest.update(block)

    def content(self, sha256: bytes) -> bytes:
        """The whole file. Raises FetchError if it differs from the announced file or was abandoned."""
        if self._is_abandoned:
            raise self.late()
        self.announce(self._buffer.tell())
        digest = self._digest.digest()
        if digest != sha256:
            raise FetchError(
                f"{self._shown} has SHA-256 {digest.hex()[:16]}..., the frame says {sha256.hex()[:16]}...: "
                "the file was changed, send the reference again"
            )
        return self._buffer.getvalue()

    def late(self) -> FetchTimeoutError:
        """The error of a transfer that timed out."""
        return FetchTimeoutError(
            f"{self._shown} did not arrive within {self._timeout_s:g} s ({self._buffer.tell()} of {self.size_bytes} "
            "bytes): check the store and the network, or raise [references] timeout_s"
        )

    def connected(self, disconnect: Callable[[], None]) -> None:
        """Sets the function that wakes a reader waiting for bytes."""
        self._disconnect = disconnect

    def abandon(self) -> None:
        """Frees the memory and wakes the reader, whose further blocks are refused."""
        with self._lock:
            self._is_abandoned = True
            self._buffer = io.BytesIO()
        if self._disconnect is not None:
            self._disconnect()
