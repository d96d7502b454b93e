"""Detects images of 10, 12 or 14 bits at the low end of 16 bits: without a bit depth, experts see them as black."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.join.assembly import BitDepth, CameraSpec
from streams.observation import Image
from streams.reminder import MAX_SUBJECTS, Reminder

log = logging.getLogger("inspector.streams.low_pixels")

Place = tuple[str, str, CameraSpec]
"""Line, station and camera."""

_SURE = 12
_FEW_IMAGES = 3
"""On a line, one dark image is not enough to warn; a data set may have few images."""
_ENOUGH_IMAGES = 20
"""14 bits use a quarter of the 16-bit range, as a dim picture does: this many in a row are needed to warn."""
_INTERVAL_S = 60.0
_DEPTHS: tuple[BitDepth, ...] = (8, 10, 12, 14)


def likely_bit_depth(image: Image) -> BitDepth | None:
    """The fewest bits that hold every pixel of a 16-bit image; None where it needs more than 14, or has 8."""
    return None if image.itemsize == 1 else _depth_of(int(image.max(initial=0)))


def advice(camera: str, depth: BitDepth) -> str:
    """The warning text, with its remedy."""
    return (
        f"camera {camera}: the pixels of its 16-bit images never exceed {2**depth - 1} of 65535, so they look "
        f"{'almost black' if depth <= _SURE else 'dark'}; this looks like {depth} bits: set bit_depth = "
        f"{depth} (or the camera's own, if it has more) in the recipe's camera and in the manifest's image rows"
    )


def is_sign(depth: BitDepth, num_images: int) -> bool:
    """Whether this many images of this depth are a reason to warn."""
    return depth <= _SURE or num_images >= _ENOUGH_IMAGES


@dataclass(slots=True)
class _Seen:
    num_images: int = 0
    brightest: int = 0


class LowPixels:
    """Warns once a minute about each camera without a bit depth whose images stay low. Not thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[Place, _Seen] = {}
        self._reminder = Reminder[Place](_INTERVAL_S)

    def check(self, place: Place, image: Image | None) -> None:
        """Counts an image as received. Free for 8-bit images, and once an image has used all 16 bits."""
        camera = place[2]
        if image is None or image.itemsize == 1 or camera.bit_depth is not None:
            return
        if place not in self._seen and len(self._seen) >= MAX_SUBJECTS:
            return
        seen = self._seen.setdefault(place, _Seen())
        if _depth_of(seen.brightest) is None:
            return
        brightest = int(image.max(initial=0))
        if brightest == 0:  # black at any depth
            return
        seen.num_images, seen.brightest = seen.num_images + 1, max(seen.brightest, brightest)
        depth = _depth_of(seen.brightest)
        if depth is not None and seen.num_images >= _FEW_IMAGES and is_sign(depth, seen.num_images):
            self._reminder.add(place, camera.name, advice(camera.name, depth))
        for (line, station, _), occurrences in self._reminder.due(self._monotonic()):
            log.warning("%s/%s: %s (%d images).", line, station, occurrences.words, occurrences.count)


def _depth_of(brightest: int) -> BitDepth | None:
    return next((depth for depth in _DEPTHS if brightest < 2**depth), None)
