"""Reads recordings as the line's experts see them: pictures aligned, cut to their region, hidden outside of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from inspector.bundle.framing import Framing
from inspector.bundle.schema import Modality
from inspector.dataset.cameras import row_size
from inspector.dataset.files import Recording, read_source
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow
from inspector.dataset.recordings import Clip
from inspector.framing.framer import Framer, framers
from inspector.framing.placement import Placement
from inspector.framing.refusal import Refusal
from inspector.framing.resolve import FramingError, resolved
from inspector.framing.tables import CameraFraming

Framings = Mapping[str, CameraFraming | Framing]
"""By camera: as a configuration says it, or as a bundle has it."""
MEMORY_SHARE = 0.5
"""Of the machine's memory that the recordings of one modality and split may take, as they are decoded."""
_MAX_LISTED = 20


class Framed(NamedTuple):
    recording: Recording
    placement: Placement | None


class FramedReader:
    """Reads the recordings of one modality one by one; lists those that cannot be framed, all at once."""

    def __init__(self, root: Path, modality: Modality, max_bytes: int | None = None) -> None:
        self._root, self._name = root, modality.name
        self._framer = framers([modality]).get(modality.name)
        self._max_bytes = memory_bytes() if max_bytes is None else max_bytes
        self._bytes = 0
        self._refused: list[str] = []

    @property
    def framer(self) -> Framer | None:
        return self._framer

    def read(self, source: ImageRow | SignalRow) -> Framed | None:
        """None for a picture that cannot be framed. Raises ManifestError, RecordingError."""
        recording = read_source(self._root, source)
        if isinstance(recording, Clip) or self._framer is None:
            return self._held(Framed(recording, None))
        placement = self._framer.place(recording)
        if isinstance(placement, Refusal):
            self._refused.append(f"{self._root / source.path}: {placement.detail}")
            return None
        return self._held(Framed(self._framer.cut(recording, placement), placement))

    def refuse(self) -> None:
        """Raises ManifestError that names the pictures that could not be framed."""
        if self._refused:
            more = len(self._refused) - _MAX_LISTED
            raise ManifestError(
                "\n".join(self._refused[:_MAX_LISTED])
                + (f"\n{more} more" if more > 0 else "")
                + f"\ncamera {self._name}: {len(self._refused)} pictures cannot be framed: leave their pieces out of "
                "the manifest, or correct region and align in the configuration"
            )

    def _held(self, framed: Framed) -> Framed:
        """Raises ManifestError before the machine runs out of memory."""
        recording = framed.recording
        self._bytes += (recording.samples if isinstance(recording, Clip) else recording).nbytes
        if self._bytes > self._max_bytes:
            raise ManifestError(
                f"{self._name}: the recordings of one split take over {self._max_bytes / 2**30:.1f} GiB of memory: "
                "give fewer pieces, a smaller region, or smaller pictures"
            )
        return framed


def memory_bytes() -> int:
    """The share of this machine's memory that recordings may take."""
    return int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def with_framings(
    manifest: Path, rows: Sequence[PieceRow], modalities: Sequence[Modality], cameras: Framings
) -> tuple[Modality, ...]:
    """The modalities with what the configuration says of their pictures. Raises ManifestError."""
    known = [modality.name for modality in modalities if modality.kind == "image"]
    for name in cameras:
        if name not in known:
            raise ManifestError(
                f"the configuration has a table [cameras.{name}], and the cameras of {manifest} are "
                f"{', '.join(known) or 'none'}: correct its name"
            )
    return tuple(_with_framing(manifest, rows, modality, cameras.get(modality.name)) for modality in modalities)


def _with_framing(
    manifest: Path, rows: Sequence[PieceRow], modality: Modality, camera: CameraFraming | Framing | None
) -> Modality:
    if camera is None or (isinstance(camera, CameraFraming) and not camera.is_framed):
        return modality
    if isinstance(camera, Framing):
        return modality.model_copy(update={"framing": camera})
    try:
        framing = resolved(camera, _one_size(manifest, rows, modality.name), modality.bit_depth)
    except FramingError as exc:
        raise ManifestError(f"camera {modality.name}: {exc}") from exc
    return modality.model_copy(update={"framing": framing})


def _one_size(manifest: Path, rows: Sequence[PieceRow], camera: str) -> tuple[int, int]:
    """Width and height of all pictures of a camera."""
    sizes: dict[tuple[int, int], str] = {}
    for image in dict.fromkeys(image for row in rows for image in row.images if image.camera == camera):
        height, width = row_size(manifest.parent, image)
        sizes.setdefault((width, height), image.path)
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height} px ({path})" for (width, height), path in list(sizes.items())[:5])
        raise ManifestError(
            f"camera {camera}: region, mask and align belong to pictures of one size, and {manifest} has {listed}: "
            "leave out the others, or name them another camera"
        )
    return next(iter(sizes))


def framings_of(modalities: Sequence[Modality]) -> dict[str, Framing]:
    """Of a trained bundle's cameras."""
    return {modality.name: modality.framing for modality in modalities if modality.framing is not None}
