"""Runs a parity set through a model and counts what it decides otherwise than the oracle. Refuses nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass

from inspector.model import Model
from inspector.parity.archive import ParitySet
from inspector.parity.judging import MAX_BATCH, judge
from inspector.parity.report import Change, ParityReport


def _silent(done: int, total: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    max_batch: int = MAX_BATCH
    """Pieces judged at once, and images or clips per run of an expert."""
    progress: Callable[[int, int], None] = _silent
    """Called after each batch with the pieces done and all; what it raises ends the check."""


def check(model: Model, pieces: ParitySet, settings: GateSettings | None = None) -> ParityReport:
    """Raises ParityError for a recording that cannot be read; a graph that fails is a decision like any other."""
    settings = settings or GateSettings()
    changes: list[Change] = []
    for start in range(0, len(pieces.pieces), settings.max_batch):
        batch = pieces.pieces[start : start + settings.max_batch]
        judged = judge(model, pieces.observations(batch), settings.max_batch)
        for piece, (found, _) in zip(batch, judged, strict=True):
            changes.append(Change(piece_id=piece.piece_id, label=piece.label, expected=piece.said, found=found))
        settings.progress(start + len(batch), len(pieces.pieces))
    return ParityReport(
        bundle=f"{model.schema.name} {model.schema.version}",
        engine=model.engine,
        num_pieces=len(pieces.pieces),
        num_calibration=pieces.about.num_calibration,
        max_difference=max(change.difference for change in changes),
        changes=tuple(change for change in changes if change.flips or change.rerouted),
    )
