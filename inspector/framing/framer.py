"""The one reader of framed pictures: aligns a camera's picture, cuts out its region, and hides what lies outside.

Training, evaluation, line, replay and the Python interface call it with the bundle's settings, before anything measures
or looks. Hidden pixels take the mean of the others: a dark picture stays dark, and its edge shows no step.
"""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle.framing import Alignment, Framing
from inspector.bundle.schema import Modality
from inspector.framing.alignment import Aligner, Limits, Pose, shift_px, turn_deg
from inspector.framing.outline import bounds, region_mask
from inspector.framing.placement import HALF, Affine, Placement, joined, mapped, moved
from inspector.framing.png import Grey, grey_picture
from inspector.framing.refusal import Refusal
from streams.observation import Image, MissingReason


class Framer:
    """Frames the pictures of one camera. Raises ValueError for settings that contradict each other."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        mask = region_mask(framing)
        self._box = (0, 0, framing.width_px, framing.height_px) if mask is None else bounds(mask)
        left, top, right, bottom = self._box
        self._inside = None if mask is None else np.ascontiguousarray(mask[top:bottom, left:right])
        if self._inside is not None and self._inside.all():
            self._inside = None
        self._has_region = mask is not None
        self._aligner = None if framing.align is None else _aligner(framing, framing.align, mask)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of a framed picture."""
        left, top, right, bottom = self._box
        return right - left, bottom - top

    def place(self, image: Image) -> Placement | Refusal:
        """Where this picture's region lies."""
        height, width = image.shape[:2]
        framing = self._framing
        if (width, height) != (framing.width_px, framing.height_px):
            return Refusal(
                MissingReason.FORMAT,
                f"the picture is {width} x {height} px, its region is drawn on {framing.width_px} x "
                f"{framing.height_px} px: was the camera's resolution or region of interest changed?",
            )
        cut_out = moved(self._box[0], self._box[1])
        if self._aligner is None or framing.align is None:
            return self._placed(cut_out)
        pose = self._aligner.find(image)
        fault = self._fault(pose, framing.align)
        if fault or pose is None:
            cause = "is it the right piece, and in its place?"
            return Refusal(MissingReason.ALIGNMENT, f"{fault}: {cause}")
        return self._placed(joined(pose.to_picture, cut_out))

    def cut(self, image: Image, placement: Placement) -> Image:
        """The region alone, as the reference shows it, with the mean of the region outside of it."""
        width, height = self.size_px
        left, top, right, bottom = self._box
        if self._aligner is None:
            part = image[top:bottom, left:right]
        else:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            border = cv2.BORDER_REPLICATE
            part = _like(
                cv2.warpAffine(image, placement.to_picture, (width, height), flags=flags, borderMode=border), image
            )
        return _like(np.ascontiguousarray(part), image) if self._inside is None else _hidden(part, self._inside)

    def cut_mask(self, mask: NDArray[np.bool_], placement: Placement) -> NDArray[np.bool_]:
        """The part of a defect's mask that lies inside, as `cut` shows the picture."""
        left, top, right, bottom = self._box
        part = mask[top:bottom, left:right]
        if self._aligner is not None:
            flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            warped = cv2.warpAffine(mask.astype(np.uint8), placement.to_picture, self.size_px, flags=flags)
            part = np.asarray(np.asarray(warped) > 0)
        return part if self._inside is None else np.asarray(part & (self._inside > 0))

    def frame(self, image: Image) -> Image | Refusal:
        """Both in one."""
        placement = self.place(image)
        return placement if isinstance(placement, Refusal) else self.cut(image, placement)

    def _placed(self, to_picture: Affine) -> Placement:
        width, height = self.size_px
        return Placement(to_picture, width, height, self._inside)

    def _fault(self, pose: Pose | None, align: Alignment) -> str:
        """Why this alignment is not believed; empty where it is."""
        if pose is None:
            return "the picture cannot be aligned with the reference"
        left, top, right, bottom = self._box
        shift, turn = shift_px(pose.to_picture, ((left + right) / 2, (top + bottom) / 2)), turn_deg(pose.to_picture)
        if pose.correlation < align.min_correlation:
            return f"correlation with the reference {pose.correlation:.2f}, expected at least {align.min_correlation:g}"
        if shift > align.max_shift_px:
            return f"the piece lies {shift:.0f} px off the reference, expected at most {align.max_shift_px:g}"
        if turn > align.max_turn_deg + 0.01:
            return f"the piece is turned by {turn:.1f} degrees, expected at most {align.max_turn_deg:g}"
        if self._has_region and not self._is_whole(pose.to_picture):
            return "a part of the region lies outside of the picture"
        return ""

    def _is_whole(self, to_picture: Affine) -> bool:
        """Whether every pixel of the region was photographed."""
        left, top, right, bottom = self._box
        size = np.array([self._framing.width_px, self._framing.height_px])
        inside = np.ones((bottom - top, right - left), np.uint8) if self._inside is None else self._inside
        edges = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        points = np.concatenate([edge.reshape(-1, 2) for edge in edges]).astype(np.float64) + np.array([left, top])
        there = mapped(to_picture, points)
        return bool((there >= -HALF).all() and (there <= size - HALF).all())


def framers(modalities: Iterable[Modality]) -> Mapping[str, Framer]:
    """Of the cameras that are framed, by name. Raises ValueError with the camera."""
    by_camera = {}
    for modality in modalities:
        if modality.framing is not None:
            try:
                by_camera[modality.name] = Framer(modality.framing)
            except ValueError as exc:
                raise ValueError(f"camera {modality.name}: {exc}") from exc
    return by_camera


def _aligner(framing: Framing, align: Alignment, mask: Grey | None) -> Aligner:
    limits = Limits(align.max_shift_px, align.max_turn_deg, align.around_px)
    return Aligner(grey_picture(align.reference_png), framing.width_px, mask, limits)


def _hidden(part: Image, inside: Grey) -> Image:
    mean = cv2.mean(part, inside)[: 1 if part.ndim == 2 else 3]
    hidden = np.empty(part.shape, part.dtype)
    hidden[...] = np.round(mean).astype(part.dtype)
    return _like(cv2.copyTo(part, inside, hidden), part)


def _like(pixels: cv2.typing.MatLike, image: Image) -> Image:
    return np.asarray(pixels, np.uint8) if image.dtype == np.uint8 else np.asarray(pixels, np.uint16)
