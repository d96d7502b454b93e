"""Takes image files apart and puts them together in ways that no encoder does."""

import struct
import zlib

import cv2
import numpy as np

from tests import malformed as bad

SOF, PROGRESSIVE_SOF, SOS = 0xC0, 0xC2, 0xDA
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def parts_of(jpeg: bytes) -> list[tuple[int, bytes, bytes]]:
    """Marker, body and scan data of each segment between the first and the last two bytes."""
    parts, start = [], 2
    while jpeg[start : start + 2] != b"\xff\xd9":
        (length,) = struct.unpack_from(">H", jpeg, start + 2)
        end = scan_end = start + 2 + length
        while jpeg[start + 1] == SOS and (jpeg[scan_end] != 0xFF or jpeg[scan_end + 1] in {0, *range(0xD0, 0xD8)}):
            scan_end += 1
        parts.append((jpeg[start + 1], jpeg[start + 4 : end], jpeg[end:scan_end]))
        start = scan_end
    return parts


def joined(parts: list[tuple[int, bytes, bytes]]) -> bytes:
    return b"\xff\xd8" + b"".join(segment(marker, body) + scan for marker, body, scan in parts) + b"\xff\xd9"


def sized(jpeg: bytes, width_px: int, height_px: int) -> bytes:
    """The file with other sides in its frame header."""
    sides = struct.pack(">HH", height_px, width_px)
    return joined(
        [
            (marker, body[:1] + sides + body[5:] if marker in {SOF, PROGRESSIVE_SOF} else body, scan)
            for marker, body, scan in parts_of(jpeg)
        ]
    )


def hidden_header(marker: int) -> bytes:
    """A JPEG of 1 kB whose large frame header hides behind a marker that has no length for libjpeg."""
    small = bad.jpeg(np.full((16, 16, 3), 90, np.uint8))
    bomb = sized(small, 12_000, 12_000)
    return b"\xff\xd8" + segment(marker, bomb[2:-2] + bytes(8)) + sized(small, 64, 48)[2:]


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """The file with more chunks behind its first."""
    return png[:33] + b"".join(bad.png_chunk(*chunk) for chunk in chunks) + png[33:]


def interlaced(image: np.ndarray) -> bytes:
    """An Adam7 PNG, which OpenCV does not write; grey or blue-green-red, 8 or 16 bits."""
    colour = image[..., ::-1] if image.ndim == 3 else image[..., None]
    wire = colour.astype(">u2" if image.dtype == np.uint16 else "u1")
    rows = [
        b"\0" + row.tobytes()
        for column, first, across, down in _PASSES
        for row in wire[first::down, column::across]
        if row.size
    ]
    head = struct.pack(">IIBBBBB", *image.shape[1::-1], wire.itemsize * 8, 2 if image.ndim == 3 else 0, 0, 0, 1)
    chunks = (bad.png_chunk(b"IHDR", head), bad.png_chunk(b"IDAT", zlib.compress(b"".join(rows))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + bad.png_chunk(b"IEND", b"")


def decoded_by_opencv(file: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED))
