"""Reads the EXIF orientation of an image file, to warn of it: nothing here turns an image."""

import struct
from collections.abc import Iterator

AS_STORED = 1
_TAG, _SHORT = 0x0112, 3
_MAX_ENTRIES = 1000
_MAX_PARTS = 1000
_EXIF = b"Exif\0\0"


def orientation(data: bytes) -> int:
    """1 to 8 as in EXIF; 1 where the file has no readable orientation."""
    for block in _jpeg_blocks(data) if data.startswith(b"\xff\xd8") else _png_blocks(data):
        value = _of_tiff(block)
        if 1 <= value <= 8:
            return value
    return AS_STORED


def _jpeg_blocks(data: bytes) -> Iterator[bytes]:
    start = 2
    for _ in range(_MAX_PARTS):
        if start + 4 > len(data) or data[start] != 0xFF or data[start + 1] == 0xDA:
            return
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        body = data[start + 4 : start + 2 + length]
        if data[start + 1] == 0xE1 and body.startswith(_EXIF):
            yield body[len(_EXIF) :]
        start += 2 + length


def _png_blocks(data: bytes) -> Iterator[bytes]:
    start = 8
    for _ in range(_MAX_PARTS):
        if start + 12 > len(data):
            return
        length = int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] == b"eXIf":
            yield data[start + 8 : start + 8 + length]
        start += 12 + length


def _of_tiff(block: bytes) -> int:
    """The orientation in the first directory of a TIFF header; 0 without one."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 0
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return 0
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for number in range(min(count, _MAX_ENTRIES)):
        at = start + 2 + 12 * number
        if at + 12 > len(block):
            return 0
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, at)
        if (tag, kind) == (_TAG, _SHORT):
            return int(value)
    return 0
