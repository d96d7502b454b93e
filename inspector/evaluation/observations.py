"""Turns a manifest's rows into observations: by a recipe as the service would, or with everything that there is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.dataset.manifest import PieceRow
from inspector.dataset.progress import Count, uncounted
from inspector.dataset.received import assembled, received
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from streams.join.whole import WholePiece
from streams.observation import Clip, InspectionId, Observation, State, from_files


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A piece with its files, before a recipe is applied."""

    row: PieceRow
    piece: WholePiece
    inspection: InspectionId

    def observed(self, recipe: Recipe, removed: str | None = None) -> Observation:
        """The observation that the service makes of it, as if `removed` had never arrived. Raises ManifestError."""
        images, sounds = dict(self.piece.images), dict(self.piece.sounds)
        for parts in (images, sounds):
            parts.pop(removed or "", None)
        row = self.row if self.row.product else self.row.model_copy(update={"product": _product(recipe)})
        fits = Recipes([recipe]).find(self.inspection.line, self.inspection.station, row.product)
        return assembled(WholePiece(images, sounds), row, None if fits is None else fits.assembly, self.inspection)


def _product(recipe: Recipe) -> str:
    """Of pieces that do not say theirs, as replay has it."""
    return "part" if recipe.product == "*" else recipe.product


def arrivals(root: Path, rows: Sequence[PieceRow], reading: Count = uncounted) -> list[Arrived]:
    """`reading` counts the pieces. Raises ManifestError, RecordingError for a file that cannot be used."""
    passes = Counter[str]()
    arrived = []
    for done, row in enumerate(rows, 1):
        inspection = InspectionId("evaluation", "files", row.piece_id, passes[row.piece_id])
        passes[row.piece_id] += 1
        arrived.append(Arrived(row, received(root, row), inspection))
        reading(done, len(rows))
    return arrived


def observe(root: Path, row: PieceRow) -> Observation:
    """Everything that there is, whole or not: for examining an expert's view, not for the service's decision."""
    piece = received(root, row)
    images = ((camera, image) for camera, shown in piece.images.items() for image in shown)
    clips = (
        Clip(sensor, sound.kind, sound.samples, sound.sample_rate_hz, State.PRESENT)
        for sensor, sound in piece.sounds.items()
        if len(sound.samples)
    )
    return from_files(InspectionId("evaluation", "files", row.piece_id), row.product, images, clips)


def without(piece: Observation, modality: str) -> Observation:
    """The same piece had this modality never arrived."""
    views = {name: view for name, view in piece.views.items() if name != modality}
    return replace(piece, views=views, clips={name: c for name, c in piece.clips.items() if name != modality})
