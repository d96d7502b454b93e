"""Chooses the parts of a large picture that are shown at full size, for its evidence is too small to be seen in the
scaled picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

SIDE_PX = 320
"""Of a part, in pixels of the picture as captured."""
MAX_DETAILS = 2
"""Parts of one picture."""
MARGIN_PX = 8
"""Between a region and the frame around it."""
VISIBLE_PX = 12
"""A region whose longer side has as much in the scaled picture is seen there."""


@dataclass(frozen=True)
class Region:
    """In pixels of the picture as captured, or of the spectrogram."""

    x: float
    y: float
    width: float
    height: float
    is_strong: bool = True


@dataclass(frozen=True)
class Part:
    """In pixels of the picture."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, region: Region) -> bool:
        right, bottom = region.x + region.width, region.y + region.height
        return self.x <= region.x and self.y <= region.y and right <= self._right and bottom <= self._bottom

    def seen(self, regions: Sequence[Region]) -> tuple[Region, ...]:
        """Frames around the regions within the part, from its corner. The lines leave the evidence free: there is a
        margin, and no frame crosses that of a stronger region."""
        frames: list[Region] = []
        for region in filter(self.holds, regions):
            frame = replace(
                region,
                x=region.x - self.x - MARGIN_PX,
                y=region.y - self.y - MARGIN_PX,
                width=region.width + 2 * MARGIN_PX,
                height=region.height + 2 * MARGIN_PX,
            )
            if not any(_cross(frame, other) for other in frames):
                frames.append(frame)
        return tuple(frames)

    @property
    def _right(self) -> int:
        return self.x + self.width

    @property
    def _bottom(self) -> int:
        return self.y + self.height


def parts(width_px: int, height_px: int, regions: Sequence[Region], shown_px: int) -> list[Part]:
    """Around the strongest regions that are too small in a picture of `shown_px`; a region is in one part at most."""
    scale = shown_px / max(width_px, height_px)
    found: list[Part] = []
    for region in regions:
        is_hidden = scale < 1 and max(region.width, region.height) * scale < VISIBLE_PX
        if is_hidden and len(found) < MAX_DETAILS and not any(part.holds(region) for part in found):
            found.append(_around(region, width_px, height_px))
    return found


def _around(region: Region, width_px: int, height_px: int) -> Part:
    side = SIDE_PX + round(max(region.width, region.height))
    width, height = min(side, width_px), min(side, height_px)
    x, y = round(region.x + (region.width - width) / 2), round(region.y + (region.height - height) / 2)
    return Part(min(max(x, 0), width_px - width), min(max(y, 0), height_px - height), width, height)


def _cross(one: Region, other: Region) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height
