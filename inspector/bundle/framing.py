"""What of a camera's pictures is judged, as `bundle.json` states it: region, mask, alignment."""

from typing import Literal

from pydantic import Field

from inspector.bundle.part import Part

Point = tuple[float, float]
MAX_POINTS = 1000
MAX_POLYGONS = 64
MAX_PNG_DIGITS = 2**22
"""Of a mask or a reference in base64: a mask of 100 MP with smooth edges has a tenth of it."""


class Alignment(Part):
    """How each picture is laid over a reference picture before anything else looks at it."""

    method: Literal["ecc"] = "ecc"
    """`ecc`: shift and turn with the highest enhanced correlation coefficient."""
    reference_png: str = Field(max_length=MAX_PNG_DIGITS)
    """The reference as it is compared: grey, shrunk, PNG in base64."""
    max_shift_px: float = Field(gt=0, le=20000)
    """A piece whose picture lies further off is not aligned, and does not pass."""
    max_turn_deg: float = Field(ge=0, le=45)
    """A piece that is turned further is not aligned, and does not pass. Degrees, either way."""
    around_px: float = Field(default=0.0, ge=0, le=20000)
    """Pixels around the region that the alignment looks at too; those beyond change nothing."""
    min_correlation: float = Field(ge=0, lt=1)
    """A piece whose picture is less like the reference is not aligned, and does not pass."""


class Framing(Part):
    """Which part of a camera's pictures is judged. Pixels outside of it change nothing."""

    width_px: int = Field(gt=0)
    """Width of the camera's pictures, which the coordinates refer to."""
    height_px: int = Field(gt=0)
    """Height of the camera's pictures."""
    region: tuple[tuple[Point, ...], ...] = Field(default=(), max_length=MAX_POLYGONS)
    """Polygons, each a list of [x, y] in pixels from the upper left corner; empty: the whole picture, or the mask."""
    mask_png: str | None = Field(default=None, max_length=MAX_PNG_DIGITS)
    """In place of polygons: what is not black is judged. PNG in base64."""
    align: Alignment | None = None
    """None: pictures are taken as they come."""
