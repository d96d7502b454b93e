"""Reads and appends lines of the audit log's files."""

import os
from collections.abc import Iterator
from pathlib import Path

from inspector.access.audit.record import MAX_LINE_BYTES
from inspector.access.durable_files import sync_folder

LOG_FILE, HEADS_FILE, LOCK_FILE = "log.jsonl", "heads.jsonl", "lock"
_USUAL_BYTES = 16 * 2**10
"""Holds the last two records but for the largest."""


def append_line(file: Path, line: bytes) -> None:
    """Returns once the line is on disk, and the file's name, too. A line that was written in part is taken back.
    Raises OSError."""
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, line)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(file.parent)


def last_line(file: Path) -> bytes:
    """The last whole line with its end; empty without one. Raises OSError."""
    whole, _, _ = _tail(file).rpartition(b"\n")
    return whole.rpartition(b"\n")[2] + b"\n" if whole else b""


def torn_bytes(file: Path) -> int:
    """Bytes after the last whole line. Raises OSError."""
    return len(_tail(file).rpartition(b"\n")[2])


def cut_torn(file: Path) -> None:
    """Cuts off what follows the last whole line: the rest of a crash. Raises OSError."""
    if torn := torn_bytes(file):
        os.truncate(file, file.stat().st_size - torn)


def last_place(file: Path) -> tuple[int, bytes]:
    """Where the last whole line ends, in bytes, and the line; 0 without one. Raises OSError."""
    size = file.stat().st_size if file.exists() else 0
    return size - torn_bytes(file), last_line(file)


def holds(file: Path, end: int, line: bytes) -> bool:
    """Whether the line still ends at that byte. Raises OSError."""
    if not file.exists():
        return not line
    with file.open("rb") as opened:
        opened.seek(end - len(line))
        return opened.read(len(line)) == line


def lines_of(file: Path) -> Iterator[bytes]:
    """All lines with their ends, the last one possibly without; at most `MAX_LINE_BYTES` of each. Raises OSError."""
    with file.open("rb") as opened:
        while line := opened.readline(MAX_LINE_BYTES):
            yield line


def _tail(file: Path) -> bytes:
    """The end of the file with at least one whole line, if it has one."""
    if not file.exists():
        return b""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        for length in (_USUAL_BYTES, 2 * MAX_LINE_BYTES):
            opened.seek(max(0, size - length))
            tail = opened.read(length)
            if tail.count(b"\n") > 1:
                break
    return tail


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
