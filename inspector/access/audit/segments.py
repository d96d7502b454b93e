"""The files that a log is split into: `log.jsonl`, which grows, and closed ones, each named after its last record.

`log-000000000420.jsonl` ends with record 420, and `heads-000000000420.jsonl` holds the heads of its records. Each
segment but the first begins with a record `audit.segment`, so records removed from the beginning of a segment show.
Closed files may be moved away, oldest first.
"""

import errno
import os
from collections import deque
from pathlib import Path

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, append_line, cut_torn, last_line, lines_of
from inspector.access.audit.record import Head, RecordError, parsed
from inspector.access.durable_files import sync_folder

SEGMENT = "audit.segment"
"""Action of the record that begins a segment; its target is the name of the file before."""


def closed_files(folder: Path, name: str = LOG_FILE) -> list[Path]:
    """Oldest first; `name` is that of the file that grows. Raises OSError."""
    stem = name.partition(".")[0] + "-"
    return sorted(
        file for file in folder.glob(f"{stem}*.jsonl") if file.stem.removeprefix(stem).isdecimal() and file.is_file()
    )


def newest_file(folder: Path) -> Path:
    """The file that holds the newest record; the one that grows where there is none. Raises OSError."""
    growing = folder / LOG_FILE
    return growing if last_line(growing) else [growing, *closed_files(folder)][-1]


def newest_line(folder: Path, name: str = LOG_FILE) -> bytes:
    """The last whole line of the file that grows, or while it is exchanged for a new one, of the newest closed one;
    empty without one. Raises OSError."""
    if line := last_line(folder / name):
        return line
    closed = closed_files(folder, name)
    return last_line(closed[-1]) if closed else b""


def closed_name(name: str, last: int) -> str:
    return f"{name.partition('.')[0]}-{last:012d}.jsonl"


def close_segment(folder: Path, head: Head) -> None:
    """Gives the growing files the name of their last record, and begins the next heads with `head`, which is that
    record's. Does what is left of it after a crash. Raises OSError."""
    if last_line(folder / LOG_FILE):
        _rename(folder, LOG_FILE, head.number)
    if not (folder / closed_name(HEADS_FILE, head.number)).exists() and (folder / HEADS_FILE).exists():
        cut_torn(folder / HEADS_FILE)
        _rename(folder, HEADS_FILE, head.number)
    if not last_line(folder / HEADS_FILE):
        append_line(folder / HEADS_FILE, head.line)


def file_of(folder: Path, number: int) -> Path:
    """The closed file that holds record `number`, or the first after it; else the growing one. Raises OSError."""
    name = closed_name(LOG_FILE, number)
    return next((file for file in closed_files(folder) if file.name >= name), folder / LOG_FILE)


def begins_after(file: Path, number: int) -> bool:
    """Whether the file is a segment that begins after record `number`, so that older ones were moved away. Raises
    OSError."""
    try:
        with file.open("rb") as opened:
            record, _ = parsed(opened.readline())
    except (FileNotFoundError, RecordError):
        return False
    return record.action == SEGMENT and record.number > number


def last_lines(folder: Path, count: int) -> list[bytes]:
    """Of the last `count` records, oldest first. Raises OSError."""
    lines: list[bytes] = []
    for file in reversed([*closed_files(folder), folder / LOG_FILE]):
        if file.exists() and len(lines) < count:
            lines[:0] = deque(lines_of(file), maxlen=count - len(lines))
    return lines


def _rename(folder: Path, name: str, last: int) -> None:
    target = folder / closed_name(name, last)
    if target.exists():
        raise FileExistsError(errno.EEXIST, f"{target.name} exists already: keep it, and run `inspector audit verify`")
    os.rename(folder / name, target)
    sync_folder(folder)
