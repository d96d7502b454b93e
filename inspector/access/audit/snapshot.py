"""The files of an audit log as they stand together at one moment, while services go on writing."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from inspector.access.audit.files import HEADS_FILE, LOCK_FILE, LOG_FILE
from inspector.access.audit.record import MAX_LINE_BYTES
from inspector.access.audit.segments import closed_files
from inspector.access.file_lock import locked

Line = tuple[str, int, bytes]
"""File name, number of the line in it from 1, and the line with its end."""


@dataclass(frozen=True, slots=True)
class _Growing:
    """A file that grows, up to its size at the moment. It keeps its content when it is renamed."""

    name: str
    file: BufferedReader
    size: int


class Snapshot:
    """Reads records and heads. Closed files never change and are opened one at a time."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        """Raises OSError."""
        self._closed = {name: closed_files(folder, name) for name in (LOG_FILE, HEADS_FILE)}
        self._growing = {name: _opened(folder / name, files) for name in (LOG_FILE, HEADS_FILE)}

    def records(self) -> Iterator[Line]:
        """Raises OSError."""
        return self._lines(LOG_FILE)

    def heads(self) -> Iterator[Line]:
        """Raises OSError."""
        return self._lines(HEADS_FILE)

    def _lines(self, name: str) -> Iterator[Line]:
        for path in self._closed[name]:
            with path.open("rb") as file:
                yield from _numbered(_Growing(path.name, file, path.stat().st_size))
        if (growing := self._growing[name]) is not None:
            yield from _numbered(growing)


@contextmanager
def snapshot(folder: Path) -> Iterator[Snapshot]:
    """Takes the log's lock for the moment where this user may. Raises OSError."""
    with ExitStack() as files:
        with ExitStack() as moment:
            if os.access(folder / LOCK_FILE, os.R_OK | os.W_OK):
                moment.enter_context(locked(folder / LOCK_FILE))
            together = Snapshot(folder, files)
        yield together


def _opened(path: Path, files: ExitStack) -> _Growing | None:
    if not path.exists():
        return None
    file = files.enter_context(path.open("rb"))
    return _Growing(path.name, file, os.fstat(file.fileno()).st_size)


def _numbered(growing: _Growing) -> Iterator[Line]:
    growing.file.seek(0)
    left, number = growing.size, 0
    while line := growing.file.readline(min(left, MAX_LINE_BYTES)):
        left, number = left - len(line), number + 1
        yield growing.name, number, line
