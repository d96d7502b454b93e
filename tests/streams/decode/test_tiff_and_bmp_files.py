"""TIFF and BMP files, whole and broken: decoded as they were written, or refused before decoding."""

import struct

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import PixelFormat
from streams.decode.bmp_files import declared_bmp, read_bmp
from streams.decode.images import decode_file
from streams.decode.limits import Limits, RecordError
from streams.decode.tiff_files import declared_tiff, read_tiff

RNG = np.random.default_rng(6)
GREY = RNG.integers(0, 256, (30, 41), np.uint8)
COLOUR = RNG.integers(0, 256, (30, 41, 3), np.uint8)
GREY16 = RNG.integers(0, 65536, (30, 41)).astype(np.uint16)
COLOUR16 = RNG.integers(0, 65536, (30, 41, 3)).astype(np.uint16)
TIFF, BMP = PixelFormat.PIXEL_FORMAT_TIFF, PixelFormat.PIXEL_FORMAT_BMP
COMPRESSIONS = {"none": 1, "LZW": 5, "deflate": 8, "PackBits": 32773}


def tiff(image: np.ndarray, compression: int = 1) -> bytes:
    written, data = cv2.imencode(".tif", image, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    assert written
    return data.tobytes()


def bmp(image: np.ndarray) -> bytes:
    return cv2.imencode(".bmp", image)[1].tobytes()


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("image", [GREY, COLOUR, GREY16, COLOUR16], ids=["grey", "colour", "grey16", "colour16"])
def test_tiff_is_decoded_as_it_was_written(image: np.ndarray, compression: int) -> None:
    decoded = decode_file(tiff(image, compression), TIFF, Limits())
    assert decoded.dtype == image.dtype
    np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_bmp_is_decoded_as_it_was_written(image: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_file(bmp(image), BMP, Limits()), image)


def with_entry(data: bytes, tag: int, value: int) -> bytes:
    """The value of one entry of the directory, changed."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at) == (tag,):
            return data[: at + 8] + struct.pack("<I", value) + data[at + 12 :]
    raise AssertionError(tag)


def entries(data: bytes) -> list[bytes]:
    """Of the directory: tag, type, number of values, and the value or its place."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    return [data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]


def with_entries(data: bytes, *more: tuple[int, int, int, int]) -> bytes:
    """With a directory at the end of the file that has further entries in front of the others of their tags."""
    listed = sorted([struct.pack("<HHII", *entry) for entry in more] + entries(data), key=lambda entry: entry[:2][::-1])
    directory = struct.pack("<H", len(listed)) + b"".join(listed) + struct.pack("<I", 0)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_metadata_of_a_tiff_do_not_reach_the_decoder(compression: int) -> None:
    """libtiff copies every entry, however many of them name the same bytes: 2 MB took 0.9 GB."""
    plain = tiff(COLOUR, compression)
    unknown = [(tag, 1, 1000, 8) for tag in (700, 34675, *range(40000, 40400))]
    data = with_entries(plain, *unknown)
    given = bytes(read_tiff(data).for_decoder())
    left = {struct.unpack_from("<H", entry)[0] for entry in entries(given)}
    assert left <= {struct.unpack_from("<H", entry)[0] for entry in entries(plain)}
    np.testing.assert_array_equal(decode_file(data, TIFF, Limits()), COLOUR)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((256, 4, 1, 8000), "entry 256 twice"),
        ((259, 8, 1, 7), "entry 259 of type 8"),
        ((274, 8, 1, 6), "entry 274 of type 8"),
    ],
)
def test_a_tiff_whose_entries_two_readers_take_differently_is_refused(
    entry: tuple[int, int, int, int], message: str
) -> None:
    """libtiff takes the first of two entries, and reads types that the check of the header passed over: 64 x 48 px took
    0.7 GB."""
    for check in (declared_tiff, lambda data: decode_file(data, TIFF, Limits())):
        with pytest.raises(RecordError, match=message):
            check(with_entries(tiff(GREY), entry))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff(GREY)[:100], "is cut"),
        (b"II*\0", "expected a TIFF file"),
        (bmp(GREY), "expected a TIFF file"),
        (tiff(np.dstack([COLOUR, GREY])), "without alpha"),
        (tiff(GREY.astype(np.float32)), "grey or colour of 8 or 16 bits"),
        (with_entry(tiff(GREY), 257, 1000), "strips of .* rows for 1000 rows"),
        (with_entry(tiff(GREY), 259, 7), "compression 7"),
        (with_entry(tiff(GREY), 262, 0), "photometric 0"),
    ],
)
def test_a_tiff_that_is_cut_or_of_another_form_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        decode_file(data, TIFF, Limits())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bmp(COLOUR)[:-1], "it is cut"),
        (b"BM", "expected a BMP file"),
        (tiff(GREY), "expected a BMP file"),
        (bmp(np.dstack([COLOUR, GREY])), "has 32 bits per pixel"),
    ],
)
def test_a_bmp_that_is_cut_or_of_another_form_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        decode_file(data, BMP, Limits())


@pytest.mark.parametrize(("data", "form"), [(with_entry(tiff(GREY), 256, 40_000), TIFF), (bmp(GREY), BMP)])
def test_a_size_beyond_the_limits_is_refused_before_decoding(data: bytes, form: int) -> None:
    with pytest.raises(RecordError, match="expected at most"):
        decode_file(data, form, Limits(max_side_px=20))


def test_flipped_bytes_and_cut_files_are_decoded_or_refused_and_nothing_else() -> None:
    for whole, form in ((tiff(COLOUR), TIFF), (tiff(GREY16, 5), TIFF), (bmp(COLOUR), BMP), (bmp(GREY), BMP)):
        for _ in range(150):
            data = bytearray(whole[: int(RNG.integers(1, len(whole) + 1))] if RNG.random() < 0.3 else whole)
            for place in RNG.integers(0, min(len(data), 400), 3):
                data[place] = int(RNG.integers(256))
            try:
                decode_file(bytes(data), form, Limits(max_pixels=100_000))
            except RecordError:
                continue


def test_declared_and_read_headers_are_the_same() -> None:
    assert declared_tiff(tiff(COLOUR16)) == read_tiff(tiff(COLOUR16)).header
    assert declared_bmp(bmp(GREY)) == read_bmp(bmp(GREY)).header
