"""Turns a manifest or the synthetic line into pieces ready to publish."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from inspector.dataset.files import layout_of, row_pixels
from inspector.dataset.good_class import as_trained
from inspector.dataset.manifest import Label, PieceRow
from inspector.dataset.recordings import Recording, read_recording
from inspector.simulation.dataset import CAMERA, MICROPHONE, Only, shown_defects
from inspector.simulation.pieces import LineSettings, simulate_piece
from inspector.simulation.sound import SAMPLE_RATE_HZ
from protos.inspection.v1.records_pb2 import PixelFormat


@dataclass(frozen=True, slots=True)
class Shot:
    """One image file as it is, or raw pixels with their width and height."""

    camera: str
    sequence: int
    format: PixelFormat
    data: bytes
    width_px: int = 0
    height_px: int = 0


@dataclass(frozen=True, slots=True)
class LinePiece:
    """One piece with all its recordings, and the truth about it."""

    piece_id: str
    shots: tuple[Shot, ...]
    recordings: Mapping[str, Recording]
    """By sensor; a sensor without one was silent."""
    label: Label
    product: str = ""
    defects: tuple[str, ...] = ()
    modality_labels: Mapping[str, Label] = field(default_factory=dict)


Provenance = Mapping[str, str | int | float]
"""Of a bundle."""


class PieceSource(Protocol):
    """Pieces by number, made or read when requested."""

    def __len__(self) -> int: ...

    def piece(self, number: int) -> LinePiece: ...

    @property
    def modalities(self) -> frozenset[str]:
        """Names of all cameras and sensors."""

    def as_trained(self, provenance: Provenance) -> "PieceSource":
        """With the classes as good that counted as good in a bundle's training."""


class ManifestPieces:
    """Pieces of a data set, read from their files. Raises ManifestError, RecordingError."""

    def __init__(self, folder: Path, rows: Sequence[PieceRow]) -> None:
        self._folder, self._rows = folder, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def modalities(self) -> frozenset[str]:
        cameras = {image.camera for row in self._rows for image in row.images}
        return frozenset(cameras | {signal.sensor for row in self._rows for signal in row.signals})

    def as_trained(self, provenance: Provenance) -> "ManifestPieces":
        return ManifestPieces(self._folder, as_trained(provenance, self._rows))

    def piece(self, number: int) -> LinePiece:
        row = self._rows[number]
        recordings = {
            signal.sensor: read_recording(
                self._folder / signal.path, signal.sample_rate_hz, signal.kind, layout_of(signal)
            )
            for signal in row.signals
        }
        return LinePiece(
            row.piece_id, self._shots(row), recordings, row.label, row.product, row.defects, row.modality_labels
        )

    def _shots(self, row: PieceRow) -> tuple[Shot, ...]:
        count: dict[str, int] = {}
        shots = []
        for image in row.images:
            pixels = row_pixels(self._folder, image)
            sequence = count.get(image.camera, 0)
            count[image.camera] = sequence + 1
            shots.append(Shot(image.camera, sequence, pixels.format, pixels.data, pixels.width_px, pixels.height_px))
        return tuple(shots)


class SimulatedPieces:
    """Pieces of the synthetic line; with `only`, of one that has no other source."""

    def __init__(self, settings: LineSettings, num_pieces: int, first: int = 0, only: Only | None = None) -> None:
        self._settings, self._num_pieces, self._first = settings, num_pieces, first
        self._only = only

    def __len__(self) -> int:
        return self._num_pieces

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset((CAMERA, MICROPHONE) if self._only is None else (self._only,))

    def as_trained(self, provenance: Provenance) -> "SimulatedPieces":
        return self

    def piece(self, number: int) -> LinePiece:
        simulated = simulate_piece(self._settings, self._first + number)
        pngs = simulated.pngs if CAMERA in self.modalities else ()
        shots = tuple(Shot(CAMERA, n, PixelFormat.PIXEL_FORMAT_PNG, png) for n, png in enumerate(pngs))
        sounds = (
            {MICROPHONE: Recording(simulated.sound, float(SAMPLE_RATE_HZ))} if MICROPHONE in self.modalities else {}
        )
        defects = shown_defects(simulated.truth, self._only)
        return LinePiece(simulated.piece_id, shots, sounds, "nok" if defects else "ok", defects=defects)
