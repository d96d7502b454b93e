"""Turns a JPEG file into one that libjpeg decodes in bounded time, by checking every segment of the image.

libjpeg receives no unchecked frame header, no metadata and no bytes after the end of the image. JPEG has no checksum: a
flipped bit in the pixel data cannot be detected.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from streams.decode.image_headers import Header, ImageFile, bad_image
from streams.decode.limits import RecordError

_PROGRESSIVE, _EOI, _SOS = 0xC2, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APPLICATION = frozenset(range(0xE0, 0xF0))
_WITH_LENGTH = _FRAMES | _APPLICATION | {0xC4, 0xCC, _SOS, 0xDB, 0xDC, 0xDD, 0xFE}
"""Tables, scans, comments: all other markers have no length or no meaning, and libjpeg stops at most of them."""
_METADATA = _APPLICATION - {0xE0, 0xEE} | {0xFE}
"""Only the JFIF and Adobe segments affect pixels: they define how colours are stored."""
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The marker after the data of a scan: neither a stuffed byte nor a restart marker."""
_COEFFICIENTS = 64
_MAX_SEGMENTS = 1_000
_MAX_SCANS = 20
_MAX_SCANNED_PX = 200_000_000
"""Limit of scans times pixels; encoders write about ten scans."""


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    body: bytes
    raw: memoryview
    """The complete segment; that of a scan includes the scan's data."""


@dataclass(slots=True)
class _Frame:
    """A frame header, and the precision of each coefficient after the scans so far."""

    header: Header
    progressive: bool
    lowest_bits: dict[int, list[int]]
    """By component: the lowest transmitted bit of each of 64 coefficients; -1 before the first."""
    num_scans: int = 0


def declared_jpeg(data: bytes) -> Header:
    """The properties in the first frame header of a JPEG file; the rest is not read. Raises RecordError."""
    for segment in _segments(data):
        if segment.marker in _FRAMES:
            return _frame(segment).header
        if segment.marker == _SOS:
            break
    raise _no_frame()


def read_jpeg(data: bytes) -> ImageFile:
    """Checks the segments of a JPEG file; drops bytes after the end of the image. Raises RecordError."""
    frame: _Frame | None = None
    parts: list[bytes | memoryview] = [b"\xff\xd8"]
    for segment in _segments(data):
        if segment.marker in _FRAMES:
            if frame is not None:
                raise bad_image("the JPEG has two frame headers, expected one: save it again")
            frame = _frame(segment)
        elif segment.marker == _SOS:
            if frame is None:
                raise _no_frame()
            _add_scan(frame, segment.body)
        if segment.marker not in _METADATA:
            parts.append(segment.raw)
    if frame is None:
        raise _no_frame()
    _check_whole(frame)
    return ImageFile(frame.header, lambda: b"".join(parts))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments after the first two bytes, up to the end marker."""
    if not data.startswith(b"\xff\xd8"):
        raise bad_image(
            f"the data begin with {data[:2].hex() or 'nothing'}, expected a JPEG file (ffd8): check `format`"
        )
    start = 2
    for _ in range(_MAX_SEGMENTS):
        segment = _segment(data, start)
        yield segment
        if segment.marker == _EOI:
            return
        start += len(segment.raw)
    raise bad_image(f"the JPEG has more than {_MAX_SEGMENTS} segments, expected fewer: save it without metadata")


def _segment(data: bytes, start: int) -> _Segment:
    fill = _FILL.match(data, start)
    code = start if fill is None else fill.end()
    if code >= len(data):
        raise _no_end(data)
    marker = data[code]
    if fill is None or (marker not in _WITH_LENGTH and marker != _EOI):
        raise bad_image(
            f"the JPEG has the byte {marker:02x} at {code}, expected the marker of a segment: save it again"
        )
    view = memoryview(data)
    if marker == _EOI:
        return _Segment(marker, b"", view[start : code + 1])
    length = int.from_bytes(data[code + 1 : code + 3], "big")
    end = code + 1 + length
    if length < 2 or end > len(data):
        raise bad_image(
            f"the JPEG's segment at byte {start} claims {length} bytes, more than the file has: send it again"
        )
    body = data[code + 3 : end]
    if marker == _SOS:
        end = _end_of_scan(data, end)
    return _Segment(marker, body, view[start:end])


def _end_of_scan(data: bytes, start: int) -> int:
    marker = _MARKER.search(data, start)
    if marker is None:
        raise _no_end(data)
    return marker.start()


def _no_end(data: bytes) -> RecordError:
    return bad_image(f"the JPEG of {len(data)} bytes has no end (ffd9), expected a whole file: send it again")


def _no_frame() -> RecordError:
    return bad_image("the JPEG has no frame header before its first scan, expected one: save it again")


def _frame(segment: _Segment) -> _Frame:
    body, marker = segment.body, segment.marker
    if len(body) < 6:
        raise bad_image(f"the JPEG's frame header has {len(body)} bytes, expected at least 6: send it again")
    depth, height_px, width_px, channels = struct.unpack_from(">BHHB", body)
    if marker > _PROGRESSIVE or depth != 8 or channels not in {1, 3}:
        raise bad_image(
            f"the JPEG is of process {marker - 0xC0} with {depth} bits and {channels} components, expected baseline or "
            "progressive, 8 bits, 1 or 3 components: save it as one of these"
        )
    lowest_bits = {component: [-1] * _COEFFICIENTS for component in body[6::3][:channels]}
    return _Frame(Header(width_px, height_px, channels, 1), marker == _PROGRESSIVE, lowest_bits)


def _add_scan(frame: _Frame, body: bytes) -> None:
    frame.num_scans += 1
    count = body[0] if body else 0
    if len(body) != 1 + 2 * count + 3:
        raise bad_image(f"the JPEG's scan {frame.num_scans} has a header of {len(body)} bytes: send it again")
    first, last, bits = body[-3:] if frame.progressive else (0, _COEFFICIENTS - 1, 0)
    for component in body[1 : 1 + 2 * count : 2]:
        if component not in frame.lowest_bits or not first <= last < _COEFFICIENTS:
            raise bad_image(
                f"the JPEG's scan {frame.num_scans} is of component {component} and coefficients {first} to {last}, "
                "expected those of its frame header: send it again"
            )
        frame.lowest_bits[component][first : last + 1] = [bits & 0x0F] * (last + 1 - first)


def _check_whole(frame: _Frame) -> None:
    """Rejects a file that ends between two scans, which would decode into a blurred image, and one with too many
    scans."""
    header = frame.header
    scanned_px = frame.num_scans * header.width_px * header.height_px
    if frame.num_scans > _MAX_SCANS or (frame.num_scans > 1 and scanned_px > _MAX_SCANNED_PX):
        raise bad_image(
            f"the JPEG has {frame.num_scans} scans of {header.width_px} x {header.height_px} px, expected at most "
            f"{_MAX_SCANS} scans and {_MAX_SCANNED_PX // 10**6} million pixels in all of them: save it as baseline JPEG"
        )
    if any(bit != 0 for bits in frame.lowest_bits.values() for bit in bits):
        raise bad_image(
            f"the JPEG ends after {frame.num_scans} scans, before every coefficient is complete, expected a whole "
            "file: send it again"
        )
