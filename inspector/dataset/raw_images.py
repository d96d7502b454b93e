"""Reads images whose file does not say what its pixels are: raw rows without a header, and mosaics kept as grey images.

They become the message that a camera would have sent, so that the line's decoder makes the image.
"""

from pathlib import Path

from encoders.front_end import Image
from inspector.dataset.file_bytes import read_bytes
from inspector.dataset.manifest import ImageRow, ManifestError
from protos.inspection.v1.records_pb2 import ImagePixels, PixelFormat
from streams.decode.images import decode_pixels
from streams.decode.limits import Limits, RecordError

RAW_SUFFIXES = (".raw", ".bin")
MOSAIC = "BAYER_"


def raw_pixels(path: Path, row: ImageRow, mosaic: Image | None, limits: Limits) -> ImagePixels:
    """`mosaic`: the decoded image of a file with a header; None for raw rows. Raises ManifestError."""
    if mosaic is None:
        if not row.width_px or not row.height_px:
            raise ManifestError(f"{path}: has no header; give pixels, width_px and height_px in its image row")
        data, width_px, height_px = read_bytes(path, limits.max_image_bytes, ManifestError), row.width_px, row.height_px
    else:
        if mosaic.ndim != 2 or not str(row.pixels).startswith(MOSAIC):
            raise ManifestError(
                f"{path}: has a header, and pixels = {row.pixels} is for {' and '.join(RAW_SUFFIXES)} files, or a "
                f"mosaic ({MOSAIC}...) kept as a grey image; leave pixels out"
            )
        data, (height_px, width_px) = mosaic.tobytes(), mosaic.shape
    return ImagePixels(format=f"PIXEL_FORMAT_{row.pixels}", width_px=width_px, height_px=height_px, data=data)


def decoded(path: Path, pixels: ImagePixels, limits: Limits) -> Image:
    """As the line decodes it. Raises ManifestError with the file and the line's reason."""
    try:
        return decode_pixels(pixels, limits)
    except RecordError as error:
        name = PixelFormat.Name(pixels.format).removeprefix("PIXEL_FORMAT_")
        raise ManifestError(f"{path}: as {name}: {error.detail}") from error
