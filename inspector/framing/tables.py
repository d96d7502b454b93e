"""How a camera's region, mask, alignment and tiles are written: the same keys in the training configuration
(`[cameras.top]`) and in a recipe (`[[cameras]]`)."""

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from inspector.bundle.framing import MAX_POINTS, MAX_POLYGONS

Corner = Annotated[tuple[float, float], "corner"]
Polygon = Annotated[tuple[Corner, ...], Field(min_length=3, max_length=MAX_POINTS)]


def _polygons(value: object) -> object:
    """One polygon may be written without the brackets of a list of polygons."""
    match value:
        case [[int() | float(), *_], *_]:
            return [value]
    return value


Region = Annotated[tuple[Polygon, ...], BeforeValidator(_polygons), Field(max_length=MAX_POLYGONS)]


class FramingTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AlignTable(FramingTable):
    """Each picture is shifted and turned until it lies over a reference picture: for pieces that do not come to rest in
    one place. A piece whose picture cannot be aligned within these limits does not pass."""

    reference: Path
    """Picture of this camera with the piece in its usual place, beside this file."""
    method: Literal["ecc"] = "ecc"
    """`ecc`: the shift and turn at which picture and reference correlate best; light and contrast may differ."""
    max_shift_px: float | None = Field(default=None, gt=0, le=20000)
    """Largest shift of the region's middle; None: a twentieth of the picture's longer side."""
    max_turn_deg: float = Field(default=5.0, ge=0, le=45)
    """Largest turn either way, in degrees."""
    around_px: float = Field(default=0.0, ge=0, le=20000)
    """Pixels around the region that the alignment looks at too, such as the edge of the piece. What lies farther out
    changes nothing. Without a region the whole picture is looked at."""
    min_correlation: float = Field(default=0.6, ge=0, lt=1)
    """Least correlation with the reference, once aligned: another piece, or none, has less."""

    @field_validator("reference")
    @classmethod
    def _beside_the_file(cls, value: Path, info: ValidationInfo) -> Path:
        return beside(value, info)


class TilesTable(FramingTable):
    """In how many tiles a large picture is looked at. Without it, it is shrunk to the size that experts usually see."""

    smallest_defect_px: float | None = Field(default=None, ge=3)
    """Side of the smallest defect that is to be seen, in pixels of the camera: rows, columns and sides follow from it.
    Half of it takes four times the computing."""
    rows: int | None = Field(default=None, gt=0, le=16)
    """Rows of tiles, in place of `smallest_defect_px`."""
    cols: int | None = Field(default=None, gt=0, le=16)
    """Columns of tiles."""
    side_px: int = Field(default=320, ge=32, le=4096)
    """Height and width of one tile after it was resized, where rows and columns are given."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_number = (self.rows, self.cols)
        if (self.smallest_defect_px is None) == (by_number == (None, None)) or (None in by_number) != (
            by_number == (None, None)
        ):
            raise ValueError("says not how many tiles; give smallest_defect_px, or both rows and cols")
        return self


class CameraFraming(FramingTable):
    """Which part of one camera's pictures is judged. Coordinates are pixels of the camera's picture, from its upper
    left corner."""

    region: Region = ()
    """Corners [x, y] of a polygon, or a list of polygons: nothing outside of them changes a score. Empty: the whole
    picture."""
    mask: Path | None = None
    """In place of `region`: a picture as large as the camera's, white where it is judged, beside this file."""
    align: AlignTable | None = None
    """Alignment with a reference picture; None: pictures are taken as they come."""
    tiles: TilesTable | None = None
    """Tiles of a large picture; None: as many as the experts that are chosen have."""

    @field_validator("mask")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else beside(value, info)

    @model_validator(mode="after")
    def _one_region(self) -> Self:
        if self.region and self.mask is not None:
            raise ValueError("region and mask both say what is judged; remove one of them")
        for number, polygon in enumerate(self.region):
            if _area_px(polygon) < 1:
                raise ValueError(f"polygon {number + 1} of region has no area; correct its corners")
        return self

    @property
    def is_framed(self) -> bool:
        """Whether more than tiles is given."""
        return bool(self.region) or self.mask is not None or self.align is not None


def beside(path: Path, info: ValidationInfo) -> Path:
    """A path of a file, seen from the folder of that file."""
    folder = (info.context or {}).get("folder")
    return (Path(folder) / path).resolve() if isinstance(folder, Path) else path


def _area_px(polygon: tuple[Corner, ...]) -> float:
    pairs = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return abs(math.fsum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2
