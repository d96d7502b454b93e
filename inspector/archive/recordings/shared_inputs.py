"""Reads judged records for several threads."""

from collections.abc import Callable
from threading import Lock

from inspector.archive.recordings.inputs import InputReader, JudgedInputs
from protos.inspection.v1 import verdict_pb2 as pb
from streams.log import LogError
from streams.observation import Observation


class SharedInputs:
    """An `InputReader` for several threads, which take turns; opened at the first use."""

    def __init__(self, open_reader: Callable[[], InputReader]) -> None:
        self._open_reader, self._turn = open_reader, Lock()
        self._reader: InputReader | None = None

    def read(self, verdict: pb.Verdict) -> JudgedInputs:
        """Raises LogError; the next call opens a new reader then."""
        with self._turn:
            try:
                self._reader = self._reader or self._open_reader()
                return self._reader.read(verdict)
            except LogError:
                self._end()
                raise

    def observation(self, verdict: pb.Verdict) -> Observation:
        """The observation that was judged, without the recordings that the log lost. Raises LogError."""
        return self.read(verdict).observation

    def close(self) -> None:
        with self._turn:
            self._end()

    def _end(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
