"""From the keys of a file to a bundle's framing: reads masks and references, and checks them against the camera."""

from pathlib import Path

import numpy as np

from inspector.bundle.framing import Alignment, Framing
from inspector.framing.alignment import shrunk
from inspector.framing.framer import Framer
from inspector.framing.png import png_text
from inspector.framing.tables import AlignTable, CameraFraming
from streams.decode.images import FORMAT_OF_SUFFIX, decode_file
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import BitDepth
from streams.join.bit_depth import to_full_scale
from streams.observation import Image


class FramingError(ValueError):
    """A region, mask or reference that cannot be used; the message names file, problem and remedy."""


def resolved(table: CameraFraming, size_px: tuple[int, int], bit_depth: BitDepth | None) -> Framing | None:
    """For pictures of this width and height; None where nothing but tiles is given. Raises FramingError."""
    if not table.is_framed:
        return None
    width, height = size_px
    _require_inside(table, size_px)
    framing = Framing(
        width_px=width,
        height_px=height,
        region=table.region,
        mask_png=None if table.mask is None else _mask(table.mask, size_px),
        align=None if table.align is None else _alignment(table.align, size_px, bit_depth),
    )
    try:
        Framer(framing)
    except ValueError as exc:
        raise FramingError(f"{exc}; correct the region, the mask or the reference") from exc
    return framing


def _require_inside(table: CameraFraming, size_px: tuple[int, int]) -> None:
    """A corner outside is nearly always a slip, such as a digit too many, and would be cut off in silence."""
    width, height = size_px
    for x, y in (corner for polygon in table.region for corner in polygon):
        if not (0 <= x <= width and 0 <= y <= height):
            raise FramingError(
                f"the region's corner [{x:g}, {y:g}] lies outside of the camera's pictures of {width} x {height} px; "
                "correct the corner"
            )


def _mask(path: Path, size_px: tuple[int, int]) -> str:
    image = _picture(path, size_px)
    grey = image if image.ndim == 2 else image.max(axis=2)
    return png_text(np.where(grey > np.iinfo(grey.dtype).max // 2, 255, 0).astype(np.uint8))


def _alignment(table: AlignTable, size_px: tuple[int, int], bit_depth: BitDepth | None) -> Alignment:
    image = _picture(table.reference, size_px)
    try:
        reference = shrunk(to_full_scale(image, bit_depth))
    except RecordError as exc:
        raise FramingError(f"{table.reference}: {exc.detail}") from exc
    return Alignment(
        method=table.method,
        reference_png=png_text(reference),
        max_shift_px=table.max_shift_px or max(size_px) / 20,
        max_turn_deg=table.max_turn_deg,
        around_px=table.around_px,
        min_correlation=table.min_correlation,
    )


def _picture(path: Path, size_px: tuple[int, int]) -> Image:
    """Read within the line's limits. Raises FramingError."""
    limits, form = Limits(), FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise FramingError(f"{path}: is no {', '.join(FORMAT_OF_SUFFIX)}; convert it")
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_reference_bytes + 1)
        if len(data) > limits.max_reference_bytes:
            raise FramingError(f"{path}: has more than {limits.max_reference_bytes} bytes; compress it")
        image = decode_file(data, form, limits)
    except OSError as exc:
        raise FramingError(f"{path}: cannot be read ({exc.strerror}); correct the path") from exc
    except RecordError as exc:
        raise FramingError(f"{path}: {exc.detail}") from exc
    height, width = image.shape[:2]
    if (width, height) != size_px:
        raise FramingError(
            f"{path}: has {width} x {height} px and the camera's pictures {size_px[0]} x {size_px[1]}: "
            "draw it on a picture of this camera"
        )
    return image
