"""Reads the images of a data set by the line's own decoder, which refuses the same images for the same reasons.

Pixels are used as stored: neither the line nor training turns an image by its EXIF orientation.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from encoders.front_end import Image
from inspector.dataset.file_bytes import read_bytes
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow
from inspector.dataset.raw_images import RAW_SUFFIXES, decoded, raw_pixels
from inspector.dataset.recordings import Clip, Layout, read_clip
from protos.inspection.v1.records_pb2 import ImagePixels, PixelFormat
from streams.decode.images import FORMAT_OF_SUFFIX, decode_file
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import BitDepth
from streams.join.bit_depth import to_full_scale

ORIENTATION = "as stored"
"""How images are oriented; stated in the bundle."""

Recording = Image | Clip

WHITE_ABOVE = 127
"""Of a mask: brighter pixels are the defect."""
IMAGE_SUFFIXES = tuple(FORMAT_OF_SUFFIX)


def read_image(path: Path, bit_depth: BitDepth | None = None, limits: Limits | None = None) -> Image:
    """(H, W) or (H, W, 3) blue-green-red, as the line hands it on: full scale is that of uint8 or uint16.

    `bit_depth` is the camera's; None is that of the file. Raises ManifestError with the file and the line's reason.
    """
    limits = limits or Limits()
    pixel_format, data = read_image_file(path, limits)
    try:
        return to_full_scale(decode_file(data, pixel_format, limits), bit_depth)
    except RecordError as error:
        raise ManifestError(f"{path}: {error.detail}") from error


def read_image_file(path: Path, limits: Limits | None = None) -> tuple[PixelFormat, bytes]:
    """Format by its name and bytes of an image file, not decoded. Raises ManifestError."""
    form = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise ManifestError(
            f"{path}: is no {', '.join(IMAGE_SUFFIXES)}, the files that a line sends; convert the image"
        )
    return form, read_bytes(path, (limits or Limits()).max_reference_bytes, ManifestError)


def sources_of(row: PieceRow, modality: str) -> tuple[ImageRow | SignalRow, ...]:
    """The recordings of a piece that its experts get: all images of that camera, or the last of that sensor."""
    images = tuple(image for image in row.images if image.camera == modality)
    return images or tuple(signal for signal in row.signals if signal.sensor == modality)[-1:]


def read_source(root: Path, source: ImageRow | SignalRow) -> Recording:
    """Raises ManifestError, RecordingError."""
    if isinstance(source, ImageRow):
        return read_row_image(root, source)
    return read_signal(root, source)


def read_row_image(root: Path, row: ImageRow) -> Image:
    """The image of a manifest's row as the line hands it on. Raises ManifestError."""
    path, limits = root / row.path, Limits()
    if row.pixels is None and path.suffix.lower() not in RAW_SUFFIXES:
        return read_image(path, row.bit_depth)
    image = decoded(path, row_pixels(root, row), limits)
    try:
        return to_full_scale(image, row.bit_depth)
    except RecordError as error:
        raise ManifestError(f"{path}: {error.detail}") from error


def row_pixels(root: Path, row: ImageRow) -> ImagePixels:
    """What a camera would have sent for this row. Raises ManifestError."""
    path, limits = root / row.path, Limits()
    if path.suffix.lower() in RAW_SUFFIXES:
        return raw_pixels(path, row, None, limits)
    if row.pixels is not None:
        return raw_pixels(path, row, read_image(path), limits)
    form, data = read_image_file(path, limits)
    return ImagePixels(format=PixelFormat.Name(form), data=data)


def read_signal(root: Path, signal: SignalRow) -> Clip:
    """The recording of a manifest's row as the line delivers it. Raises RecordingError."""
    return read_clip(root / signal.path, signal.sample_rate_hz, signal.kind, layout_of(signal))


def layout_of(signal: SignalRow) -> Layout:
    return Layout(signal.columns, signal.channels_first)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) grey; white is where the defect is. Read as images are: with their limits, and not turned.

    Raises ManifestError.
    """
    image = read_image(path)
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey if grey.itemsize == 1 else grey.astype(np.uint16) >> 8, np.uint8)
