"""Turns a manifest's rows into observations, read from files as a line would have delivered them. Knows no model."""

from dataclasses import replace
from pathlib import Path

from inspector.dataset.files import read_image
from inspector.dataset.recordings import read_clip
from inspector.manifest import PieceRow, SignalRow
from streams.observation import Clip, InspectionId, Observation, State, from_files


def observe(root: Path, row: PieceRow) -> Observation:
    images = ((source.camera, read_image(root / source.path, source.bit_depth)) for source in row.images)
    clips = (_clip(root, source) for source in row.signals)
    return from_files(InspectionId("evaluation", "files", row.piece_id), row.product, images, clips)


def without(piece: Observation, modality: str) -> Observation:
    """The same piece had this modality never arrived."""
    views = {name: view for name, view in piece.views.items() if name != modality}
    return replace(piece, views=views, clips={name: c for name, c in piece.clips.items() if name != modality})


def _clip(root: Path, source: SignalRow) -> Clip:
    clip = read_clip(root / source.path, source.sample_rate_hz, source.kind)
    return Clip(source.sensor, source.kind, clip.samples, clip.sample_rate_hz, State.PRESENT)
