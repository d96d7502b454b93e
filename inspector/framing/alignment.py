"""Finds how far a picture is shifted and turned against a reference, in a bounded number of steps.

The pictures are shrunk. A coarse search tries every turn and shift within the limits, which an optimiser would miss;
then the enhanced correlation coefficient (Evangelidis and Psarakis 2008) is climbed at twice and at the full size.
The work is bounded by sizes and steps, not by a clock: a piece gets the same verdict on a slow machine, and again in a
replay.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.framing.outline import bounds, grown
from inspector.framing.placement import Affine, joined, mapped, moved, scaled
from inspector.framing.png import Grey

FINE_PX, COARSE_PX = 320, 80
"""Longer side of the shrunk pictures."""
MAX_STEPS = 20
"""Of the optimiser, at each size."""
MAX_TURNS = 33
"""Tried by the coarse search."""
_EPSILON = 1e-4
_BLUR_PX = 5
_FLAT = 2.0
"""Grey values. A reference with a smaller spread shows nothing to align by."""


class Limits(NamedTuple):
    max_shift_px: float
    max_turn_deg: float
    around_px: float = 0.0
    """Around the region, which is looked at too."""


class Pose(NamedTuple):
    """The best alignment of the search; whether it is within the limits is not checked."""

    to_picture: Affine
    """From the reference to the picture, both in full size."""
    correlation: float


class Aligner:
    """Holds the shrunk reference of one camera. Raises ValueError for a reference without anything to align by."""

    def __init__(self, reference: Grey, width_px: int, mask: Grey | None, limits: Limits) -> None:
        """`reference` as `shrunk` made it, of pictures `width_px` wide; pixels of a picture further outside of the
        mask than `around_px` and the largest shift are not looked at."""
        self._scale = reference.shape[1] / width_px
        self._limits = limits
        self._looked_at = None if mask is None else _reach(mask, reference, limits, self._scale)
        self._levels = [
            _Level(reference, self._looked_at, limits.max_shift_px * self._scale, share)
            for share in _shares(max(reference.shape))
        ]

    def find(self, picture: NDArray[np.uint8] | NDArray[np.uint16]) -> Pose | None:
        """None where the search ends nowhere."""
        small = shrunk(picture)
        if self._looked_at is not None:
            small = _blanked(small, self._looked_at)
        pose: Affine | None = None
        correlation = 0.0
        for level in self._levels:
            start = level.coarse(small, self._limits.max_turn_deg) if pose is None else pose
            climbed = None if start is None else level.climb(small, start)
            if climbed is None:
                return None
            pose, correlation = climbed
        return None if pose is None else Pose(scaled(pose, self._scale), correlation)


class _Level:
    """The reference at one size. Maps are between pictures of the reference's own size."""

    def __init__(self, reference: Grey, looked_at: Grey | None, shift_px: float, share: float) -> None:
        self._share = share
        self._picture = _resized(reference, share)
        self._mask = None if looked_at is None else _resized_mask(looked_at, self._picture)
        self._reach = max(1, math.ceil(shift_px * share))
        self._box = self._inner_box()
        left, top, right, bottom = self._box
        if float(self._picture[top:bottom, left:right].std()) < _FLAT:
            raise ValueError(
                "the reference is flat where it is compared, so nothing can be aligned by it: let align.around_px "
                "reach to the edge of the piece"
            )

    def _inner_box(self) -> tuple[int, int, int, int]:
        """What stays inside the picture however it is shifted: the region, or all but the margin."""
        height, width = self._picture.shape
        if self._mask is None:
            margin_x, margin_y = (min(self._reach, side // 4) for side in (width, height))
            return margin_x, margin_y, width - margin_x, height - margin_y
        left, top, right, bottom = bounds(self._mask)
        if right - left > 2 * self._reach + 8 and bottom - top > 2 * self._reach + 8:
            return left + self._reach, top + self._reach, right - self._reach, bottom - self._reach
        return left, top, right, bottom

    def coarse(self, small: Grey, max_turn_deg: float) -> Affine | None:
        """The turn and shift, on a grid, at which the reference correlates best."""
        picture = cv2.copyMakeBorder(_resized(small, self._share), *(self._reach,) * 4, cv2.BORDER_REPLICATE)
        left, top, right, bottom = self._box
        window = np.asarray(picture)[top : bottom + 2 * self._reach, left : right + 2 * self._reach]
        best, pose = -math.inf, None
        for turn_deg in _turns(max_turn_deg, max(right - left, bottom - top)):
            turned = self._turned(turn_deg)
            scores = cv2.matchTemplate(window, turned[top:bottom, left:right], cv2.TM_CCOEFF_NORMED)
            _, score, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(np.asarray(scores), posinf=-1, neginf=-1))
            if score > best:
                best = score
                shift = moved(float(x - self._reach), float(y - self._reach))
                pose = joined(shift, self._turning(turn_deg))
        return None if pose is None else scaled(pose, self._share)

    def climb(self, small: Grey, start: Affine) -> tuple[Affine, float] | None:
        """From a start to the nearest maximum of the correlation; None where there is none."""
        left, top, right, bottom = self._box
        picture = _resized(small, self._share)
        begin = joined(scaled(start, 1 / self._share), moved(left, top)).astype(np.float32)
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, MAX_STEPS, _EPSILON)
        template = self._picture[top:bottom, left:right]
        seen = np.full_like(picture, 255) if self._mask is None else self._mask
        try:
            correlation, warp = cv2.findTransformECC(
                template, picture, begin, cv2.MOTION_EUCLIDEAN, criteria, seen, _BLUR_PX
            )
        except cv2.error:  # no convergence, or no overlap
            return None
        whole = joined(np.asarray(warp, np.float64), moved(-left, -top))
        return (scaled(whole, self._share), float(correlation)) if np.isfinite(correlation) else None

    def _turning(self, turn_deg: float) -> Affine:
        left, top, right, bottom = self._box
        centre = ((left + right - 1) / 2, (top + bottom - 1) / 2)
        return np.asarray(cv2.getRotationMatrix2D(centre, turn_deg, 1.0), np.float64)

    def _turned(self, turn_deg: float) -> Grey:
        height, width = self._picture.shape
        if turn_deg == 0:
            return self._picture
        turned = cv2.warpAffine(
            self._picture, self._turning(turn_deg), (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(turned, np.uint8)


def shrunk(picture: NDArray[np.uint8] | NDArray[np.uint16]) -> Grey:
    """Grey, 8 bits, the longer side at most `FINE_PX`."""
    height, width = picture.shape[:2]
    share = min(1.0, FINE_PX / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    grey = small if small.ndim == 2 else np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
    return np.asarray(grey if grey.dtype == np.uint8 else grey // 257, np.uint8)


def shift_px(to_picture: Affine, middle: tuple[float, float]) -> float:
    """How far the middle of the reference lies off."""
    point = np.array([middle], np.float64)
    return float(np.linalg.norm(mapped(to_picture, point) - point))


def turn_deg(to_picture: Affine) -> float:
    """Without its direction."""
    return abs(math.degrees(math.atan2(to_picture[1, 0], to_picture[0, 0])))


def _shares(longest_px: int) -> list[float]:
    shares = {min(1.0, side / longest_px) for side in (COARSE_PX, 2 * COARSE_PX, FINE_PX)}
    return sorted(shares)


def _turns(max_turn_deg: float, side_px: int) -> list[float]:
    """From none outwards, so close that the ends of the reference move by two pixels from one to the next."""
    step = math.degrees(4 / max(side_px, 8))
    each_way = min(math.ceil(max_turn_deg / step), MAX_TURNS // 2) if max_turn_deg else 0
    turns = [max_turn_deg * number / each_way for number in range(1, each_way + 1)]
    return [0.0, *(signed for turn in turns for signed in (turn, -turn))]


def _reach(mask: Grey, reference: Grey, limits: Limits, scale: float) -> Grey:
    """The region at the reference's size, and as far around it as the picture may be shifted."""
    small = _resized_mask(mask, reference)
    return grown(small, max(1.0, (limits.max_shift_px + limits.around_px) * scale))


def _blanked(small: Grey, looked_at: Grey) -> Grey:
    mean = round(cv2.mean(small, looked_at)[0])
    return np.where(looked_at > 0, small, np.uint8(mean)).astype(np.uint8)


def _resized(picture: Grey, share: float) -> Grey:
    if share == 1:
        return picture
    height, width = picture.shape
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _resized_mask(mask: Grey, like: Grey) -> Grey:
    size = like.shape[1], like.shape[0]
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
