"""Opens the parts of the embedded log: publisher, tail, source, sink."""

from collections.abc import Sequence
from pathlib import Path

from streams.embedded.file import identity
from streams.embedded.lease import Group, StartAt
from streams.embedded.reader import EmbeddedReader
from streams.embedded.retention import Retention
from streams.embedded.settings import EmbeddedSettings
from streams.embedded.sink import EmbeddedPublisher, EmbeddedSink
from streams.embedded.source import EmbeddedSource
from streams.embedded.store import Store
from streams.embedded.tail import EmbeddedTail
from streams.log import LogError, Start, Step, no_step
from streams.records import CONTROL_KIND


class EmbeddedLog:
    """One SQLite file as a log; any number of processes may open it. Raises LogError for the file of another
    program."""

    def __init__(self, path: Path, settings: EmbeddedSettings | None = None) -> None:
        self._path = path
        self._settings = EmbeddedSettings() if settings is None else settings
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise LogError(
                f"{path}: cannot create its folder ({exc.strerror}): create {path.parent}, or choose another path"
            ) from exc
        Store(path, self._settings).close()
        self._identity = identity([path])

    def publisher(self) -> EmbeddedPublisher:
        store = self._open()
        return EmbeddedPublisher(store, Retention(store, self._settings), self._settings.busy_s)

    def tail(self, start: Start) -> EmbeddedTail:
        """Raises TokenExpiredError, TokenInvalidError."""
        return self._follow("verdicts", start)

    def dead_letters(self, start: Start) -> EmbeddedTail:
        return self._follow("dead-letters", start)

    def shadow(self, start: Start) -> EmbeddedTail:
        return self._follow("shadow", start)

    def feedback(self, start: Start) -> EmbeddedTail:
        return self._follow("feedback", start)

    def control(self, start: Start) -> EmbeddedTail:
        return self._follow(CONTROL_KIND, start)

    def reader(self) -> EmbeddedReader:
        return EmbeddedReader(self._open())

    def _follow(self, kind: str, start: Start) -> EmbeddedTail:
        store = self._open()
        try:
            return EmbeddedTail(store, self._settings, start, kind)
        except BaseException:
            store.close()
            raise

    def source(
        self, lines: Sequence[str], prefix: str, owner: str, *, start_at: StartAt = "earliest"
    ) -> EmbeddedSource:
        """Input of these lines for the worker `owner`; a worker that restarts under its name takes over at once."""
        return EmbeddedSource(self._open(), self._settings, Group(tuple(lines), prefix, owner, start_at))

    def sink(self, step: Step = no_step) -> EmbeddedSink:
        store = self._open()
        return EmbeddedSink(store, Retention(store, self._settings), step)

    def close(self) -> None:
        """Does nothing: every part closes its own connection."""

    def _open(self) -> Store:
        return Store(self._path, self._settings, self._identity)
