"""Turns a manifest's rows into observations, read from files as a line would have delivered them. Knows no model."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from inspector.manifest import PieceRow, SignalRow
from inspector.training.data import read_clip, read_image
from streams.observation import Clip, Closing, Image, InspectionId, Observation, State, View


def observe(root: Path, row: PieceRow) -> Observation:
    return Observation(
        inspection=InspectionId("evaluation", "files", row.piece_id),
        product=row.product,
        lot="",
        closing=Closing.COMPLETE,
        views={name: View(name, images, State.PRESENT) for name, images in _images(root, row).items()},
        clips={signal.sensor: _clip(root, signal) for signal in row.signals},
        entry_ns=0,
        capture_ns=0,
        append_ns=0,
        arrival_ns=0,
    )


def without(piece: Observation, modality: str) -> Observation:
    """The same piece had this modality never arrived."""
    views = {name: view for name, view in piece.views.items() if name != modality}
    return replace(piece, views=views, clips={name: c for name, c in piece.clips.items() if name != modality})


def _images(root: Path, row: PieceRow) -> Mapping[str, tuple[Image, ...]]:
    found: dict[str, tuple[Image, ...]] = {}
    for source in row.images:
        found[source.camera] = (*found.get(source.camera, ()), read_image(root, source))
    return found


def _clip(root: Path, source: SignalRow) -> Clip:
    clip = read_clip(root, source)
    return Clip(source.sensor, source.kind, clip.samples, clip.sample_rate_hz, State.PRESENT)
