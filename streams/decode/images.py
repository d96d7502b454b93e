"""Turns the pixels of a record, or a fetched file, into an image. Checks the declared size before decoding."""

import logging
import threading
from contextlib import nullcontext
from typing import cast

import cv2
import numpy as np

from protos.inspection.v1.records_pb2 import ImagePixels, PixelFormat
from streams.decode.bmp_files import declared_bmp, read_bmp
from streams.decode.decoder_messages import with_messages
from streams.decode.image_headers import Header, ImageFile, bad_image
from streams.decode.jpeg_files import declared_jpeg, read_jpeg
from streams.decode.limits import Limits, RecordError, invalid, too_large
from streams.decode.out_of_memory import lacks_memory, out_of_memory
from streams.decode.png_files import declared_png, read_png
from streams.decode.raw_pixels import RAW
from streams.decode.tiff_files import declared_tiff, read_tiff
from streams.observation import Image

log = logging.getLogger("inspector.streams.images")

_FILES = {
    PixelFormat.PIXEL_FORMAT_PNG: read_png,
    PixelFormat.PIXEL_FORMAT_JPEG: read_jpeg,
    PixelFormat.PIXEL_FORMAT_TIFF: read_tiff,
    PixelFormat.PIXEL_FORMAT_BMP: read_bmp,
}
FILE_FORMATS: frozenset[int] = frozenset(_FILES)
FORMAT_OF_SUFFIX = {
    ".png": PixelFormat.PIXEL_FORMAT_PNG,
    ".jpg": PixelFormat.PIXEL_FORMAT_JPEG,
    ".jpeg": PixelFormat.PIXEL_FORMAT_JPEG,
    ".tif": PixelFormat.PIXEL_FORMAT_TIFF,
    ".tiff": PixelFormat.PIXEL_FORMAT_TIFF,
    ".bmp": PixelFormat.PIXEL_FORMAT_BMP,
}
"""Of files on a disk: the format that their name ends in."""
_DECLARED = {
    PixelFormat.PIXEL_FORMAT_PNG: declared_png,
    PixelFormat.PIXEL_FORMAT_JPEG: declared_jpeg,
    PixelFormat.PIXEL_FORMAT_TIFF: declared_tiff,
    PixelFormat.PIXEL_FORMAT_BMP: declared_bmp,
}
_CUT_SHORT = "premature end of data segment"
"""libjpeg's message (JWRN_HIT_MARKER) for a scan whose data end before its last block."""

_LARGE_BYTES = 16 * 2**20
_large_image = threading.Lock()
"""Decoding takes up to 3.3 times the image; four threads of fetched files at 128 MiB each would take 1.7 GiB."""


def decode_pixels(pixels: ImagePixels, limits: Limits) -> Image:
    """(H, W) or (H, W, 3) blue-green-red; uint16 where the source has more than 8 bits. MONO8, MONO16 and BGR8 are not
    copied.

    Raises RecordError.
    """
    if pixels.format in _FILES:
        return decode_file(pixels.data, pixels.format, limits, (pixels.width_px, pixels.height_px))
    if pixels.format not in RAW:
        raise invalid(f"pixel format is {pixels.format}, expected PNG, JPEG, MONO8, BGR8 or another: set `format`")
    if pixels.width_px == 0 or pixels.height_px == 0:
        raise invalid(f"a raw image of {pixels.width_px} x {pixels.height_px} px, expected both above 0: set them")
    raw, header = RAW[pixels.format], _raw_header(pixels)
    size = _check_size(header, limits)
    if (expected := raw.num_bytes(header.width_px, header.height_px)) != len(pixels.data):
        raise bad_image(
            f"{len(pixels.data)} bytes of pixels, expected {expected} for {header.width_px} x {header.height_px} px: "
            "send whole rows without padding"
        )
    try:
        return raw.convert(np.frombuffer(pixels.data, np.uint8), header.width_px, header.height_px)
    except MemoryError as exc:
        raise out_of_memory(size) from exc


def _raw_header(pixels: ImagePixels) -> Header:
    """Raises RecordError for sides that this format cannot have."""
    raw = RAW[pixels.format]
    for side, value, multiple in (
        ("width", pixels.width_px, raw.multiple[0]),
        ("height", pixels.height_px, raw.multiple[1]),
    ):
        if value % multiple or value < raw.least_px:
            name = PixelFormat.Name(pixels.format).removeprefix("PIXEL_FORMAT_")
            raise invalid(
                f"a raw image of {name} has a {side} of {value} px, expected a multiple of {multiple} from "
                f"{raw.least_px} on: send whole groups of pixels"
            )
    return raw.header(pixels.width_px, pixels.height_px)


def image_size(pixels: ImagePixels, limits: Limits) -> int:
    """Upper limit of the bytes that `decode_pixels` returns, from the header; 0 if it will reject that header."""
    if pixels.format not in _DECLARED and pixels.format not in RAW:
        return 0
    try:
        if pixels.format in RAW:
            return _check_size(_raw_header(pixels), limits)
        return _check_size(_DECLARED[pixels.format](pixels.data), limits)
    except RecordError:
        return 0


def decode_file(data: bytes, pixel_format: int, limits: Limits, declared_px: tuple[int, int] = (0, 0)) -> Image:
    """Decodes a file; compares `declared_px` (width, height) where it is not 0. Raises RecordError.

    A large image waits while another thread decodes a large one.
    """
    file = read_file(data, pixel_format, limits)
    header = file.header
    size = _check_size(header, limits)
    for side, declared, actual in zip(
        ("width", "height"), declared_px, (header.width_px, header.height_px), strict=True
    ):
        if declared not in {0, actual}:
            raise bad_image(
                f"the record declares a {side} of {declared} px, the file has {actual}: correct the record or the file"
            )
    with _large_image if size > _LARGE_BYTES else nullcontext():
        image = _decode_checked(file, pixel_format, size)
    if image is None or image.shape != _decoded_shape(header) or image.itemsize != header.bytes_per_value:
        actual_form = "nothing" if image is None else f"{image.shape} {image.dtype}"
        raise bad_image(
            f"the file decodes to {actual_form}, expected {_decoded_shape(header)} as its header says: send it again"
        )
    return _opaque(image, header) if header.has_alpha else image


def _opaque(image: Image, header: Header) -> Image:
    """The image without its alpha channel. Raises RecordError where that hides a pixel."""
    hidden = np.count_nonzero(image[..., 3] != np.iinfo(image.dtype).max)
    if hidden:
        raise bad_image(
            f"{hidden} of {header.width_px * header.height_px} pixels are transparent (alpha), expected none: save it "
            "without alpha, on a background"
        )
    return cast(Image, np.ascontiguousarray(image[..., : header.channels] if header.channels > 1 else image[..., 0]))


def read_file(data: bytes, pixel_format: int, limits: Limits) -> ImageFile:
    """Checks the parts and the size of a file, as far as possible before decoding. Raises RecordError."""
    file: ImageFile = _FILES[pixel_format](data)  # type: ignore[index]  # enum values are ints on the wire
    _check_size(file.header, limits)
    return file


def _check_size(header: Header, limits: Limits) -> int:
    """The decoded size in bytes. Raises RecordError where it exceeds the limits."""
    width_px, height_px = header.width_px, header.height_px
    num_bytes = width_px * height_px * header.decoded_channels * header.bytes_per_value
    if width_px == 0 or height_px == 0:
        raise bad_image(f"the image has {width_px} x {height_px} px, expected both above 0: send it again")
    if (
        max(width_px, height_px) > limits.max_side_px
        or width_px * height_px > limits.max_pixels
        or num_bytes > limits.max_image_bytes
    ):
        raise too_large(
            f"the image has {width_px} x {height_px} px ({num_bytes} bytes decoded), expected at most "
            f"{limits.max_side_px} px a side, {limits.max_pixels} px and {limits.max_image_bytes} bytes: "
            "crop it or raise the limit"
        )
    return num_bytes


def _decoded_shape(header: Header) -> tuple[int, ...]:
    plane, channels = (header.height_px, header.width_px), header.decoded_channels
    return plane if channels == 1 else (*plane, channels)


def _decode_checked(file: ImageFile, pixel_format: int, size: int) -> Image | None:
    """Raises RecordError, also for a lack of memory."""
    try:
        content = file.for_decoder()
        image = _decode_jpeg(content) if pixel_format == PixelFormat.PIXEL_FORMAT_JPEG else _imdecode(content)
    except MemoryError as exc:
        raise out_of_memory(size) from exc
    if image is None and lacks_memory(size):
        raise out_of_memory(size)
    return image


def _decode_jpeg(content: bytes | bytearray) -> Image | None:
    """Raises RecordError for a scan whose data end too early, even if an end marker follows."""
    image, messages = with_messages(lambda: _imdecode(content))
    if _CUT_SHORT in messages:
        raise bad_image(
            f"the JPEG of {len(content)} bytes ends before its last row, expected a whole file: send it again"
        )
    if messages:
        log.debug("A JPEG of %d bytes is decoded in spite of libjpeg's message: %s", len(content), messages.strip())
    return image


def _imdecode(content: bytes | bytearray) -> Image | None:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return None if image is None else cast(Image, image)
