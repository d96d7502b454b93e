"""Turns pieces into pictures with heat maps, spectrograms and sounds as data URIs, within one bound for the whole file.

Pictures come first, sounds take what is left. What finds no room is left out, and the page says so.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np

from inspector.evaluation.run import Shown
from inspector.report import sound
from inspector.report.details import Region, parts
from inspector.verdicts.plain_text import plain
from inspector.verdicts.words import enum_word
from inspector.web.encode import picture_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.decode.kinds import is_curve
from streams.observation import Clip, Image, View

MAX_MEDIA_BYTES = 13_000_000
"""Of all data URIs of a file, which has 15 MB at most with its text and plots."""
MAX_SIDE_PX = 480
"""Longer side of a picture."""
MAX_SOURCES = 4
"""Cameras, and sensors, of one piece that are shown."""
MAX_NAME = 64


STRONG = 0.5
"""A region of less strength is drawn with dashes, as on the live page."""


@dataclass(frozen=True)
class DetailView:
    """A part of a picture at full size, around evidence that the scaled picture does not show."""

    src: str
    width_px: int
    height_px: int
    regions: tuple[Region, ...]
    words: str
    """Where it lies."""


@dataclass(frozen=True)
class PictureView:
    name: str
    src: str
    """Empty where there was no room."""
    heat: str
    """The heat map as a layer over it; empty without one."""
    width_px: int
    height_px: int
    regions: tuple[Region, ...]
    words: str
    """Which image, and where the evidence is."""
    details: tuple[DetailView, ...] = ()


@dataclass(frozen=True)
class SoundView:
    name: str
    spectrogram: str
    """Empty for a trace, or where there was no room."""
    curves: tuple[str, ...]
    audio: str
    """Empty where it cannot be played or found no room."""
    region: Region | None
    seconds: str
    top: str
    """Highest frequency; empty for a trace."""
    words: str


@dataclass(frozen=True)
class PieceMedia:
    pictures: tuple[PictureView, ...]
    sounds: tuple[SoundView, ...]
    left_out: int
    """Files that found no room."""


class Room:
    """Gives data URIs until its bytes are used up."""

    def __init__(self, num_bytes: int = MAX_MEDIA_BYTES) -> None:
        self._left = num_bytes
        self.left_out = 0

    def uri(self, media_type: str, data: bytes) -> str:
        """Empty where it would take more than is left."""
        size = 4 * (len(data) + 2) // 3 + len(media_type) + 16
        if size > self._left:
            self.left_out += 1
            return ""
        self._left -= size
        return f"data:{media_type};base64,{b64encode(data).decode()}"


def media_of(shown: Mapping[str, Shown], room: Room) -> dict[str, PieceMedia]:
    """By piece id, in this order."""
    seen: dict[str, PieceMedia] = {}
    for piece_id, piece in shown.items():
        before = room.left_out
        pictures, drawn = tuple(_pictures(piece, room)), tuple(_sounds(piece, room))
        seen[piece_id] = PieceMedia(pictures, drawn, room.left_out - before)
    for piece_id, piece in shown.items():
        before = room.left_out
        sounds = tuple(_with_audio(seen[piece_id].sounds, piece, room))
        left_out = seen[piece_id].left_out + room.left_out - before
        seen[piece_id] = replace(seen[piece_id], sounds=sounds, left_out=left_out)
    return seen


def _pictures(piece: Shown, room: Room) -> Iterator[PictureView]:
    evidence = {image.camera: image for image in piece.verdict.images}
    for name, view in islice(piece.piece.views.items(), MAX_SOURCES):
        if view.images:
            yield _picture(view, piece.images.get(name, 0), evidence.get(name, pb.ImageEvidence()), room)


def _picture(view: View, index: int, evidence: pb.ImageEvidence, room: Room) -> PictureView:
    picture = picture_of(view.images[index], MAX_SIDE_PX)
    src = room.uri(picture.media_type, picture.data)
    layer = heat_layer(evidence.heat_map_png) if src and evidence.heat_map_png else b""
    which = f"image {index + 1} of {len(view.images)}" if len(view.images) > 1 else ""
    regions = tuple(Region(r.x_px, r.y_px, r.width_px, r.height_px, r.strength >= STRONG) for r in evidence.regions)
    details = _details(view.images[index], regions, room) if src else ()
    where = "" if not regions else f"strongest at x {regions[0].x:.0f}, y {regions[0].y:.0f} px"
    return PictureView(
        name=plain(view.camera, MAX_NAME),
        src=src,
        heat=room.uri("image/png", layer) if layer else "",
        width_px=picture.width_px,
        height_px=picture.height_px,
        regions=regions if src else (),
        words=", ".join(word for word in (which, where) if word),
        details=tuple(details),
    )


def _details(image: Image, regions: Sequence[Region], room: Room) -> Iterator[DetailView]:
    height_px, width_px = image.shape[:2]
    for part in parts(width_px, height_px, regions, MAX_SIDE_PX):
        rows, columns = slice(part.y, part.y + part.height), slice(part.x, part.x + part.width)
        picture = picture_of(image[rows, columns], MAX_SIDE_PX)
        if src := room.uri(picture.media_type, picture.data):
            words = f"at full size, from x {part.x}, y {part.y} px"
            yield DetailView(src, part.width, part.height, part.seen(regions), words)


def heat_layer(heat_map_png: bytes) -> bytes:
    """The grey map as the opacity of a warm colour, as the live page draws it (picture.js); a PNG with alpha."""
    grey = cv2.imdecode(np.frombuffer(heat_map_png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return b""
    value = np.asarray(grey, np.float64)
    alpha = value * np.sqrt(value / 255)
    layer = np.stack([np.zeros_like(value), 60 + value * 130 / 255, np.full_like(value, 255), alpha], -1)
    _, data = cv2.imencode(".png", np.round(layer).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return data.tobytes()


def _clips(piece: Shown) -> list[tuple[Clip, sound.Samples]]:
    """Those that hold something, with the part that is shown."""
    return [
        (clip, sound.beginning(clip.samples, clip.sample_rate_hz))
        for clip in islice(piece.piece.clips.values(), MAX_SOURCES)
        if clip.samples is not None and len(clip.samples) and clip.sample_rate_hz > 0
    ]


def _sounds(piece: Shown, room: Room) -> Iterator[SoundView]:
    evidence = {signal.sensor: signal for signal in piece.verdict.signals}
    for clip, samples in _clips(piece):
        yield _sound(clip, samples, evidence.get(clip.sensor), room)


def _sound(clip: Clip, samples: sound.Samples, evidence: pb.SignalEvidence | None, room: Room) -> SoundView:
    traced = is_curve(clip.kind)
    shown_s = len(samples) / clip.sample_rate_hz
    is_cut = clip.samples is not None and len(samples) < len(clip.samples)
    return SoundView(
        name=plain(clip.sensor, MAX_NAME),
        spectrogram="" if traced else room.uri("image/jpeg", sound.spectrogram(samples)),
        curves=tuple(sound.curves(samples)) if traced else (),
        audio="",
        region=None if evidence is None else _region(evidence, shown_s, None if traced else clip.sample_rate_hz / 2),
        seconds=f"{shown_s:.3g} s",
        top="" if traced else _hertz(clip.sample_rate_hz / 2),
        words="only its beginning" if is_cut else "",
    )


def _with_audio(views: Sequence[SoundView], piece: Shown, room: Room) -> Iterator[SoundView]:
    for view, (clip, samples) in zip(views, _clips(piece), strict=True):
        if view.curves or not sound.is_playable(clip.sample_rate_hz):
            yield view
        else:
            data = sound.playable(samples, clip.sample_rate_hz)
            yield replace(view, audio=room.uri("audio/wav", data))


def _region(evidence: pb.SignalEvidence, length_s: float, highest_hz: float | None) -> Region | None:
    if evidence.start_s >= length_s:
        return None
    x, end = (sound.WIDTH * min(at_s / length_s, 1.0) for at_s in (evidence.start_s, evidence.end_s))
    y, bottom = 2.0, sound.HEIGHT - 2.0
    if highest_hz is not None and evidence.HasField("low_hz") and evidence.HasField("high_hz"):
        y, bottom = (sound.HEIGHT * (1 - min(hz / highest_hz, 1.0)) for hz in (evidence.high_hz, evidence.low_hz))
    width, height = round(max(end - x, 4.0), 1), round(max(bottom - y, 4.0), 1)
    return Region(round(x, 1), round(y, 1), width, height, evidence.strength >= STRONG)


def _hertz(hz: float) -> str:
    return f"{hz / 1000:.3g} kHz" if hz >= 1000 else f"{hz:.0f} Hz"


def absent(verdict: pb.Verdict) -> list[str]:
    """Sources that were not there, in words."""
    return [
        f"{plain(modality.name, MAX_NAME)}: {enum_word(pb.ModalityState, modality.state).lower()}"
        for modality in verdict.modalities
        if modality.state != pb.MODALITY_STATE_PRESENT
    ]
