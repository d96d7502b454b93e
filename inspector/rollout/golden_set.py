"""Judges a recipe's golden set with a model, and names the pieces that it decides wrongly.

The set is a manifest of pieces whose label a person vouches for. A good one must PASS and a defective one must not;
pieces without a label are ignored. A class that counted as good in the bundle's training counts as good here.
"""

from collections.abc import Iterator
from pathlib import Path

from inspector.dataset.bit_depths import demand_bit_depths
from inspector.dataset.good_class import as_trained
from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest
from inspector.dataset.received import assembled, received
from inspector.dataset.survey import survey
from inspector.inference.batching import MAX_BATCH
from inspector.inference.model import Model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision
from streams.observation import InspectionId, Observation


def golden_findings(model: Model, recipe: Recipe, manifest: Path, max_batch: int) -> Iterator[str]:
    """One line per piece decided wrongly. Raises ManifestError where the set cannot be read."""
    known = as_trained(model.schema.provenance, read_manifest(manifest))
    rows = [row for row in known if row.label != "unknown"]
    if not rows:
        raise ManifestError(
            f"{manifest}: every label is unknown, so no piece has an expected decision; label pieces of the "
            "golden set ok or nok, or take golden out of the recipe"
        )
    survey(manifest, rows)
    demand_bit_depths(rows, model.schema.modalities)
    anywhere = recipe.model_copy(update={"line": "*", "station": "*", "product": "*", "evidence": "never"})
    judge = RoutedJudge(Recipes([anywhere]), {recipe.bundle: model}, max_batch, clock_ns=lambda: 0)
    for start in range(0, len(rows), MAX_BATCH):
        batch = rows[start : start + MAX_BATCH]
        verdicts = judge.judge([_observation(manifest.parent, row, anywhere) for row in batch])
        for row, verdict in zip(batch, verdicts, strict=True):
            if (row.label == "ok") != (verdict.decision == Decision.DECISION_PASS):
                yield f"{row.piece_id} ({row.label}): {enum_word(Decision, verdict.decision)}"


def _observation(root: Path, row: PieceRow, recipe: Recipe) -> Observation:
    return assembled(received(root, row), row, recipe.assembly, InspectionId("golden", "set", row.piece_id))
