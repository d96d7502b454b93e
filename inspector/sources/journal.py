"""Remembers which files were published, so that a restart publishes each file once.

One JSON array a line: `["begin", piece, entry_ns]` before a piece is published, `["file", path, size, changed_ns]` for
each of its files and `["done", piece]` when the log has it for good.
"""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from inspector.sources.arrivals import Arrival, State

log = logging.getLogger("inspector.sources")
NAME = ".inspector-published.jsonl"
MAX_LINE = 4096


class JournalError(Exception):
    """The journal cannot be kept; the message says why and what to do."""


class Journal:
    """The journal of one folder. One process writes it."""

    def __init__(self, path: Path, folder: Path) -> None:
        """Files that are no longer in `folder` are forgotten, so that the journal stays as small as the folder. Raises
        JournalError."""
        self.path = path
        self._files: dict[str, State] = {}
        self.begun: dict[str, int] = {}
        """Pieces that an earlier run began and did not finish: when they entered. Their files are not noted yet."""
        try:
            self._read()
            self._files = {name: state for name, state in self._files.items() if (folder / name).exists()}
            self._write_anew()
            self._file: TextIO = path.open("a", encoding="utf-8")
        except OSError as exc:
            raise JournalError(
                f"{path} cannot be written ({exc.strerror}): give this user the right to, or name another file with "
                "--journal"
            ) from exc

    def __len__(self) -> int:
        """Number of files in it."""
        return len(self._files)

    def has(self, arrival: Arrival) -> bool:
        """Whether this state of the file was published; a file written anew is a new one."""
        return self._files.get(arrival.path) == arrival.state

    def begin(self, piece: str, entry_ns: int) -> None:
        self._append([["begin", piece, entry_ns]])

    def done(self, piece: str, arrivals: Sequence[Arrival]) -> None:
        """The piece is durable in the log, or can never be."""
        files = [["file", arrival.path, *arrival.state] for arrival in arrivals]
        self._append([*files, ["done", piece]])
        self._files.update((arrival.path, arrival.state) for arrival in arrivals)
        self.begun.pop(piece, None)

    def forget(self, path: str) -> None:
        """A file that was moved away; its line goes with the next start."""
        self._files.pop(path, None)

    def close(self) -> None:
        self._file.close()

    def _append(self, rows: Sequence[Sequence[object]]) -> None:
        try:
            self._file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise JournalError(f"{self.path} cannot be written ({exc.strerror}): free space on its disk") from exc

    def _read(self) -> None:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            while line := file.readline(MAX_LINE):
                self._take(line)

    def _take(self, line: str) -> None:
        """The last line may be cut: the power failed while it was written."""
        try:
            match json.loads(line):
                case ["begin", str(piece), int(entry_ns)]:
                    self.begun[piece] = entry_ns
                case ["file", str(name), int(size), int(changed_ns)]:
                    self._files[name] = State(size, changed_ns)
                case ["done", str(piece)]:
                    self.begun.pop(piece, None)
        except ValueError:
            log.warning("%s: a line cannot be read and is ignored: %.80r", self.path, line)

    def _write_anew(self) -> None:
        rows: list[list[object]] = [["file", name, *state] for name, state in self._files.items()]
        rows += [["begin", piece, entry_ns] for piece, entry_ns in self.begun.items()]
        fresh = self.path.with_name(self.path.name + ".part")
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
