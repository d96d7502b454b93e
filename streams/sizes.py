"""Tells from a record's bytes what it will take once it is decoded, before it is. Checks nothing: `decode` does."""

import struct

from google.protobuf.message import DecodeError

from protos.inspection.v1.records_pb2 import CameraFrame, ImagePixels, PixelFormat
from streams.limits import Limits
from streams.records import TYPE_PREFIX, Record

_FRAME, _SIGNALS = TYPE_PREFIX + "CameraFrame", {TYPE_PREFIX + "SignalChunk", TYPE_PREFIX + "ProcessTrace"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3}
_PNG_IHDR_AT = 16


def decoded_size(record: Record, limits: Limits) -> int:
    """Bytes that the image or the samples of a record take once decoded, at most: from its header alone.

    0 where `decode` refuses the record, or where it only refers to an image.
    """
    if len(record.value) > limits.max_record_bytes:
        return 0
    if record.type in _SIGNALS:
        return 2 * len(record.value)  # 16 bits become 32
    if record.type != _FRAME:
        return 0
    try:
        frame = CameraFrame.FromString(record.value)
    except DecodeError:
        return 0
    return min(_image_size(frame.pixels), limits.max_image_bytes) if frame.HasField("pixels") else 0


def _image_size(pixels: ImagePixels) -> int:
    if pixels.format == PixelFormat.PIXEL_FORMAT_PNG:
        return _png_size(pixels.data)
    if pixels.format == PixelFormat.PIXEL_FORMAT_JPEG:
        return _jpeg_size(pixels.data)
    return len(pixels.data)


def _png_size(data: bytes) -> int:
    if len(data) < _PNG_IHDR_AT + 10:
        return 0
    width_px, height_px, depth, colour = struct.unpack_from(">IIBB", data, _PNG_IHDR_AT)
    return int(width_px * height_px * _PNG_CHANNELS.get(colour, 0) * (2 if depth == 16 else 1))


def _jpeg_size(data: bytes) -> int:
    """By the largest of the frame headers, wherever the segments lead."""
    size, at = 0, 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            break
        if 0xC0 <= marker <= 0xC2:
            height_px, width_px, channels = struct.unpack_from(">HHB", data, at + 5)
            size = max(size, height_px * width_px * channels)
        at += 1 if marker == 0xFF else 2 + max(length, 2)
    return size
