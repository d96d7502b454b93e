"""Decodes large images on a separate thread, one at a time, in the order of their records.

Their pieces wait for them, as for a reference; all other pieces continue.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streams.decode.items import Frame, Item
from streams.decode.limits import Limits
from streams.decode.process import Decoder
from streams.records import Record


@dataclass(frozen=True, slots=True)
class LargeImageSettings:
    min_bytes: int = 8 * 2**20
    """Decoded size from which an image is large: decoding takes 50 ms, a hundred times as long as a usual piece."""
    max_waiting_bytes: int = 2**31
    """Decoded size of all waiting images, about sixteen seconds of a core. Above it, images are decoded on the polling
    thread, which slows reading down to the speed of decoding."""
    max_record_bytes: int = 64 * 2**20
    """The same limit for their records: the memory of waiting images."""
    patience_s: float = 1.0
    """An image without room is offered again at every turn for this long, and then handed over anyway."""

    def memory_bytes(self, limits: Limits) -> int:
        """Upper limit: the waiting records and one decoded image."""
        return self.max_record_bytes + limits.max_image_bytes


@dataclass(frozen=True, slots=True, eq=False)
class LargeImage:
    """A frame that was accepted without its image, and the record that holds it."""

    frame: Frame
    record: Record
    line: str
    size_bytes: int
    """Decoded."""
    is_needed: Callable[[], bool]
    """Whether a piece still waits for it; called on another thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The result for a large image: the frame with its image, or its rejection."""

    frame: Frame
    item: Item
    since_s: float


HasRoom = Callable[[Frame, int], bool]


class LargeImages:
    """The queue and its thread. Decoding of the next image starts one turn after the previous one was handed over, so
    that only one decoded image is held here."""

    def __init__(
        self,
        limits: Limits,
        decoder: Decoder | None = None,
        settings: LargeImageSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._decoder, self._monotonic = limits, decoder or Decoder(), monotonic
        self._settings = settings or LargeImageSettings()
        self._changed = threading.Condition()
        self._waiting: deque[LargeImage] = deque()
        self._waiting_bytes = self._record_bytes = 0
        self._ready: Decoded | None = None
        self._may_decode, self._is_closed = True, False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def is_large(self, size_bytes: int) -> bool:
        return size_bytes >= self._settings.min_bytes

    def has_room_for(self, size_bytes: int, record_bytes: int) -> bool:
        """Whether an image of this decoded size is large and may wait."""
        settings = self._settings
        if not self.is_large(size_bytes):
            return False
        with self._changed:
            return (
                self._waiting_bytes + size_bytes <= settings.max_waiting_bytes
                and self._record_bytes + record_bytes <= settings.max_record_bytes
            )

    def submit(self, image: LargeImage) -> None:
        """Queues an image; `finished` returns it when it is decoded."""
        with self._changed:
            self._waiting.append(image)
            self._count(image, 1)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="large images", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finished(self, has_room: HasRoom) -> Decoded | None:
        """The decoded image, if there is one and room for it; call it once a turn. Raises the exception of a failed
        decode: DecodingError for one that hangs."""
        with self._changed:
            if self._error is not None:
                raise self._error
            ready = self._ready
            self._may_decode = ready is None
            if ready is not None and isinstance(ready.item, Frame) and ready.item.image is not None:
                is_patient = self._monotonic() < ready.since_s + self._settings.patience_s
                if is_patient and not has_room(ready.frame, ready.item.image.nbytes):
                    return None
            self._ready = None
            self._changed.notify_all()
        return ready

    def close(self) -> None:
        """Ends at once. Records that are not decoded yet are read again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._decoder.close()

    def _run(self) -> None:
        """The thread's main loop."""
        while (image := self._next()) is not None:
            item: Item | None = None
            try:
                if image.is_needed():
                    item = self._decoder.decode(image.record, self._limits, image.line)
            except BaseException as exc:  # noqa: BLE001 - raised again by `finished`
                self._error = exc
                return
            with self._changed:
                self._count(image, -1)
                if item is not None:
                    self._ready = Decoded(image.frame, item, self._monotonic())

    def _next(self) -> LargeImage | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or (self._waiting and self._ready is None and self._may_decode)
            )
            return None if self._is_closed else self._waiting.popleft()

    def _count(self, image: LargeImage, sign: int) -> None:
        """Call with the lock held."""
        self._waiting_bytes += sign * image.size_bytes
        self._record_bytes += sign * len(image.record.value)
