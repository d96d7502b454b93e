"""Reads what a PNG or JPEG file declares about itself and whether it is whole, before any pixel is decoded.

Every PNG chunk is checked by its CRC. JPEG has no checksum: a flipped bit in its pixels cannot be told.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.limits import Finding

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIRST_CHUNK_END = 33
_PNG_CHANNELS = {(0, 8): 1, (0, 16): 1, (2, 8): 3, (2, 16): 3, (3, 8): 3}
"""Channels by (colour type, bit depth): grey, colour, and palette as colour."""
_MAX_CHUNKS = 20_000
_MAX_SEGMENTS = 1_000
_HARMLESS_BYTES = 256 * 1024
_INFLATE_BYTES = 1 << 16
_MAX_SCANS = 100
"""A progressive JPEG of thousands of scans costs a second per megapixel; encoders write about ten."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of its image."""

    width_px: int
    height_px: int
    channels: int
    bytes_per_value: int
    progressive: bool = False


def bad_image(detail: str) -> Finding:
    """The image is truncated, damaged or not of the declared form."""
    return Finding(DeadLetterReason.DEAD_LETTER_REASON_BAD_IMAGE, detail)


def declared_png(data: bytes) -> Header:
    """What a PNG file says in its first chunk; nothing behind it is looked at. Raises Finding."""
    if len(data) < _FIRST_CHUNK_END or not data.startswith(_PNG_SIGNATURE):
        raise bad_image(f"the data begin with {data[:8].hex() or 'nothing'}, expected a PNG signature: check `format`")
    return _ihdr(data[12:16], memoryview(data)[16 : _FIRST_CHUNK_END - 4])


def declared_jpeg(data: bytes) -> Header:
    """What a JPEG file says in its first frame header; nothing behind it is looked at. Raises Finding."""
    for marker, body in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return _sof(marker, body)
    raise bad_image("the JPEG has no frame header before its first scan, expected one: save it anew")


def png_header(data: bytes) -> Header:
    """Walks the chunks of a PNG file to its IEND. Refuses alpha and animation. Raises Finding."""
    if not data.startswith(_PNG_SIGNATURE):
        raise bad_image(f"the data begin with {data[:8].hex() or 'nothing'}, expected a PNG signature: check `format`")
    header = None
    pixels: list[memoryview] = []
    for kind, body in _png_chunks(data):
        if header is None:
            header = _ihdr(kind, body)
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind in {b"tRNS", b"acTL"}:
            raise bad_image(
                f"the PNG has a chunk {kind.decode()}, expected neither alpha nor animation: save it without"
            )
        elif kind == b"IEND":
            _check_surplus(header, pixels)
            return header
    raise bad_image(f"the PNG of {len(data)} bytes has no end (IEND), expected a whole file: send it again")


def _check_surplus(header: Header, pixels: list[memoryview]) -> None:
    """Refuses pixel data that inflate to more than twice what the header says: the decoder would inflate all of them.

    Small data are let pass, for they cannot keep it busy for more than a second.
    """
    if sum(map(len, pixels)) <= _HARMLESS_BYTES:
        return
    most = 2 * header.width_px * header.height_px * header.channels * header.bytes_per_value + _INFLATE_BYTES
    inflater, size = zlib.decompressobj(), 0
    try:
        for body in pixels:
            rest = bytes(body)
            while rest and not inflater.eof:
                size += len(inflater.decompress(rest, _INFLATE_BYTES))
                if size > most:
                    raise bad_image(
                        f"the PNG's pixel data inflate to more than {most} bytes, expected those of "
                        f"{header.width_px} x {header.height_px} px: save it anew"
                    )
                rest = inflater.unconsumed_tail
    except zlib.error as exc:
        raise bad_image(f"the PNG's pixel data do not inflate ({exc}), expected a whole file: send it again") from exc


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, start = memoryview(data), len(_PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if start + 12 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 12 + length
        if end > len(data):
            raise bad_image(
                f"the PNG ends {end - len(data)} bytes inside a chunk, expected a whole file: send it again"
            )
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[start + 4 : end - 4]) != crc:
            raise bad_image(f"the PNG's chunk at byte {start} fails its CRC, expected {crc:08x}: send it again")
        yield data[start + 4 : start + 8], view[start + 8 : end - 4]
        start = end
    raise bad_image(f"the PNG has more than {_MAX_CHUNKS} chunks, expected fewer: save it with larger IDAT chunks")


def _ihdr(kind: bytes, body: memoryview) -> Header:
    if kind != b"IHDR" or len(body) != 13:
        raise bad_image(f"the PNG begins with chunk {kind!r} of {len(body)} bytes, expected IHDR of 13: save it anew")
    width_px, height_px, depth, colour = struct.unpack_from(">IIBB", body)
    channels = _PNG_CHANNELS.get((colour, depth))
    if channels is None:
        raise bad_image(
            f"the PNG has colour type {colour} with {depth} bits, expected grey or colour of 8 or 16 bits "
            "without alpha: save it as one of these"
        )
    return Header(width_px, height_px, channels, 2 if depth == 16 else 1)


def jpeg_header(data: bytes) -> Header:
    """Walks the segments of a JPEG file to its first scan. Raises Finding."""
    if not data.startswith(b"\xff\xd8"):
        raise bad_image(
            f"the data begin with {data[:2].hex() or 'nothing'}, expected a JPEG file (ffd8): check `format`"
        )
    if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise bad_image(f"the JPEG of {len(data)} bytes has no end (ffd9), expected a whole file: send it again")
    if (scans := data.count(b"\xff\xda")) > _MAX_SCANS:
        raise bad_image(f"the JPEG has {scans} scans, expected at most {_MAX_SCANS}: save it as baseline JPEG")
    header = None
    for marker, body in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            if header is not None:
                raise bad_image("the JPEG has two frame headers, expected one: save it anew")
            header = _sof(marker, body)
    if header is None:
        raise bad_image("the JPEG has no frame header before its first scan, expected one: save it anew")
    return header


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment up to the first scan."""
    start = 2
    for _ in range(_MAX_SEGMENTS):
        while data[start : start + 2] == b"\xff\xff":
            start += 1
        if start + 4 > len(data) or data[start] != 0xFF:
            raise bad_image(f"the JPEG has no marker at byte {start}, expected one: send it again")
        marker, (length,) = data[start + 1], struct.unpack_from(">H", data, start + 2)
        if marker == 0xDA:
            return
        if length < 2 or start + 2 + length > len(data):
            raise bad_image(
                f"the JPEG's segment at byte {start} claims {length} bytes, expected what is there: send it again"
            )
        yield marker, data[start + 4 : start + 2 + length]
        start += 2 + length
    raise bad_image(f"the JPEG has more than {_MAX_SEGMENTS} segments, expected fewer: save it without metadata")


def _sof(marker: int, body: bytes) -> Header:
    if len(body) < 6:
        raise bad_image(f"the JPEG's frame header has {len(body)} bytes, expected at least 6: send it again")
    depth, height_px, width_px, channels = struct.unpack_from(">BHHB", body)
    if marker > 0xC2 or depth != 8 or channels not in {1, 3}:
        raise bad_image(
            f"the JPEG is of process {marker - 0xC0} with {depth} bits and {channels} components, expected baseline or "
            "progressive, 8 bits, 1 or 3 components: save it as one of these"
        )
    return Header(width_px, height_px, channels, 1, progressive=marker == 0xC2)
