"""Reads the recordings of stored pieces from the object store, and those that were not kept from the log."""

import logging
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from typing import Protocol

from inspector.archive.body import BodyError
from inspector.archive.find import Archive, NotInArchiveError
from inspector.archive.recordings.files import files_of
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.recordings.kept_inputs import MAX_FILE_BYTES, KeptInputs
from inspector.archive.recordings.objects import (
    ObjectDamagedError,
    ObjectMissingError,
    ObjectStore,
    ObjectStoreError,
)
from inspector.archive.rows import KeptRecording
from inspector.verdicts.follow import StoreError
from inspector.verdicts.records import inspection_id
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError
from streams.observation import Observation

log = logging.getLogger("inspector.web")


MAX_AT_ONCE = 4
"""Recordings that are read bit for bit at the same time: each may be large."""
WAIT_S = 5.0


class BusyError(Exception):
    """Too many recordings are being read; a later attempt succeeds."""


class LoggedInputs(Protocol):
    """Reads from the log; any thread may ask."""

    def observation(self, verdict: Verdict) -> Observation:
        """Without the recordings that the log lost. Raises LogError."""


@dataclass(frozen=True, slots=True, eq=False)
class ExactFile:
    """A recording bit for bit."""

    format: str
    """png, flac or npy."""
    content: bytes


class KeptRecordings:
    """Implements `PieceReader`. Safe for several threads."""

    def __init__(self, archive: Archive, store: ObjectStore | None, logged: LoggedInputs) -> None:
        """`store` is None where no recordings are kept."""
        self._archive, self._store, self._logged = archive, store, logged
        self._places = BoundedSemaphore(MAX_AT_ONCE)
        self._kept = None if store is None else KeptInputs(archive, store)

    def observation(self, verdict: Verdict) -> Observation:
        """The piece as it was judged, without the recordings that are gone. Raises LogError where none was kept."""
        kept = self._kept_inputs(verdict)
        if kept is not None and kept.is_whole:
            return kept.observation
        try:
            logged = self._logged.observation(verdict)
        except LogError:
            if kept is None or not _has_recordings(kept.observation):
                raise
            return kept.observation
        return logged if kept is None else _merged(kept.observation, logged)

    def file(self, key: int, verdict: Verdict, source: str, sequence: int) -> ExactFile | None:
        """One recording bit for bit; None where it is gone.

        Raises BusyError, LogError, StoreError, ObjectStoreError.
        """
        if not self._places.acquire(timeout=WAIT_S):
            raise BusyError("many recordings are being read")
        try:
            return self._file(key, verdict, source, sequence)
        finally:
            self._places.release()

    def _file(self, key: int, verdict: Verdict, source: str, sequence: int) -> ExactFile | None:
        for kept in self._archive.recordings(key):
            if (kept.source, kept.sequence) == (source, sequence) and (file := self._kept_file(kept)) is not None:
                return file
        files, _ = files_of(self._logged.observation(verdict))
        matches = (file for file in files if (file.source, file.sequence) == (source, sequence))
        return next((ExactFile(file.format, file.content) for file in matches), None)

    def close(self) -> None:
        """Archive, store and log are closed by those who opened them."""

    def _kept_inputs(self, verdict: Verdict) -> JudgedInputs | None:
        """None where the archive or the store is away."""
        if self._kept is None:
            return None
        try:
            row = self._archive.by_inspection(inspection_id(verdict.inspection))
            return None if row is None else self._kept.read_of(row.key, verdict)
        except (StoreError, ObjectStoreError, NotInArchiveError, BodyError) as error:
            log.warning("Kept recordings cannot be read (%s); those of the log are shown.", error)
            return None

    def _kept_file(self, kept: KeptRecording) -> ExactFile | None:
        if kept.sha256 is None or self._store is None:
            return None
        try:
            content = self._store.get(kept.sha256, MAX_FILE_BYTES)
        except (ObjectMissingError, ObjectDamagedError) as error:
            log.warning("A kept recording cannot be read (%s); that of the log is sent.", error)
            return None
        return ExactFile(kept.format, content)


def _has_recordings(piece: Observation) -> bool:
    return any(view.images for view in piece.views.values()) or any(
        clip.samples is not None for clip in piece.clips.values()
    )


def _merged(kept: Observation, logged: Observation) -> Observation:
    """Of each camera and sensor what was kept, where the log does not have more."""
    views = {
        name: view
        for name, view in kept.views.items()
        if name not in logged.views or len(view.images) >= len(logged.views[name].images)
    }
    clips = {name: clip for name, clip in kept.clips.items() if name not in logged.clips or clip.samples is not None}
    return replace(kept, views={**logged.views, **views}, clips={**logged.clips, **clips})
