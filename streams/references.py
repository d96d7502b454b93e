"""Fetches images that frames only refer to, off the polling thread: prefix, size, hash, then pixels.
Knows nothing of pieces and windows."""

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import fsspec

from streams.images import decode_file
from streams.items import Frame, Reference
from streams.limits import Finding, Limits
from streams.observation import Image, InspectionId
from streams.records import TopicPartition

log = logging.getLogger("inspector.streams.references")


class FetchError(Exception):
    """A reference that may not or cannot be resolved; the message is the detail of its dead letter."""


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """What became of one reference: an image, or the finding."""

    at: TopicPartition
    inspection: InspectionId
    camera: str
    sequence: int
    image: Image | None
    detail: str


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    allowed_prefixes: tuple[str, ...] = ()
    """Addresses below which references may lie, such as `s3://frames/line-1/`; none by default."""
    num_threads: int = 4
    max_ready: int = 8
    """Images fetched and not taken yet; fetching waits then, so that a busy worker's memory stays bounded."""
    max_waiting: int = 10_000
    """References waiting beyond this are refused. They are small; a backlog after downtime holds many."""


Read = Callable[[str, int], bytes]


def read_with_fsspec(uri: str, size_bytes: int) -> bytes:
    """At most `size_bytes` of the file, once its size is known to be that. Raises FetchError."""
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        actual = filesystem.size(path)
        if actual != size_bytes:
            raise FetchError(f"{uri} has {actual} bytes, the frame says {size_bytes}: send the reference anew")
        with filesystem.open(path, "rb") as file:
            content: bytes = file.read(size_bytes + 1)
    except (OSError, ValueError, ImportError) as exc:
        raise FetchError(f"{uri} cannot be read ({type(exc).__name__}: {exc}): check address and rights") from exc
    return content


def is_allowed(uri: str, prefixes: tuple[str, ...]) -> bool:
    """Whether an address lies below one of the prefixes, with neither `..` nor chained protocols in it."""
    decoded = unquote(uri)
    if "::" in decoded or "\\" in decoded or ".." in PurePosixPath(urlsplit(decoded).path).parts:
        return False
    return any(uri.startswith(prefix.rstrip("/") + "/") for prefix in prefixes)


class Resolver:
    """Fetches in a few threads; `finished` gives what is there, without waiting."""

    def __init__(self, settings: ReferenceSettings, limits: Limits, read: Read = read_with_fsspec) -> None:
        self._settings, self._limits, self._read = settings, limits, read
        self._pool = ThreadPoolExecutor(settings.num_threads, thread_name_prefix="references")
        self._done: queue.SimpleQueue[tuple[Fetched, bool]] = queue.SimpleQueue()
        """With whether it takes one of the places for images that are ready."""
        self._ready = threading.Semaphore(settings.max_ready)
        self._waiting = 0

    def submit(self, frame: Frame) -> None:
        """Begins to fetch the image of a frame."""
        if frame.reference is None:
            raise AssertionError("only frames with a reference are resolved")
        self._waiting += 1
        if self._waiting > self._settings.max_waiting:
            detail = f"{self._waiting} references wait, at most {self._settings.max_waiting} may: slow the producer"
            self._done.put((_fetched(frame, None, detail), False))
            return
        fetching = self._pool.submit(self._fetch, frame.reference)
        fetching.add_done_callback(partial(self._finish, frame))

    def finished(self) -> list[Fetched]:
        """What has been fetched or has failed since the last call."""
        found: list[Fetched] = []
        while not self._done.empty():
            fetched, takes_place = self._done.get()
            found.append(fetched)
            if takes_place:
                self._ready.release()
        self._waiting -= len(found)
        return found

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._ready.release(self._settings.num_threads)  # whoever waits for a place may end

    def _finish(self, frame: Frame, fetching: "Future[Image]") -> None:
        """Every reference ends here, whatever a storage's client may raise: else its place would stay taken."""
        if fetching.cancelled():
            return
        error = fetching.exception()
        if error is None:
            self._done.put((_fetched(frame, fetching.result(), ""), True))
            return
        detail = str(error) if isinstance(error, FetchError) else f"the image cannot be fetched: {error!r}"
        log.warning("%s: %s", frame.inspection, detail)
        self._done.put((_fetched(frame, None, detail), True))

    def _fetch(self, reference: Reference) -> Image:
        self._ready.acquire()
        if not is_allowed(reference.uri, self._settings.allowed_prefixes):
            raise FetchError(
                f"{reference.uri} lies below none of the allowed prefixes {list(self._settings.allowed_prefixes)}: "
                "add its prefix under [references] in the configuration"
            )
        content = self._read(reference.uri, reference.size_bytes)
        digest = hashlib.sha256(content).digest()
        if digest != reference.sha256:
            raise FetchError(
                f"{reference.uri} has SHA-256 {digest.hex()[:16]}..., the frame says {reference.sha256.hex()[:16]}...: "
                "the file was changed, send the reference anew"
            )
        try:
            return decode_file(content, reference.format, self._limits)
        except Finding as finding:
            raise FetchError(f"{reference.uri}: {finding.detail}") from finding


def _fetched(frame: Frame, image: Image | None, detail: str) -> Fetched:
    at = TopicPartition(frame.origin.topic, frame.origin.partition)
    return Fetched(at, frame.inspection, frame.camera, frame.sequence, image, detail)
