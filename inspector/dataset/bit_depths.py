"""Reads each camera's bit depth from a manifest, and compares it with the bundle's."""

from collections.abc import Iterable, Sequence

from inspector.bundle.schema import Modality
from inspector.dataset.manifest import ManifestError, PieceRow
from streams.join.assembly import BitDepth


def bit_depths(rows: Iterable[PieceRow]) -> dict[str, BitDepth | None]:
    """By camera. Raises ManifestError where one camera has several."""
    depths: dict[str, BitDepth | None] = {}
    for row in rows:
        for image in row.images:
            if depths.setdefault(image.camera, image.bit_depth) != image.bit_depth:
                raise ManifestError(
                    f"camera {image.camera} has bit_depth {image.bit_depth} in piece {row.piece_id} and "
                    f"{depths[image.camera]} in others; a camera has one: give it in every image row, or in none"
                )
    return depths


def demand_bit_depths(rows: Iterable[PieceRow], modalities: Sequence[Modality]) -> None:
    """Raises ManifestError where a bundle was trained on another bit depth than the rows have.

    A bundle without one was trained on images at full scale, to which any camera's bit depth scales its images.
    """
    depths = bit_depths(rows)
    for modality in modalities:
        here = depths.get(modality.name, modality.bit_depth)
        if modality.bit_depth not in (None, here):
            raise ManifestError(
                f"camera {modality.name} has bit_depth {here} in the manifest and {modality.bit_depth} in the bundle; "
                f'write "bit_depth": {modality.bit_depth} into its image rows, or train for this camera'
            )
