"""Marks implausible cameras and sensors of pieces, before any expert runs. Judges no piece."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.schema import Bundle, ImageInput, Plausibility, SignalInput, input_shape
from inspector.plausibility.limits import Doubt, Strictness, clip_doubt, clip_format_doubt, format_doubt, picture_doubt
from inspector.plausibility.statistics import clip_figures, picture_figures
from streams.observation import Clip, Image, Observation, State, View

KEPT_BYTES = 2**26
"""Of prepared inputs that wait for their scout; beyond that the scout prepares its input again."""

Place = tuple[str, int, int]
"""Modality, index of the piece, index of the image."""
Prepared = NDArray[np.float32]


class Watched(Protocol):
    """An expert, of a bundle or of a draft."""

    @property
    def modality(self) -> str: ...
    @property
    def scout(self) -> bool: ...
    @property
    def input(self) -> ImageInput | SignalInput: ...


Watcher = TypeVar("Watcher", bound=Watched)


class Kept:
    """Inputs prepared for the check, kept for the expert that needs them."""

    def __init__(self, max_bytes: int = KEPT_BYTES) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._inputs: dict[Place, Prepared] = {}

    def add(self, place: Place, prepared: Prepared) -> None:
        if self._bytes + prepared.nbytes <= self._max_bytes:
            self._inputs[place] = prepared
            self._bytes += prepared.nbytes

    def take(self, place: Place) -> Prepared | None:
        prepared = self._inputs.pop(place, None)
        self._bytes -= 0 if prepared is None else prepared.nbytes
        return prepared

    def __len__(self) -> int:
        return len(self._inputs)


def watcher(experts: Iterable[Watcher], modality: str) -> Watcher | None:
    """The expert on whose prepared input a modality is checked: the scout with the smallest input, else the expert with
    the smallest; alike in training, which does not know yet what experts cost."""
    candidates = [expert for expert in experts if expert.modality == modality]
    return min(candidates, key=lambda expert: (not expert.scout, math.prod(input_shape(expert.input))), default=None)


Seen = Callable[[int, str, int, Image], Image]
"""What the experts see of a piece's image: index of the piece, camera, index of the image, the image as received."""


def _whole(row: int, camera: str, index: int, image: Image) -> Image:
    return image


def believed(
    schema: Bundle,
    pieces: Sequence[Observation],
    strictness: Sequence[Mapping[str, Strictness]],
    kept: Kept,
    seen: Seen = _whole,
) -> list[Observation]:
    """The pieces, with implausible sources marked; `strictness` has each piece's settings by modality, default on."""
    doubts: dict[tuple[int, str], Doubt] = {}
    for modality in schema.modalities:
        expert, name = watcher(schema.experts, modality.name), modality.name
        levels = [settings.get(name, "on") for settings in strictness]
        if expert is None:
            continue
        if isinstance(expert.input, ImageInput):
            doubts |= _view_doubts(expert.input, pieces, (name, modality.plausibility, levels), kept, seen)
        else:
            doubts |= _clip_doubts(expert.input, pieces, (name, modality.plausibility, levels), kept)
    marked = list(pieces)
    for (row, name), doubt in doubts.items():
        marked[row] = _marked(marked[row], name, doubt)
    return marked


Limited = tuple[str, Plausibility | None, Sequence[Strictness]]
"""A modality's name, its limits, and per piece how strictly they are taken."""


def _view_doubts(
    form: ImageInput, pieces: Sequence[Observation], limited: Limited, kept: Kept, seen: Seen
) -> dict[tuple[int, str], Doubt]:
    """About the first implausible image of every piece."""
    name, limits, levels = limited
    doubts: dict[tuple[int, str], Doubt] = {}
    for row, index, image in _images(pieces, name, levels):
        doubt = format_doubt(image, limits)
        if doubt is None:
            framed = seen(row, name, index, image)
            if (thumbnail := _thumbnail(framed, form)) is not None:
                kept.add((name, row, index), thumbnail)
                doubt = picture_doubt(picture_figures(framed, thumbnail, form), limits, levels[row])
        if doubt is not None:
            doubts.setdefault((row, name), doubt)
    return doubts


def _images(
    pieces: Sequence[Observation], camera: str, levels: Sequence[Strictness]
) -> Iterator[tuple[int, int, Image]]:
    """Those to be checked, with piece and place."""
    for row, piece in enumerate(pieces):
        view = piece.views.get(camera)
        if view is not None and view.state is State.PRESENT and levels[row] != "off":
            for index, image in enumerate(view.images):
                yield row, index, image


def _thumbnail(image: Image, form: ImageInput) -> Prepared | None:
    """None where it cannot be prepared; its expert reports that."""
    try:
        return prepare_image(image, form)
    except ValueError:
        return None


def _clip_doubts(
    form: SignalInput, pieces: Sequence[Observation], limited: Limited, kept: Kept
) -> dict[tuple[int, str], Doubt]:
    name, limits, levels = limited
    doubts: dict[tuple[int, str], Doubt] = {}
    for row, piece in enumerate(pieces):
        clip = piece.clips.get(name)
        if clip is None or clip.samples is None or clip.state is not State.PRESENT or levels[row] == "off":
            continue
        doubt = clip_format_doubt(clip.samples.shape[1], clip.sample_rate_hz, form)
        if doubt is None and len(clip.samples):
            prepared = prepare_clip(clip.samples, clip.sample_rate_hz, form)
            kept.add((name, row, 0), prepared)
            figures = clip_figures(prepared, min(len(clip.samples), form.num_samples), form)
            doubt = clip_doubt(figures, limits, levels[row])
        if doubt is not None:
            doubts[row, name] = doubt
    return doubts


def _marked(piece: Observation, name: str, doubt: Doubt) -> Observation:
    """Keeps images and samples, so that people can look at them."""
    if name in piece.views:
        view = _doubted_view(piece.views[name], doubt)
        return replace(piece, views={**piece.views, name: view})
    return replace(piece, clips={**piece.clips, name: _doubted_clip(piece.clips[name], doubt)})


def _doubted_view(view: View, doubt: Doubt) -> View:
    return replace(view, state=State.IMPLAUSIBLE, absence=doubt.absence, detail=doubt.detail)


def _doubted_clip(clip: Clip, doubt: Doubt) -> Clip:
    return replace(clip, state=State.IMPLAUSIBLE, absence=doubt.absence, detail=doubt.detail)
