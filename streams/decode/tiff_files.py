"""Checks the directory of a TIFF file: one page of grey or colour, 8 or 16 bits, in strips that are all there.

The decoder gets only the entries that pixels depend on: libtiff copies the values of every entry, also where hundreds
of them name the same bytes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from streams.decode.image_headers import Header, ImageFile, bad_image
from streams.decode.limits import RecordError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION = 256, 257, 258, 259, 262, 273, 274
_SAMPLES, _ROWS, _COUNTS, _PLANAR, _TILE_WIDTH, _EXTRA, _FORMAT = 277, 278, 279, 284, 322, 338, 339
_FILL_ORDER, _PREDICTOR = 266, 317
_NEEDED = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS,
           _PLANAR, _TILE_WIDTH, _EXTRA, _FORMAT, _FILL_ORDER, _PREDICTOR}  # fmt: skip
"""By the decoder."""
_TYPES = {1: "B", 3: "H", 4: "I"}
_COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_CHANNELS = {1: 1, 2: 3}
"""By photometric interpretation: grey from black, colour."""
_MAX_ENTRIES = 500
_MAX_VALUES = 70_000
"""Of one entry: a strip for each row."""


@dataclass(frozen=True)
class _Directory:
    values: Mapping[int, tuple[int, ...]]
    needed: bytes
    """The directory without metadata, as it lies in a file."""

    def one(self, tag: int, default: int = 0) -> int:
        found = self.values.get(tag, (default,))
        return found[0] if found else default


def declared_tiff(data: bytes) -> Header:
    """The properties in the first directory. Raises RecordError."""
    return _header(_directory(data))


def read_tiff(data: bytes) -> ImageFile:
    """Checks that every strip lies in the file. Raises RecordError."""
    directory = _directory(data)
    header = _header(directory)
    offsets, counts = directory.values.get(_OFFSETS, ()), directory.values.get(_COUNTS, ())
    rows = min(directory.one(_ROWS, header.height_px), header.height_px) or 1
    if len(offsets) != len(counts) or len(offsets) != -(-header.height_px // rows):
        raise bad_image(f"the TIFF has {len(offsets)} strips of {rows} rows for {header.height_px} rows: save it again")
    end = max((offset + count for offset, count in zip(offsets, counts, strict=True)), default=0)
    if end > len(data) or 0 in counts:
        raise bad_image(f"the TIFF has {len(data)} bytes, its last strip ends at {end}: it is cut, send it again")
    return ImageFile(header, lambda: _without_metadata(data, directory))


def _without_metadata(data: bytes, directory: _Directory) -> bytes:
    """With another directory at its end, which refers to the same places."""
    order = "<" if data.startswith(b"II") else ">"
    return b"".join((data[:4], struct.pack(f"{order}I", len(data)), data[8:], directory.needed))


def _directory(data: bytes) -> _Directory:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        raise bad_image(f"the data begin with {data[:4].hex() or 'nothing'}, expected a TIFF file: check `format`")
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        raise _cut(data)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    end = start + 2 + 12 * count
    if count > _MAX_ENTRIES or end + 4 > len(data):
        raise _cut(data)
    if struct.unpack_from(f"{order}I", data, end) != (0,):
        raise bad_image("the TIFF has several pages, expected one: save the one that counts")
    values: dict[int, tuple[int, ...]] = {}
    needed = []
    for at in range(start + 2, end, 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, at)
        if tag not in _NEEDED:
            continue
        if tag in values or kind not in _TYPES:
            wrong = "twice" if tag in values else f"of type {kind}"
            raise bad_image(f"the TIFF has the entry {tag} {wrong}, which readers take differently: save it again")
        values[tag] = _values(data, order, at, _TYPES[kind], length)
        needed.append(data[at : at + 12])
    size, none_follows = struct.pack(f"{order}H", len(needed)), bytes(4)
    return _Directory(values, b"".join((size, *needed, none_follows)))


def _values(data: bytes, order: str, at: int, code: str, length: int) -> tuple[int, ...]:
    if length > _MAX_VALUES:
        raise bad_image(f"the TIFF has an entry of {length} values, expected at most {_MAX_VALUES}: save it again")
    size = struct.calcsize(f"{order}{length}{code}")
    start = at + 8
    if size > 4:
        (start,) = struct.unpack_from(f"{order}I", data, start)
    if start + size > len(data):
        raise _cut(data)
    return struct.unpack_from(f"{order}{length}{code}", data, start)


def _header(directory: _Directory) -> Header:
    photometric, samples = directory.one(_PHOTOMETRIC), directory.one(_SAMPLES, 1)
    bits = set(directory.values.get(_BITS, (1,)))
    plain = directory.one(_PLANAR, 1) == 1 and directory.one(_FORMAT, 1) == 1 and directory.one(_ORIENTATION, 1) == 1
    if (
        not plain
        or _CHANNELS.get(photometric) != samples
        or bits not in ({8}, {16})
        or directory.one(_COMPRESSION, 1) not in _COMPRESSIONS
        or _TILE_WIDTH in directory.values
        or _EXTRA in directory.values
    ):
        raise bad_image(
            f"the TIFF has photometric {photometric}, {samples} samples of {sorted(bits)} bits, compression "
            f"{directory.one(_COMPRESSION, 1)}, orientation {directory.one(_ORIENTATION, 1)}: expected grey or colour "
            "of 8 or 16 bits without alpha, in strips, not turned, without JPEG inside: save it as PNG"
        )
    return Header(directory.one(_WIDTH), directory.one(_HEIGHT), samples, 2 if bits == {16} else 1)


def _cut(data: bytes) -> RecordError:
    return bad_image(f"the TIFF of {len(data)} bytes ends before its directory does: it is cut, send it again")
