"""Fetches referenced images on threads of its own: checks prefix, size and hash, then decodes."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from streams.decode.images import decode_file
from streams.decode.items import Frame, Rejected
from streams.decode.limits import Limits, RecordError
from streams.decode.process import Decoder
from streams.encoding import with_pixels
from streams.observation import Image, InspectionId
from streams.records import TopicPartition
from streams.references.addresses import Address, allowed, shown
from streams.references.lane import Fetch, Lane, LaneSettings, ReferenceSettings
from streams.references.stores import read
from streams.references.transfer import FetchError, FetchTimeoutError, Transfer

log = logging.getLogger("inspector.streams.references")

_MAX_ERROR_CHARS = 500
"""Of an error message of a store's client, which may repeat the whole response."""


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """The outcome of one reference: an image, or the detail of its dead letter."""

    at: TopicPartition
    inspection: InspectionId
    camera: str
    sequence: int
    image: Image | None
    detail: str


Read = Callable[[Address, Transfer], None]


class Resolver:
    """Fetches on a few threads per store; `finished` returns the results so far, without waiting. Hanging threads do
    not keep the process alive."""

    def __init__(
        self,
        settings: ReferenceSettings,
        limits: Limits,
        read: Read = read,
        monotonic: Callable[[], float] = time.monotonic,
        decoder: Decoder | None = None,
    ) -> None:
        """`decoder` decodes images at offsets where workers have died; one thread at a time calls it."""
        self._settings, self._limits, self._read, self._monotonic = settings, limits, read, monotonic
        self._decoder = decoder or Decoder()
        self._lock = threading.Lock()
        self._lanes = _lanes(settings)
        self._ready = _ReadyImages(settings.max_ready, settings.max_ready_bytes)
        self._done: queue.SimpleQueue[Fetched] = queue.SimpleQueue()

    def submit(self, frame: Frame, is_wanted: Callable[[], bool] = lambda: True, *, is_apart: bool = False) -> None:
        """Starts to fetch the image of a frame. Drops it from the queue once `is_wanted` returns False, so that a store
        slower than the line loses some images instead of delaying all of them. `is_apart`: decodes it in a separate
        process."""
        if frame.reference is None:
            raise AssertionError("only frames with a reference are resolved")
        address = allowed(frame.reference.uri, self._settings.allowed_prefixes)
        if address is None:
            detail = (
                f"{shown(frame.reference.uri)} is below none of the allowed prefixes "
                f"{list(self._settings.allowed_prefixes)}: add its prefix under [references] in the configuration"
            )
            self._refuse(frame, detail)
        elif (num := self._num_waiting()) >= self._settings.max_waiting:
            detail = f"{num + 1} references wait, at most {self._settings.max_waiting} may wait: slow down the producer"
            self._done.put(_fetched(frame, None, detail))
        else:
            self._queue(Fetch(frame, frame.reference, address, is_wanted, is_apart))

    def finished(self) -> list[Fetched]:
        """The references fetched or failed since the last call."""
        self._expire()
        finished: list[Fetched] = []
        while not self._done.empty():
            fetched = self._done.get()
            finished.append(fetched)
            if fetched.image is not None:
                self._ready.take(fetched.image)
        return finished

    def close(self) -> None:
        """Stops at once, without waiting for hanging fetches."""
        with self._lock:
            for lane in self._lanes.values():
                lane.waiting.clear()
                for fetch in lane.fetching:
                    fetch.is_over = True
                    if fetch.transfer is not None:
                        fetch.transfer.abandon()
        self._ready.close()

    def _num_waiting(self) -> int:
        with self._lock:
            return self._done.qsize() + sum(len(lane.waiting) + len(lane.fetching) for lane in self._lanes.values())

    def _queue(self, fetch: Fetch) -> None:
        with self._lock:
            lane = self._lanes[fetch.address.prefix]
            refusal = lane.refusal(fetch.reference, self._monotonic())
            if refusal is None:
                lane.waiting.append(fetch)
                self._start(lane)
                return
        self._done.put(_fetched(fetch.frame, None, f"{fetch.address.shown}: {refusal}"))

    def _start(self, lane: Lane) -> None:
        """Starts a thread for each reference for which there is room; the caller holds the lock."""
        while (fetch := lane.next(self._monotonic())) is not None:
            timeout_s = self._settings.timeout_s
            fetch.transfer = Transfer(fetch.address.shown, fetch.reference.size_bytes, timeout_s, self._monotonic)
            thread = threading.Thread(
                target=self._fetch, args=(lane, fetch, fetch.transfer), name="reference", daemon=True
            )
            thread.start()

    def _expire(self) -> None:
        with self._lock:
            for lane in self._lanes.values():
                for fetch, transfer in lane.late():
                    lane.mark_hung()
                    transfer.abandon()
                    self._end(lane, fetch, transfer.late())
                self._start_or_refuse(lane)

    def _fetch(self, lane: Lane, fetch: Fetch, transfer: Transfer) -> None:
        """Runs on a thread of its own."""
        outcome: Image | Exception
        try:
            self._read(fetch.address, transfer)
            content = transfer.content(fetch.reference.sha256)
            with self._lock:
                fetch.is_received = not fetch.is_over
            outcome = self._decode(fetch, content) if fetch.is_received else transfer.late()
        except Exception as exc:  # noqa: BLE001 - store clients raise any exception, and every reference must get an outcome
            outcome = exc
        with self._lock:
            if fetch.is_over:
                lane.mark_returned()
            else:
                self._end(lane, fetch, outcome)
            self._start_or_refuse(lane)

    def _decode(self, fetch: Fetch, content: bytes) -> Image:
        """Decodes one image at a time, once there is room for it."""
        image: Image | None = None
        self._ready.wait()
        try:
            image = (self._decode_apart if fetch.is_apart else self._decode_here)(fetch, content)
        except RecordError as error:
            raise FetchError(f"{fetch.address.shown}: {error.detail}") from error
        finally:
            self._ready.put(image)
        return image

    def _decode_here(self, fetch: Fetch, content: bytes) -> Image:
        return decode_file(content, fetch.reference.format, self._limits)

    def _decode_apart(self, fetch: Fetch, content: bytes) -> Image:
        record = with_pixels(fetch.frame, content, fetch.reference.format)
        limits = replace(self._limits, max_record_bytes=len(record.value))
        item = self._decoder.decode_in_child(record, limits, fetch.frame.inspection.line)
        self._decoder.end_child()
        if isinstance(item, Rejected):
            raise RecordError(item.reason, item.detail)
        if not isinstance(item, Frame) or item.image is None:
            raise AssertionError("a frame with pixels is decoded to an image")
        return item.image

    def _end(self, lane: Lane, fetch: Fetch, outcome: Image | Exception) -> None:
        """Records the outcome of a fetch, exactly once; the caller holds the lock."""
        changed = lane.end(fetch, self._monotonic(), is_late=isinstance(outcome, FetchTimeoutError))
        if isinstance(outcome, Exception):
            self._refuse(fetch.frame, _error_detail(fetch.address, outcome))
        else:
            self._done.put(_fetched(fetch.frame, outcome, ""))
        if changed and lane.answers:
            log.info("References: the store below %s responds again; its images are fetched.", lane.prefix)
        elif changed:
            log.error("References: %s. Until it responds, images below it are refused.", lane.outage(self._monotonic()))

    def _start_or_refuse(self, lane: Lane) -> None:
        """Starts fetches for which there is room and refuses those of a hanging store; the caller holds the lock."""
        for fetch in lane.stranded(self._monotonic()):
            self._done.put(_fetched(fetch.frame, None, f"{fetch.address.shown}: {lane.outage(self._monotonic())}"))
        self._start(lane)

    def _refuse(self, frame: Frame, detail: str) -> None:
        log.warning("%s: %s", frame.inspection, detail)
        self._done.put(_fetched(frame, None, detail))


class _ReadyImages:
    """Bounds the decoded images that the worker has not taken yet."""

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self._max_images, self._max_bytes = max_images, max_bytes
        self._num_images, self._num_bytes = 0, 0
        self._is_decoding, self._is_closed = False, False
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Waits until one more image may be decoded: one at a time, because its size is unknown beforehand."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or (not self._is_decoding and self._has_room()))
            self._is_decoding = True

    def put(self, image: Image | None) -> None:
        """Ends the decoding that `wait` allowed; None: it failed."""
        with self._changed:
            self._is_decoding = False
            if image is not None:
                self._num_images, self._num_bytes = self._num_images + 1, self._num_bytes + image.nbytes
            self._changed.notify_all()

    def take(self, image: Image) -> None:
        with self._changed:
            self._num_images, self._num_bytes = self._num_images - 1, self._num_bytes - image.nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """Wakes the waiting threads so that they end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._num_images < self._max_images and self._num_bytes < self._max_bytes


def _lanes(settings: ReferenceSettings) -> dict[str, Lane]:
    prefixes = settings.allowed_prefixes
    share = settings.max_bytes // max(1, len(prefixes))
    return {prefix: Lane(prefix, LaneSettings(settings.num_threads, share, settings.timeout_s)) for prefix in prefixes}


def _error_detail(address: Address, error: Exception) -> str:
    if isinstance(error, FetchError):
        return str(error)
    text = str(error).replace(address.uri, address.shown)[:_MAX_ERROR_CHARS]
    return f"{address.shown} cannot be read ({type(error).__name__}: {text}): check the address and the access rights"


def _fetched(frame: Frame, image: Image | None, detail: str) -> Fetched:
    at = TopicPartition(frame.origin.topic, frame.origin.partition)
    return Fetched(at, frame.inspection, frame.camera, frame.sequence, image, detail)
