"""Has a model judge a recipe's golden set, and names the pieces that it decides wrongly. Knows no deployment.

The set is a manifest of pieces whose label a person vouches for. A good one must PASS and a defective one must not;
pieces without a label say nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inspector.dataset.recordings import Recording
from inspector.manifest import ManifestError, read_manifest
from inspector.model import Model
from inspector.recipe.book import Recipes
from inspector.recipe.model import Recipe
from inspector.replay.pieces import LinePiece, ManifestPieces
from inspector.routed_judge import RoutedJudge
from protos.inspection.v1.records_pb2 import ImagePixels
from protos.inspection.v1.verdict_pb2 import Decision
from streams.images import decode_pixels
from streams.limits import Limits
from streams.observation import Clip, InspectionId, Observation, State, from_files

FULL_SCALE = np.float32(32768.0)
_BATCH = 16
"""Pieces held in memory at once."""


def golden_findings(model: Model, recipe: Recipe, manifest: Path, max_batch: int) -> Iterator[str]:
    """One line per piece decided wrongly. Raises ManifestError, RecordingError, Finding for what cannot be read."""
    rows = [row for row in read_manifest(manifest) if row.label != "unknown"]
    if not rows:
        raise ManifestError(
            f"{manifest}: every label is unknown, so that no piece says how it must be decided; label pieces of the "
            "golden set ok or nok, or take golden out of the recipe"
        )
    pieces = ManifestPieces(manifest.parent, rows)
    anywhere = recipe.model_copy(update={"line": "*", "station": "*", "product": "*", "evidence": "never"})
    judge = RoutedJudge(Recipes([anywhere]), {recipe.bundle: model}, max_batch, clock_ns=lambda: 0)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        verdicts = judge.judge([_observation(pieces.piece(start + number)) for number in range(len(batch))])
        for row, verdict in zip(batch, verdicts, strict=True):
            if (row.label == "ok") != (verdict.decision == Decision.DECISION_PASS):
                said = Decision.Name(verdict.decision).removeprefix("DECISION_")
                yield f"{row.piece_id} ({row.label}): {said}"


def _observation(piece: LinePiece) -> Observation:
    pixels = ((shot.camera, ImagePixels(format=shot.format, data=shot.data)) for shot in piece.shots)
    images = ((camera, decode_pixels(found, Limits())) for camera, found in pixels)
    clips = (_clip(sensor, recording) for sensor, recording in piece.recordings.items())
    return from_files(InspectionId("golden", "set", piece.piece_id), piece.product, images, clips)


def _clip(sensor: str, recording: Recording) -> Clip:
    samples = recording.samples
    whole = samples.astype(np.float32) / FULL_SCALE if samples.dtype == np.int16 else samples.astype(np.float32)
    return Clip(sensor, "audio", whole, recording.sample_rate_hz, State.PRESENT)
