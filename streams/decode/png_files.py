"""Turns a PNG file into one that libpng decodes in bounded time without warnings: critical chunks, unpacked rows.

Pixel data are inflated here, once, and passed on in stored blocks: inflating them a second time in libpng took 1.5
times as long (5 MP: 80 ms against 52 ms).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from streams.decode.image_headers import Header, ImageFile, bad_image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_END = 33
_GREY, _COLOUR, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {(_GREY, depth): 1 for depth in (1, 2, 4, 8, 16)}
_CHANNELS |= {(_COLOUR, depth): 3 for depth in (8, 16)}
_CHANNELS |= {(_PALETTE, depth): 3 for depth in (1, 2, 4, 8)}
_CHANNELS |= {(_GREY_ALPHA, depth): 1 for depth in (8, 16)}
_CHANNELS |= {(_COLOUR_ALPHA, depth): 3 for depth in (8, 16)}
"""Channels by (colour type, bit depth): grey, colour, and palette as colour. Grey of fewer bits becomes 0 to 255."""
_VALUES = {_GREY: 1, _COLOUR: 3, _PALETTE: 1, _GREY_ALPHA: 2, _COLOUR_ALPHA: 4}
"""Of one pixel in a row, by colour type."""
_ANCILLARY = 0x20
"""This bit of a chunk's first letter marks chunks that are not needed to show the image."""
_MAX_CHUNKS = 20_000
_MAX_PIECE_BYTES = 0xFFFF
"""A stored block of deflate holds no more."""
_ZLIB_HEADER, _LAST_BLOCK = b"\x78\x01", b"\x01\0\0\xff\xff"
_MAX_INPUT_BYTES = 1 << 16
_MAX_FILTER = 4
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: column, row, and their steps, of each pass of an interlaced file (PNG specification, section 8.2)."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where a run of equally long rows lies in the unpacked data; each begins with its filter."""

    start: int
    end: int
    row_bytes: int


def declared_png(data: bytes) -> Header:
    """The properties in the first chunk of a PNG file; the rest is not read. Raises RecordError."""
    if not data.startswith(_SIGNATURE):
        raise bad_image(f"the data begin with {data[:8].hex() or 'nothing'}, expected a PNG signature: check `format`")
    kind, body = data[12:16], data[16 : _IHDR_END - 4]
    if kind != b"IHDR" or data[8:12] != b"\0\0\0\x0d" or len(data) < _IHDR_END:
        raise bad_image(f"the PNG begins with chunk {kind!r}, expected IHDR of 13 bytes: save it again")
    width_px, height_px, depth, colour, *methods, interlace = struct.unpack(">IIBBBBB", body)
    channels = _CHANNELS.get((colour, depth))
    if channels is None:
        raise bad_image(
            f"the PNG has colour type {colour} with {depth} bits, expected grey, colour or palette of at most "
            "16 bits: save it as one of these"
        )
    if methods != [0, 0] or interlace > 1:
        raise bad_image(
            f"the PNG has methods {methods} and interlace {interlace}, expected 0 and 0 or 1: save it again"
        )
    return Header(width_px, height_px, channels, 2 if depth == 16 else 1, colour in (_GREY_ALPHA, _COLOUR_ALPHA))


def read_png(data: bytes) -> ImageFile:
    """Checks the chunks of a PNG file up to IEND. Rejects transparent colours and animation. Raises RecordError."""
    header = declared_png(data)
    palette: memoryview | None = None
    pixels: list[memoryview] = []
    for kind, body in islice(_chunks(data), 1, None):
        if kind == b"IDAT":
            pixels.append(body)
        elif kind == b"PLTE" and palette is None and not pixels:
            palette = body
        elif kind in {b"tRNS", b"acTL"}:
            raise bad_image(
                f"the PNG has a chunk {kind.decode()}, expected neither alpha nor animation: save it without"
            )
        elif kind == b"IEND":
            head = _head(data, palette)
            return ImageFile(header, partial(_unpacked, head, _layout(data, header), pixels))
        elif not kind[0] & _ANCILLARY:
            raise bad_image(f"the PNG has a chunk {kind!r} that is unknown or out of place: save it again")
    raise bad_image(f"the PNG of {len(data)} bytes has no end (IEND), expected a whole file: send it again")


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, start = memoryview(data), len(_SIGNATURE)
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


def _head(data: bytes, palette: memoryview | None) -> bytearray:
    """Signature, IHDR, and a palette filled up to full length, so that every pixel value has an entry."""
    head = bytearray(data[:_IHDR_END])
    if data[25] != _PALETTE:
        return head
    max_colours = 2 ** data[24]
    if palette is None or not palette or len(palette) % 3 or len(palette) > 3 * max_colours:
        size = "none" if palette is None else f"one of {len(palette)} bytes"
        raise bad_image(
            f"the PNG needs a palette and has {size}, expected 3 bytes for 1 to {max_colours} colours: save it again"
        )
    _add_chunk(head, b"PLTE", bytes(palette).ljust(3 * max_colours, b"\0"))
    return head


def _layout(data: bytes, header: Header) -> list[_Rows]:
    """The runs of rows: one, or one for each pass that has pixels."""
    pixel_bits = data[24] * _VALUES[data[25]]
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    runs: list[_Rows] = []
    start = 0
    for column, row, across, down in passes:
        width, height = -(-(header.width_px - column) // across), -(-(header.height_px - row) // down)
        if width > 0 and height > 0:
            row_bytes = 1 + -(-width * pixel_bits // 8)
            runs.append(_Rows(start, start + height * row_bytes, row_bytes))
            start = runs[-1].end
    return runs


def _unpacked(head: bytearray, layout: list[_Rows], pixels: list[memoryview]) -> bytearray:
    """The file with its rows in stored blocks, one per chunk. Raises RecordError."""
    file, checksum, position, size = bytearray(head), 1, 0, layout[-1].end
    _add_chunk(file, b"IDAT", _ZLIB_HEADER)
    # Rows of 8 bits under a header with fewer bits would decode to noise: no surplus byte is allowed there.
    for piece in _inflated(pixels, max_bytes=size if head[24] < 8 else 2 * size + _MAX_INPUT_BYTES):
        rows = piece[: size - position]
        _check_filters(rows, position, layout)
        position += len(rows)
        checksum = zlib.adler32(rows, checksum)
        _add_chunk(file, b"IDAT", struct.pack("<BHH", 0, len(rows), len(rows) ^ 0xFFFF), rows)
    if position < size:
        raise bad_image(f"the PNG's pixel data inflate to {position} bytes, expected {size}: send it again")
    _add_chunk(file, b"IDAT", _LAST_BLOCK, struct.pack(">I", checksum))
    _add_chunk(file, b"IEND")
    return file


def _inflated(pixels: list[memoryview], max_bytes: int) -> Iterator[bytes]:
    """The rows in pieces that each fit into a stored block.

    Feeds the input in slices: zlib copies its unconsumed part, which is quadratic for a large chunk.
    """
    inflater, size = zlib.decompressobj(), 0
    for body in pixels:
        for start in range(0, len(body), _MAX_INPUT_BYTES):
            rest: bytes | memoryview = body[start : start + _MAX_INPUT_BYTES]
            while rest and not inflater.eof:
                piece = _inflate(inflater, rest)
                size += len(piece)
                if size > max_bytes:
                    raise bad_image(
                        f"the PNG's pixel data inflate to more than the declared {max_bytes} bytes: save it again"
                    )
                yield piece
                rest = inflater.unconsumed_tail


def _inflate(inflater: "zlib._Decompress", packed: bytes | memoryview) -> bytes:
    try:
        return inflater.decompress(packed, _MAX_PIECE_BYTES)
    except zlib.error as exc:
        raise bad_image(f"the PNG's pixel data do not inflate ({exc}), expected a whole file: send it again") from exc


def _check_filters(rows: bytes, position: int, layout: list[_Rows]) -> None:
    values = np.frombuffer(rows, np.uint8)
    for run in layout:
        first, end = max(run.start, position), min(run.end, position + len(rows))
        if first >= end:
            continue
        first += -(first - run.start) % run.row_bytes
        filters = values[first - position : end - position : run.row_bytes]
        if filters.max(initial=0) > _MAX_FILTER:
            raise bad_image(f"the PNG has a row with filter {filters.max()}, expected 0 to 4: send it again")


def _add_chunk(file: bytearray, kind: bytes, *parts: bytes) -> None:
    file += struct.pack(">I", sum(map(len, parts))) + kind
    checksum = zlib.crc32(kind)
    for part in parts:
        file += part
        checksum = zlib.crc32(part, checksum)
    file += struct.pack(">I", checksum)
