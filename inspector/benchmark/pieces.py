"""Chooses the pieces for a judge's benchmark: those of the parity set, or synthetic ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inspector.bundle.schema import Bundle, Framing, ImageInput, SignalInput
from inspector.parity.archive import ParitySet
from streams.observation import Clip, Image, InspectionId, Observation, State, from_files

MAX_BYTES = 2**28
"""Of decoded recordings: all are in memory before the clock runs, for decoding is the join's work."""
_NUM_MADE_UP = 64
_READ_AT_ONCE = 16


class BenchmarkPieces(NamedTuple):
    pieces: Sequence[Observation]
    description: str
    """Their origin, and its effect on the figures."""


def choose_pieces(schema: Bundle, parity_set: ParitySet | None) -> BenchmarkPieces:
    """Raises ParityError for a recording that cannot be read."""
    if parity_set is None:
        pieces = synthetic_pieces(schema)
        description = "pieces of noise, since the bundle has no parity set: routes and costs differ from a line's"
        return BenchmarkPieces(pieces, f"{len(pieces)} {description}")
    recorded = _recorded(parity_set)
    description = f"{len(recorded)} of the parity set's {len(parity_set.pieces)} pieces"
    return BenchmarkPieces(
        recorded, f"{description}, of which those near a limit ask for more experts than most of a line's do"
    )


def _recorded(parity_set: ParitySet) -> list[Observation]:
    pieces: list[Observation] = []
    num_bytes = 0
    for start in range(0, len(parity_set.pieces), _READ_AT_ONCE):
        for piece in parity_set.observations(parity_set.pieces[start : start + _READ_AT_ONCE]):
            num_bytes += _num_bytes(piece)
            if pieces and num_bytes > MAX_BYTES:
                return pieces
            pieces.append(piece)
    return pieces


def _num_bytes(piece: Observation) -> int:
    images = sum(image.nbytes for view in piece.views.values() for image in view.images)
    return images + sum(clip.samples.nbytes for clip in piece.clips.values() if clip.samples is not None)


def synthetic_pieces(schema: Bundle, seed: int = 1) -> list[Observation]:
    """Noise in the size of each modality's largest input, or of the pictures that its region is drawn on; as many as
    the memory for them holds."""
    rng = np.random.default_rng(seed)
    pieces = [_piece(schema, "p0", rng)]
    number = min(_NUM_MADE_UP, max(1, MAX_BYTES // max(1, _num_bytes(pieces[0]))))
    return pieces + [_piece(schema, f"p{index}", rng) for index in range(1, number)]


def _piece(schema: Bundle, piece_id: str, rng: np.random.Generator) -> Observation:
    images: list[tuple[str, Image]] = []
    clips: list[Clip] = []
    for modality in schema.modalities:
        forms = [expert.input for expert in schema.experts if expert.modality == modality.name]
        form = max(forms, key=_size, default=None)
        if form is None:
            continue  # Nobody looks at it.
        if isinstance(form, ImageInput):
            images.append((modality.name, _image(form, modality.framing, rng)))
        elif modality.kind != "image":
            samples = rng.standard_normal((form.num_samples, form.num_channels), np.float32)
            clips.append(Clip(modality.name, modality.kind, samples, form.sample_rate_hz, State.PRESENT))
    return from_files(InspectionId("bench", "made-up", piece_id), "", images, clips)


def _size(form: ImageInput | SignalInput) -> int:
    if isinstance(form, ImageInput):
        return form.rows * form.cols * form.tile_height_px * form.tile_width_px
    return form.num_samples


def _image(form: ImageInput, framing: Framing | None, rng: np.random.Generator) -> Image:
    """A picture of noise cannot be aligned: it costs the search, and no expert looks at it."""
    size = (form.rows * form.tile_height_px, form.cols * form.tile_width_px)
    height, width = size if framing is None else (framing.height_px, framing.width_px)
    return rng.integers(0, 256, (height, width, 3), np.uint8)
