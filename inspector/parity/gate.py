"""Runs a parity set through a model and counts the decisions that differ from the oracle's. Refuses nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass

from inspector.inference.batching import MAX_BATCH
from inspector.inference.model import Model
from inspector.parity.archive import ParitySet
from inspector.parity.evaluate import by_recipe, judge
from inspector.parity.report import Change, ParityReport
from inspector.parity.schema import Piece, Prediction
from inspector.recipe.recipe import Recipe


def _silent(done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    recipe: Recipe | None = None
    """Its limits decide both sides; None: the bundle's own. Routes always follow the bundle's own."""
    max_batch: int = MAX_BATCH
    """Pieces judged at once, and images or clips per run of an expert."""
    progress: Callable[[int, int], None] = _silent
    """Called after each batch with the pieces done and in total; an exception from it ends the check."""


def check(model: Model, pieces: ParitySet, settings: GateSettings | None = None) -> ParityReport:
    """Raises ParityError for a recording that cannot be read; a graph that fails is a decision like any other."""
    settings = settings or GateSettings()
    changes: list[Change] = []
    for start in range(0, len(pieces.pieces), settings.max_batch):
        batch = pieces.pieces[start : start + settings.max_batch]
        judged = judge(model, pieces.observations(batch), settings.max_batch)
        changes += [
            _change(model, piece, judgement.prediction, settings)
            for piece, judgement in zip(batch, judged, strict=True)
        ]
        settings.progress(start + len(batch), len(pieces.pieces))
    return ParityReport(
        bundle=f"{model.schema.name} {model.schema.version}",
        engine=model.engine,
        num_pieces=len(pieces.pieces),
        num_calibration=pieces.about.num_calibration,
        max_difference=max(change.difference for change in changes),
        changes=tuple(change for change in changes if change.flips or change.rerouted),
    )


def _change(model: Model, piece: Piece, actual: Prediction, settings: GateSettings) -> Change:
    expected, recipe = piece.expected, settings.recipe
    if recipe is not None:
        expected, actual = (by_recipe(model, recipe, piece.modalities, prediction) for prediction in (expected, actual))
    return Change(piece_id=piece.piece_id, label=piece.label, expected=expected, found=actual)
