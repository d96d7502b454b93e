"""A PNG reaches libpng as critical chunks with its rows unpacked: the same pixels, in bounded time."""

import struct
import time
import zlib

import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.images import decode_file
from streams.decode.limits import Limits, RecordError
from streams.decode.png_files import read_png
from streams.observation import Image
from tests import image_parts as parts
from tests import malformed as bad

GREY = bad.picture()[..., 0]
WHOLE = bad.png(bad.picture())
PALETTE = bytes(range(30))


def decoded(file: bytes) -> Image:
    return decode_file(file, pb.PIXEL_FORMAT_PNG, Limits())


def indexed(indices: np.ndarray, *chunks: bytes) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    height, width = indices.shape
    file = bad.png_of(width, height, zlib.compress(rows), colour=3)
    return file[:33] + b"".join(chunks) + file[33:]


@pytest.mark.parametrize("sides", [(48, 64), (1, 1), (3, 5), (1, 9), (9, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("is_interlaced", [False, True])
def test_pixels_are_those_of_the_file(
    sides: tuple[int, int], dtype: type, channels: int, *, is_interlaced: bool
) -> None:
    shape = sides if channels == 1 else (*sides, channels)
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    file = parts.interlaced(image) if is_interlaced else bad.png(image)
    assert np.array_equal(parts.decoded_by_opencv(file), image)
    assert np.array_equal(decoded(file), image)


def test_indexed_colours_come_out_as_opencv_gives_them() -> None:
    file = indexed(np.arange(10, dtype=np.uint8).reshape(2, 5), bad.png_chunk(b"PLTE", PALETTE))
    assert np.array_equal(decoded(file), parts.decoded_by_opencv(file))


def test_metadata_change_no_pixel_and_do_not_reach_the_decoder() -> None:
    chunks = [
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cHRM", struct.pack(">8I", *[31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000])),
        (b"sRGB", b"\0"),
        (b"sBIT", b"\5\5\5"),
        (b"bKGD", bytes(6)),
        (b"pHYs", bytes(9)),
        (b"tEXt", b"k\0v"),
        (b"prVt", b"anything"),
    ]
    file = parts.with_chunks(WHOLE, *chunks)
    assert np.array_equal(parts.decoded_by_opencv(file), bad.picture())
    assert np.array_equal(decoded(file), bad.picture())
    handed_on = bytes(read_png(file).for_decoder())
    assert not any(kind in handed_on for kind, _ in chunks)


def test_text_chunks_cost_nothing() -> None:
    text = (b"zTXt", b"k\0\0" + zlib.compress(bytes(8_000_000), 9))
    file = parts.with_chunks(WHOLE, *[text] * 300)
    start = time.thread_time()
    assert np.array_equal(decoded(file), bad.picture())
    assert time.thread_time() - start < 0.3  # libpng alone took 3 s for them


def test_one_large_chunk_costs_what_many_small_ones_do() -> None:
    file = bad.png_of(5000, 6000, zlib.compress(bytes(6000 * 5001), 0))
    start = time.thread_time()
    assert decoded(file).shape == (6000, 5000)
    assert time.thread_time() - start < 0.8  # 1.3 s when the rest was copied for each 64 KiB


def test_surplus_of_less_than_the_image_is_passed_over() -> None:
    file = bad.png_of(64, 48, zlib.compress(bytes(65 * 48) + b"\x09" * 2000))
    assert not decoded(file).any()


def _interlaced_with_filter(value: int) -> bytes:
    file = parts.interlaced(GREY)
    rows = bytearray(zlib.decompress(file[41:-16]))
    rows[9 * 6] = value  # the first row of the second pass: six rows of nine bytes lie before it
    return file[:33] + bad.png_chunk(b"IDAT", zlib.compress(bytes(rows))) + file[-12:]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (bad.png_of(64, 48, zlib.compress(b"\x05" + bytes(65 * 48 - 1))), "row with filter 5"),
        (_interlaced_with_filter(200), "row with filter 200"),
        (bad.png_of(64, 48, zlib.compress(bytes(65 * 47))), "inflate to 3055 bytes, expected 3120"),
        (bad.png_of(64, 48, zlib.compress(bytes(65 * 48))[:-9]), "inflate to"),
        (bad.png_of(64, 48, b""), "inflate to 0 bytes"),
        (bad.png_of(64, 48, zlib.compress(bytes(100_000))), "inflate to more than"),
        (indexed(GREY), "needs a palette and has none"),
        (indexed(GREY, bad.png_chunk(b"PLTE", b"")), "one of 0 bytes"),
        (indexed(GREY, bad.png_chunk(b"PLTE", bytes(4))), "one of 4 bytes"),
        (indexed(GREY, bad.png_chunk(b"PLTE", bytes(771))), "one of 771 bytes"),
        (parts.with_chunks(WHOLE, (b"IHDR", WHOLE[16:29])), "a chunk b'IHDR'"),
        (parts.with_chunks(WHOLE, (b"CgBI", bytes(4))), "a chunk b'CgBI'"),
        (indexed(GREY, *[bad.png_chunk(b"PLTE", PALETTE)] * 2), "a chunk b'PLTE'"),
        (WHOLE[:-12] + bad.png_chunk(b"PLTE", PALETTE) + WHOLE[-12:], "a chunk b'PLTE'"),
        (WHOLE[:26] + b"\1" + WHOLE[27:], "methods [1, 0]"),
        (WHOLE[:28] + b"\2" + WHOLE[29:], "interlace 2"),
        (WHOLE[:8] + WHOLE[33:], "begins with chunk b'IDAT'"),
    ],
)
def test_what_libpng_would_refuse_is_refused_before_it(
    file: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecordError) as refusal:
        decoded(file)
    assert words in refusal.value.detail
    assert capfd.readouterr().err == ""


def test_colours_outside_a_short_palette_are_black() -> None:
    file = indexed(np.full((4, 4), 200, np.uint8), bad.png_chunk(b"PLTE", PALETTE))
    assert not decoded(file).any()


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("width", [1, 7, 8, 13])
@pytest.mark.parametrize("colour", [0, 3])
def test_pixels_of_fewer_than_8_bits_are_those_of_the_file(depth: int, width: int, colour: int) -> None:
    values = np.random.default_rng(2).integers(0, 2**depth, (5, width))
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(5, -1).astype(np.uint8), axis=1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    file = bad.png_of(width, 5, packed, depth=depth, colour=colour)
    colours = np.arange(3 * 2**depth, dtype=np.uint8).reshape(-1, 3)
    if colour == 3:
        file = file[:33] + bad.png_chunk(b"PLTE", colours.tobytes()) + file[33:]
    expected = values * (255 // (2**depth - 1)) if colour == 0 else colours[values][..., ::-1]
    assert np.array_equal(decoded(file), expected)


def test_a_palette_of_more_colours_than_the_bits_can_name_is_refused() -> None:
    file = bad.png_of(4, 1, zlib.compress(b"\0\0"), depth=2, colour=3)
    file = file[:33] + bad.png_chunk(b"PLTE", bytes(15)) + file[33:]
    with pytest.raises(RecordError, match="1 to 4 colours"):
        decoded(file)
