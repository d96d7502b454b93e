"""Keeps the recordings of judged pieces: follows the archive's verdicts, reads their inputs, stores files and rows.

Files come first, so that a crash leaves at most files that no piece needs, which the sweep removes. A full disk, a
store or a log that is away only delay this: the line does not wait for it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from inspector.archive.body import BodyError
from inspector.archive.find import Archive, NotInArchiveError
from inspector.archive.recordings.database import Candidate, Conflict, KeptFile, KeptPiece, RecordingRows
from inspector.archive.recordings.files import files_of
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.recordings.metrics import RecordingMetrics, decision_name
from inspector.archive.recordings.missing import MissingInput, Why
from inspector.archive.recordings.objects import ObjectStore, digest_of
from inspector.recipe.keep import Keep
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError

log = logging.getLogger("inspector.archive.recordings")

MAX_VERDICTS = 500
"""Verdicts that one step looks at."""
NUM_WRITERS = 8
"""Files written at once: a disk flushes eight in the time of one, and a store far away is asked eight times at once."""
MAX_PIECES, MAX_BYTES = 32, 64 * 2**20
"""Kept pieces, and bytes of their files, of one transaction; the piece that reaches a limit is the last one. After a
crash they are stored again."""


class Inputs(Protocol):
    def read(self, verdict: Verdict) -> JudgedInputs:
        """Raises LogError."""


class Keeper:
    """One thread calls `step`."""

    def __init__(
        self,
        rows: RecordingRows,
        archive: Archive,
        inputs: Inputs,
        store: ObjectStore,
        keeps: Mapping[str, Keep],
        metrics: RecordingMetrics,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`keeps` by name of the recipe; pieces of other recipes are kept by the defaults."""
        self._rows, self._archive, self._inputs, self._store = rows, archive, inputs, store
        self._keeps, self._metrics, self._clock_ns = keeps, metrics, clock_ns
        self._writers = ThreadPoolExecutor(NUM_WRITERS, "recordings-store")

    def step(self) -> bool:
        """Keeps the inputs of the next verdicts; False where there is none.

        Raises StoreError, LogError, ObjectStoreError: nothing is lost then, and the next step begins again.
        """
        before = self._rows.done_key()
        candidates = self._rows.candidates(before, MAX_VERDICTS)
        if not candidates:
            self._metrics.lag_s.set(0)
            return False
        self._metrics.lag_s.set(max(0.0, (self._clock_ns() - candidates[0].append_ns) / 1e9))
        pieces, done = self._kept(candidates)
        try:
            self._rows.keep(pieces, before, done)
        except Conflict:
            return True
        self._count(pieces)
        return True

    def close(self) -> None:
        self._writers.shutdown(cancel_futures=True)

    def _kept(self, candidates: Sequence[Candidate]) -> tuple[list[KeptPiece], int]:
        """The pieces to keep, with their files stored, and the last verdict that was looked at."""
        pieces: list[KeptPiece] = []
        writes: list[Future[str]] = []
        done = candidates[-1].key
        for candidate in candidates:
            keep = self._keeps.get(candidate.recipe, Keep())
            if keep.wants(candidate.inspection, candidate.decision):
                pieces.append(self._piece(candidate, writes))
                if len(pieces) >= MAX_PIECES or sum(piece.num_bytes for piece in pieces) >= MAX_BYTES:
                    done = candidate.key
                    break
        for write in writes:
            write.result()
        return pieces, done

    def _piece(self, candidate: Candidate, writes: list[Future[str]]) -> KeptPiece:
        """Begins to write its files, and adds these writes."""
        try:
            verdict = self._archive.verdict(candidate.key)
        except NotInArchiveError:
            return KeptPiece(candidate)
        except BodyError as error:
            return KeptPiece(candidate, (), (MissingInput("", 0, Why.UNREADABLE, str(error)),))
        try:
            judged = self._inputs.read(verdict)
            files, too_large = files_of(judged.observation)
        except LogError:
            raise
        except Exception as error:  # a verdict may hold anything, and the pieces behind it do not depend on it
            log.exception("The recordings of piece %s cannot be read, by an error of this program: they are not kept. "
                          "Please report it.", candidate.inspection)  # fmt: skip
            return KeptPiece(candidate, (), (MissingInput("", 0, Why.UNREADABLE, type(error).__name__),))
        writes += [self._writers.submit(self._store.put, file.content) for file in files]
        kept = [KeptFile.of(file, digest_of(file.content)) for file in files]
        return KeptPiece(candidate, kept, _with_kinds([*judged.missing, *too_large], verdict))

    def _count(self, pieces: Sequence[KeptPiece]) -> None:
        for piece in pieces:
            if piece.files:
                decision = decision_name(piece.candidate.decision)
                self._metrics.kept_pieces.labels(decision).inc()
                self._metrics.kept_bytes.labels(decision).inc(piece.num_bytes)
            for missing in piece.missing:
                self._metrics.missing.labels(missing.why.value).inc()


def _with_kinds(missing: Sequence[MissingInput], verdict: Verdict) -> list[MissingInput]:
    kinds = {modality.name: modality.kind for modality in verdict.modalities}
    return [replace(lost, kind=kinds.get(lost.source, "")) for lost in missing]
