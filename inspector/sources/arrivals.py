"""Finds files in a folder that are complete: those whose size and time two looks in a row found equal."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MAX_FILES = 100_000
"""In the folder at once; a look takes about a second then."""


class FolderError(Exception):
    """The folder cannot be watched now; the message says why and what to do."""


class State(NamedTuple):
    """What distinguishes a file from a later one of its name."""

    size_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete file."""

    path: str
    """Below the folder, with `/`."""
    state: State


class Arrivals:
    """The files below a folder. A file counts once two looks have found it unchanged."""

    def __init__(self, folder: Path, most: int = MAX_FILES) -> None:
        self._folder, self._most = folder, most
        self._seen: dict[str, State] = {}

    def look(self) -> list[Arrival]:
        """All complete files, oldest first. Raises FolderError."""
        now = dict(self._files())
        complete = [Arrival(path, state) for path, state in now.items() if self._seen.get(path) == state]
        self._seen = now
        return sorted(complete, key=lambda arrival: (arrival.state.changed_ns, arrival.path))

    def forget(self, path: str) -> None:
        """A file that was moved away."""
        self._seen.pop(path, None)

    def _files(self) -> Iterator[tuple[str, State]]:
        for count, (path, state) in enumerate(_below(self._folder, "")):
            if count >= self._most:
                raise FolderError(
                    f"{self._folder} holds more than {self._most} files: move published ones away (--done DIR), or "
                    "name a folder with fewer"
                )
            yield path, state


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, State]]:
    """Hidden folders and links to folders are left out."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        yield from _below(folder / entry.name, f"{prefix}{entry.name}/")
                elif (state := _state(entry)) is not None:
                    yield prefix + entry.name, state
    except OSError as exc:
        raise FolderError(f"{folder} cannot be read ({exc.strerror}); correct the path or the rights on it") from exc


def _state(entry: "os.DirEntry[str]") -> State | None:
    """None: the file has gone since, or is none."""
    try:
        stat = entry.stat()
        return State(stat.st_size, stat.st_mtime_ns) if entry.is_file() else None
    except OSError:
        return None
