"""Finds the oldest closed files of an audit log that are beyond its limits, and removes them.

The file that grows is never removed, and neither is one that does not fit to the file after it: it may be evidence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, last_line, lines_of
from inspector.access.audit.record import Detail, Head, Record, RecordError, parsed
from inspector.access.audit.segments import closed_files, closed_name
from inspector.access.durable_files import sync_folder

REMOVE = "audit.remove"
"""Action of the record that is written before files are removed; its target is the name of the newest of them."""
LAST, HASH = "last", "hash"
"""Keys of its detail: number and hash of the last removed record, which the oldest one that stays follows."""
DAY_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """Closed files beyond these are removed; None stands for no limit."""

    keep_days: float | None = None
    max_bytes: int | None = None

    @property
    def any(self) -> bool:
        return self.keep_days is not None or self.max_bytes is not None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Removal:
    """The oldest closed log files, without gaps, and what is known of them."""

    num_files: int
    first: int
    last: Head
    num_bytes: int
    """With their heads."""

    @property
    def target(self) -> str:
        return closed_name(LOG_FILE, self.last.number)

    @property
    def detail(self) -> Detail:
        return {
            "bytes": self.num_bytes,
            "files": self.num_files,
            "first": self.first,
            HASH: self.last.hash,
            LAST: self.last.number,
        }


def audit_bytes(folder: Path) -> int:
    """Of all log files and heads. Raises OSError."""
    files = [folder / LOG_FILE, folder / HEADS_FILE, *closed_files(folder), *closed_files(folder, HEADS_FILE)]
    return sum(map(_size, files))


def removal(folder: Path, limits: Limits, segment_bytes: int, now_ns: int) -> Removal | None:
    """What is beyond the limits; None where nothing is. Raises RecordError where a file is not as it was written,
    OSError."""
    closed = closed_files(folder)
    expired = list(_expired(closed, limits, 2 * segment_bytes, now_ns))
    if not expired:
        return None
    for file, after in pairwise([*closed, folder / LOG_FILE][: len(expired) + 1]):
        _check_followed(file, after)
    first, last = parsed(next(iter(lines_of(expired[0]))))[0], parsed(last_line(expired[-1]))[1]
    return Removal(len(expired), first.number, last, sum(map(_bytes_with_heads, expired)))


def remove(folder: Path, last: int) -> None:
    """Removes the closed files up to that record, oldest first, and what an earlier removal left. Raises OSError."""
    for name in (LOG_FILE, HEADS_FILE):
        for file in closed_files(folder, name):
            if file.name <= closed_name(name, last):
                file.unlink()
    sync_folder(folder)


def removed_up_to(record: Record) -> Head | None:
    """The last removed record, unsigned, by a record of a removal; None for other records."""
    last, digest = record.detail.get(LAST), record.detail.get(HASH)
    if record.action != REMOVE or not isinstance(last, int) or not isinstance(digest, str):
        return None
    return Head(last, digest, "")


def _expired(closed: Sequence[Path], limits: Limits, room: int, now_ns: int) -> Iterator[Path]:
    """`room` is kept for the files that grow."""
    left = room + sum(map(_bytes_with_heads, closed))
    for file in closed:
        is_over = limits.max_bytes is not None and left > limits.max_bytes
        if not is_over and not _is_older(file, limits.keep_days, now_ns):
            return
        left -= _bytes_with_heads(file)
        yield file


def _is_older(file: Path, keep_days: float | None, now_ns: int) -> bool:
    return keep_days is not None and parsed(last_line(file))[0].at_ns < now_ns - keep_days * DAY_NS


def _check_followed(file: Path, after: Path) -> None:
    """Raises RecordError."""
    head, follower = parsed(last_line(file))[1], parsed(next(iter(lines_of(after)), b""))[0]
    if (follower.number, follower.previous) != (head.number + 1, head.hash):
        raise RecordError(f"{after.name} does not follow from {file.name}")


def _bytes_with_heads(file: Path) -> int:
    return _size(file) + _size(file.with_name(file.name.replace("log-", "heads-", 1)))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
