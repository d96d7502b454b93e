"""Copies the audit log's newest head to a place of its own, where a cut-off log shows.

Anybody who may write in the audit folder and read its key can write another log. They cannot change heads that lie
elsewhere: each is written once, under a name of its own, and never replaced.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Self

import fsspec

from inspector.access.audit.files import HEADS_FILE
from inspector.access.audit.record import NO_HEAD, Head, RecordError, parsed_head
from inspector.access.audit.segments import newest_line

log = logging.getLogger("inspector.access.audit")

MAX_HEAD_BYTES = 4096
MAX_HEADS = 1_000_000
STOP_S = 5.0


class HeadsError(Exception):
    """The place cannot be read or written; the message says why and what to do."""


def newest_head(folder: Path) -> Head:
    """Also while the file of heads is exchanged for a new one. Raises RecordError, OSError."""
    line = newest_line(folder, HEADS_FILE)
    return parsed_head(line) if line else NO_HEAD


def send_head(head: Head, place: str) -> bool:
    """Writes the head under its name; False if it lies there already. Raises HeadsError."""
    files, folder = _opened(place)
    try:
        files.makedirs(folder, exist_ok=True)
        return _create(files, f"{folder}/{head.number:012d}-{head.hash[:16]}.json", head.line)
    except Exception as exc:  # fsspec has no error of its own: each store raises what its client raises
        raise HeadsError(f"the head of record {head.number} cannot be written to {place} ({exc})") from exc


def _create(files: fsspec.AbstractFileSystem, path: str, data: bytes) -> bool:
    """Each store has its own error for an existing object; S3 has a general one."""
    try:
        files.pipe_file(path, data, mode="create")
    except OSError:
        if files.exists(path):
            return False
        raise
    return True


def heads_at(place: str) -> Iterator[Head]:
    """The newest heads that are there at the call, at most `MAX_HEADS`, oldest first; an unreadable one is given as one
    without a signature. Raises HeadsError, also from the iterator."""
    files, folder = _opened(place)
    files.invalidate_cache()
    with _reading(place):
        names = sorted(name for name in files.ls(folder, detail=False) if str(name).endswith(".json"))
    return _heads(files, names[-MAX_HEADS:], place)


def _heads(files: fsspec.AbstractFileSystem, names: Sequence[str], place: str) -> Iterator[Head]:
    for name in names:
        with _reading(place):
            data = files.cat_file(name, start=0, end=MAX_HEAD_BYTES)
        yield _head(data)


@contextmanager
def _reading(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # fsspec has no error of its own: each store raises what its client raises
        raise HeadsError(f"heads cannot be read from {place} ({exc}): check the address and the rights") from exc


class HeadSender:
    """Sends the newest head now and then, in a thread from entry to exit. A place that does not answer loses nothing:
    a later head stands for all records before it."""

    def __init__(self, folder: Path, place: str, every_s: float, report: Callable[[bool], None] | None = None) -> None:
        """`report` is told after each try whether it worked."""
        self._folder, self._place, self._every_s, self._report = folder, place, every_s, report
        self._stop = Event()
        self._sent = NO_HEAD
        self._thread = Thread(target=self._run, name="audit-heads", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Sends the last head first, within `STOP_S`."""
        self._stop.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            head = newest_head(self._folder)
            if head not in (self._sent, NO_HEAD):
                send_head(head, self._place)
                self._sent = head
        except (HeadsError, RecordError, OSError) as exc:
            log.warning("The audit log's head was not sent, it will be tried again: %s.", exc)
            self._note(False)
        else:
            self._note(True)

    def _note(self, worked: bool) -> None:
        if self._report is not None:
            self._report(worked)


def _opened(place: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        files, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as exc:
        raise HeadsError(f"{place} cannot be opened ({exc}): for s3:// install inspector[s3]") from exc
    return files, str(path).rstrip("/")


def _head(data: bytes) -> Head:
    try:
        return parsed_head(data)
    except RecordError:
        return Head(0, "", "")
