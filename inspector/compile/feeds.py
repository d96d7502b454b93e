"""Turns pieces into inputs of an expert's graph, through the front end of the line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.schema import Expert, ImageInput
from inspector.compile.job import CompileError
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import Array
from inspector.evaluation.observations import observe
from inspector.framing.framer import Framer
from inspector.framing.refusal import Refusal
from inspector.parity.archive import ParitySet
from streams.observation import Observation

Kind = TypeVar("Kind")

NUM_PIECES = 100
"""That calibrate INT8: ranges of activations hardly grow after them."""


def calibration_pieces(parity: ParitySet, manifest: Path | None) -> list[Observation]:
    """Of the manifest's calibration split, or of the bundle's parity set, which is taken from there."""
    if manifest is None:
        return parity.observations(_spread(parity.pieces))
    return [observe(manifest.parent, row) for row in _spread(read_manifest(manifest, "calibration"))]


def _spread(items: Sequence[Kind]) -> list[Kind]:
    """Evenly over all of them."""
    num = min(NUM_PIECES, len(items))
    return [items[index * len(items) // num] for index in range(num)]


def feeds(expert: Expert, pieces: Sequence[Observation], framer: Framer | None = None) -> list[dict[str, Array]]:
    """One per image or clip that the expert would look at, each a batch of one; images that cannot be framed are left
    out. Raises CompileError."""
    inputs = [{"input": array[np.newaxis]} for piece in pieces for array in _inputs(expert, piece, framer)]
    if not inputs:
        raise CompileError(
            f"{expert.name}: none of {len(pieces)} calibration pieces has a recording of {expert.modality!r}; name a "
            "manifest that has them: --calibration MANIFEST"
        )
    return inputs


def _inputs(expert: Expert, piece: Observation, framer: Framer | None) -> Iterator[Array]:
    form = expert.input
    if isinstance(form, ImageInput):
        view = piece.views.get(expert.modality)
        for image in () if view is None else view.images:
            framed = image if framer is None else framer.frame(image)
            if not isinstance(framed, Refusal):
                yield prepare_image(framed, form)
        return
    clip = piece.clips.get(expert.modality)
    if clip is not None and clip.samples is not None:
        yield prepare_clip(clip.samples, clip.sample_rate_hz, form)
