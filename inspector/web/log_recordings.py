"""Reads the recordings of a judged piece straight from the log, for pieces that are too new for the archive."""

from collections.abc import Callable

from inspector.archive.recordings.inputs import InputReader
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError
from streams.observation import Observation


class LogRecordings:
    """Implements `PieceReader`. Opens its reader at the first use, in the thread that uses it."""

    def __init__(self, open_reader: Callable[[], InputReader]) -> None:
        self._open = open_reader
        self._reader: InputReader | None = None

    def observation(self, verdict: Verdict) -> Observation:
        """Raises LogError; the next call opens the log again."""
        reader = self._open() if self._reader is None else self._reader
        try:
            observation = reader.read(verdict).observation
        except LogError:
            self._reader = None
            reader.close()
            raise
        self._reader = reader
        return observation

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
