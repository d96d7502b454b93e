"""Checks the headers of a BMP file: 24 bits of colour, or 8 bits with a palette, not compressed."""

import struct

import numpy as np

from streams.decode.image_headers import Header, ImageFile, bad_image

_FILE_BYTES, _INFO_BYTES = 14, 40


def declared_bmp(data: bytes) -> Header:
    """The properties that the file declares. Raises RecordError."""
    if not data.startswith(b"BM") or len(data) < _FILE_BYTES + _INFO_BYTES:
        raise bad_image(f"the data begin with {data[:2].hex() or 'nothing'}, expected a BMP file: check `format`")
    (info_bytes,) = struct.unpack_from("<I", data, 14)
    width_px, height_px, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if info_bytes < _INFO_BYTES or planes != 1 or bits not in (8, 24) or compression != 0 or width_px <= 0:
        raise bad_image(
            f"the BMP has {bits} bits per pixel with compression {compression}, expected 8 or 24 without: save as PNG"
        )
    channels = 1 if bits == 8 and _is_grey(data, info_bytes) else 3
    return Header(width_px, abs(height_px), channels, 1)


def read_bmp(data: bytes) -> ImageFile:
    """Checks that all rows are there. Raises RecordError."""
    header = declared_bmp(data)
    (start,) = struct.unpack_from("<I", data, 10)
    (bits,) = struct.unpack_from("<H", data, 28)
    row_bytes = -(-header.width_px * bits // 32) * 4
    expected = start + row_bytes * header.height_px
    if start < _FILE_BYTES + _INFO_BYTES or len(data) < expected:
        raise bad_image(f"the BMP has {len(data)} bytes, expected {expected}: it is cut, send it again")
    return ImageFile(header, lambda: data)


def _is_grey(data: bytes, info_bytes: int) -> bool:
    """Whether the palette is one: blue, green, red and a byte without meaning for each value."""
    (used,) = struct.unpack_from("<I", data, 46)
    first = _FILE_BYTES + info_bytes
    palette = data[first : first + 4 * (used or 256)]
    if used > 256 or not palette or len(palette) % 4:
        raise bad_image(f"the BMP has a palette of {len(palette)} bytes for {used} colours: save it as PNG")
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 4)
    return bool((colours[:, 0] == colours[:, 1]).all() and (colours[:, 1] == colours[:, 2]).all())
