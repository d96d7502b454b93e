"""What a training configuration asks of a manifest: experts and cameras that exist, pictures that fit a region.

A training refuses the same; `inspector data check --config` says all of it before.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from inspector.bundle.schema import Modality
from inspector.dataset.cameras import row_size
from inspector.dataset.files import read_row_image
from inspector.dataset.findings import Finding, Severity
from inspector.dataset.manifest import ManifestError, PieceRow
from inspector.dataset.progress import Progress, silent
from inspector.framing.framer import Framer, framers
from inspector.framing.refusal import Refusal
from inspector.framing.visible import TilingError, tiling
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.framed import with_framings

_STAGE = "regions"


def modality_named(name: str, modalities: Sequence[Modality]) -> Modality:
    """Raises ManifestError."""
    match = next((modality for modality in modalities if modality.name == name), None)
    if match is None:
        known = ", ".join(modality.name for modality in modalities)
        raise ManifestError(f"an expert uses {name!r}, but the manifest has {known}: correct the configuration")
    return match


def require_experts_for_all(experts: Sequence[ExpertConfig], modalities: Sequence[Modality]) -> None:
    """Raises ManifestError unless each of the modalities has an expert that can read it, and no other is named."""
    for expert in experts:
        kind = modality_named(expert.modality, modalities).kind
        if (expert.type == "image") != (kind == "image"):
            raise ManifestError(
                f"expert {expert.name!r} reads {'images' if expert.type == 'image' else 'a signal'}, and "
                f"{expert.modality} is a {'camera' if kind == 'image' else 'sensor'}: correct its type or its modality"
            )
    named = {expert.modality for expert in experts}
    unseen = [modality.name for modality in modalities if modality.name not in named]
    if unseen:
        raise ManifestError(
            f"no expert of the configuration uses {', '.join(unseen)}, and no piece passes with an unexamined "
            "modality: add an expert for it, or leave it out of the manifest"
        )


def config_findings(
    manifest: Path,
    rows: Sequence[PieceRow],
    modalities: Sequence[Modality],
    config: TrainConfig,
    progress: Progress = silent,
) -> Iterator[Finding]:
    """What a training by this configuration refuses. Places every picture of a camera that has a region."""
    if config.experts:
        try:
            require_experts_for_all(config.experts, modalities)
        except ManifestError as exc:
            yield _error(str(exc))
    for camera, table in config.cameras.items():
        try:
            framed = with_framings(manifest, rows, modalities, {camera: table})
            modality = modality_named(camera, framed)
            if table.tiles is not None:
                tiling(_judged_px(manifest.parent, rows, modality), table.tiles)
        except (ManifestError, TilingError) as exc:
            yield _error(f"[cameras.{camera}]: {exc}")
        else:
            yield from _refused(manifest.parent, rows, modality, progress)


def _error(text: str) -> Finding:
    return Finding("config", text, severity="error")


def _judged_px(root: Path, rows: Sequence[PieceRow], modality: Modality) -> tuple[int, int]:
    """Width and height of the region, or of the largest picture. Raises ManifestError."""
    if modality.framing is not None:
        return Framer(modality.framing).size_px
    sizes = [row_size(root, image) for row in rows for image in row.images if image.camera == modality.name]
    heights, widths = zip(*sizes, strict=True)
    return max(widths), max(heights)


def _refused(root: Path, rows: Sequence[PieceRow], modality: Modality, progress: Progress) -> Iterator[Finding]:
    """Pictures that cannot be aligned: an error where training reads them."""
    framer = framers([modality]).get(modality.name)
    if framer is None:
        return
    images = {image: row for row in rows for image in row.images if image.camera == modality.name}
    for done, (image, row) in enumerate(images.items(), 1):
        try:
            placement = framer.place(read_row_image(root, image))
        except ManifestError:
            continue  # it is a finding already
        if isinstance(placement, Refusal):
            text = f"{image.path}: {placement.detail}: leave the piece out, or correct region and align"
            severity: Severity = "warning" if row.split == "test" else "error"
            yield Finding("recordings", text, (row.piece_id,), severity)
        progress(_STAGE, done, len(images))
