"""Makes damaged records out of good ones: bits and lengths of any record, parts of images with valid checksums."""

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from google.protobuf.message import DecodeError

from protos.inspection.v1 import records_pb2 as pb
from streams.records import TYPE_PREFIX, Record
from tests import image_parts as parts
from tests import malformed as bad
from tests.golden.make import FOLDER

_LARGE_EVERY = 4_000
"""One record in so many is an image of the largest size, which costs a second."""
Damage = Callable[[random.Random, bytes], bytes]
_KINDS = {"CameraFrame": "frames", "SignalChunk": "signals", "ProcessTrace": "signals", "PieceEvent": "pieces"}
_TEXT = b"k\0\0" + zlib.compress(bytes(8_000_000), 9)
_FORMATS = (0, 1, 2, 3, 4, 5, 10, 18, 22, 24, 25, 77)
_IMAGE_FORMATS = {
    "png": pb.PIXEL_FORMAT_PNG,
    "jpeg": pb.PIXEL_FORMAT_JPEG,
    "tiff": pb.PIXEL_FORMAT_TIFF,
    "bmp": pb.PIXEL_FORMAT_BMP,
}
"""By the first word of a file's name."""
_TAGS = (256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 330, 338, 339, 347, 700, 50_000)
_NUMBERS = (0, 1, 7, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1)
_MARKERS = (0x00, 0x01, 0xC0, 0xC2, 0xC4, 0xCC, 0xD0, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xE1, 0xEE, 0xFE)


def damaged(seed: int, number: int) -> tuple[Record, str]:
    """One record and the names of its damages; the same numbers always give the same record."""
    rng = random.Random(f"{seed}-{number}")
    large = is_large(number)
    name, type_, value = rng.choice(large_records() if large else _good())
    changes = [name]
    for _ in range(rng.choice((0, 0, 1) if large else (1, 1, 1, 2, 3))):
        deed = rng.choice(_CHANGES if type_ == "CameraFrame" else _CHANGES[:4])
        changes.append(deed.__name__)
        value = deed(rng, value)
    topic, key, header = f"qa.{bad.LINE}.{_KINDS[type_]}", bad.STATION.encode(), TYPE_PREFIX + type_
    if rng.random() < 0.02:
        changes.append("envelope")
        key = rng.choice((b"", b"\xff", b"st-2", key))
        header = rng.choice((header, "", TYPE_PREFIX + rng.choice(list(_KINDS))))
    return Record(topic, 0, number, key, value, header, 1), " ".join(changes)


@cache
def _good() -> list[tuple[str, str, bytes]]:
    golden = [
        (path.stem, path.stem.split(".")[0], path.read_bytes())
        for path in sorted(FOLDER.glob("*.bin"))
        if path.stem.split(".")[0] in _KINDS
    ]
    images = [
        (name, "CameraFrame", bad.frame(data, _IMAGE_FORMATS[name.split()[0]])) for name, data in _image_files().items()
    ]
    floats = np.linspace(-1, 1, 600, dtype="<f4").tobytes()
    signals = [
        ("s16 of 3", "SignalChunk", bad.chunk(bad.samples(bytes(1200), channels=3))),
        ("f32", "SignalChunk", bad.chunk(bad.samples(floats, form=pb.SAMPLE_FORMAT_F32LE))),
        ("f32 trace", "ProcessTrace", bad.trace(bad.samples(floats, form=pb.SAMPLE_FORMAT_F32LE))),
    ]
    return golden + images * 2 + signals * 2


def is_large(number: int) -> bool:
    """Whether the record of this number is one of `large_records`."""
    return number % _LARGE_EVERY == _LARGE_EVERY - 1


@cache
def large_records() -> list[tuple[str, str, bytes]]:
    """Images at the limits of size and scans, in few bytes."""
    flat = np.full((6600, 6600, 3), 90, np.uint8)
    progressive = bad.jpeg(flat[:4400, :4400], cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    files = {
        "jpeg of 43 MP": bad.jpeg(flat),
        "jpeg of 43 MP, restarts": bad.jpeg(flat, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "jpeg progressive of 19 MP": progressive,
        "png of 43 MP": _filtered(6600, 6600, channels=3, depth=8),
        "png of 63 MP, 16 bits": _filtered(7900, 7900, channels=1, depth=16),
        "png interlaced of 16 MP": parts.interlaced(flat[:4000, :4000]),
        "png with 900 texts": parts.with_chunks(bad.png(bad.picture()), *[(b"zTXt", _TEXT)] * 900),
    }
    return [(name, "CameraFrame", bad.frame(data, _IMAGE_FORMATS[name.split()[0]])) for name, data in files.items()]


def _filtered(width: int, height: int, channels: int, depth: int) -> bytes:
    """A PNG of black rows with Paeth's filter, which costs the decoder most."""
    packer, row = zlib.compressobj(1), b"\4" + bytes(width * channels * depth // 8)
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return bad.png_of(width, height, packed, depth=depth, colour=0 if channels == 1 else 2)


@cache
def _image_files() -> dict[str, bytes]:
    colour, grey = bad.picture(), bad.picture()[..., 0]
    indexed = bad.png_of(64, 48, zlib.compress(b"".join(b"\0" + row.tobytes() for row in grey)), colour=3)
    return {
        "png": bad.png(colour),
        "png grey": bad.png(grey),
        "png 16 bits": bad.png(colour.astype(np.uint16) * 257),
        "png interlaced": parts.interlaced(colour),
        "png of a palette": parts.with_chunks(indexed, (b"PLTE", bytes(768))),
        "png with metadata": parts.with_chunks(bad.png(grey), (b"tEXt", b"k\0v"), (b"gAMA", bytes(4))),
        "jpeg": bad.jpeg(colour),
        "jpeg grey": bad.jpeg(grey),
        "jpeg progressive": bad.jpeg(colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "jpeg restarts": bad.jpeg(colour, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "jpeg optimised": bad.jpeg(grey, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        "tiff": _tiff(colour, compression=1),
        "tiff LZW": _tiff(colour, compression=5),
        "tiff deflate": _tiff(grey.astype(np.uint16) * 257, compression=8),
        "tiff PackBits": _tiff(grey, compression=32773),
        "bmp": cv2.imencode(".bmp", colour)[1].tobytes(),
        "bmp grey": cv2.imencode(".bmp", grey)[1].tobytes(),
    }


def _tiff(image: np.ndarray, compression: int) -> bytes:
    flags = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 20]
    return cv2.imencode(".tif", image, flags)[1].tobytes()


def bits(rng: random.Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for _ in range(rng.choice((1, 1, 2, 8)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: random.Random, value: bytes) -> bytes:
    start, end = sorted((rng.randint(0, len(value)), rng.randint(0, len(value))))
    return value[:end] if rng.random() < 0.5 else value[:start] + value[end:]


def doubled(rng: random.Random, value: bytes) -> bytes:
    start, end = sorted((rng.randint(0, len(value)), rng.randint(0, len(value))))
    return value[:end] + value[start:]


def fields(rng: random.Random, value: bytes) -> bytes:
    """Another number in a field of pixels or samples, or merged from a second message as protobuf allows."""
    number = rng.choice(_NUMBERS)
    form = rng.choice(_FORMATS)
    pixels = pb.ImagePixels(format=form, width_px=number, height_px=rng.choice(_NUMBERS))  # type: ignore[arg-type]
    form = rng.choice(_FORMATS)
    samples = pb.Samples(format=form, num_channels=rng.choice((1, number)), sample_rate_hz=8e3)  # type: ignore[arg-type]
    samples.sample_rate_hz = rng.choice((0.0, 1e-9, 8e3, 8e3, 8e3))
    if rng.random() < 0.6:
        samples.format = pb.SAMPLE_FORMAT_F32LE
        samples.data = struct.pack("<f", rng.choice((float("nan"), float("inf"), 1.0)))
    more = rng.choice(
        (pb.CameraFrame(pixels=pixels), pb.SignalChunk(samples=samples), pb.ProcessTrace(samples=samples))
    )
    return value + more.SerializeToString()


def _of_image(change: Damage) -> Damage:
    """The same to the image file inside a frame, where the frame can still be read and has one."""

    def damage(rng: random.Random, value: bytes) -> bytes:
        try:
            message = pb.CameraFrame.FromString(value)
            message.pixels.data = change(rng, message.pixels.data)
        except (ValueError, IndexError, struct.error, zlib.error, DecodeError):
            return value
        return message.SerializeToString()

    damage.__name__ = change.__name__
    return damage


def chunks(rng: random.Random, png: bytes) -> bytes:
    """A chunk of a PNG dropped, doubled, moved, changed, or invented; its checksum is valid."""
    pieces, start = [], 8
    while start < len(png):
        (length,) = struct.unpack_from(">I", png, start)
        pieces.append((png[start + 4 : start + 8], png[start + 8 : start + 8 + length]))
        start += 12 + length
    index = rng.randrange(len(pieces))
    kind, body = pieces.pop(index)
    invented = (rng.choice((b"IDAT", b"PLTE", b"zTXt", b"tRNS", b"IHDR", b"IEND", b"iCCP")), body)
    replacement = rng.choice(([], [(kind, body)] * 2, [(kind, bits(rng, body))], [(kind, cut(rng, body))], [invented]))
    at = index if rng.random() < 0.7 else rng.randint(0, len(pieces))
    pieces[at:at] = replacement
    return png[:8] + b"".join(bad.png_chunk(*chunk) for chunk in pieces)


def rows(rng: random.Random, png: bytes) -> bytes:
    """Other bytes in a PNG's rows, compressed again; sometimes some megabytes more."""
    start = png.index(b"IDAT") + 4
    (length,) = struct.unpack_from(">I", png, start - 8)
    unpacked = bits(rng, zlib.decompress(png[start : start + length]))
    if rng.random() < 0.02:
        unpacked += bytes(rng.randrange(4_000_000))
    return png[: start - 8] + bad.png_chunk(b"IDAT", zlib.compress(unpacked, 1)) + png[start + length + 4 :]


def segments(rng: random.Random, jpeg: bytes) -> bytes:
    """A segment of a JPEG dropped, doubled, moved or changed; its length is right."""
    pieces = parts.parts_of(jpeg)
    index = rng.randrange(len(pieces))
    marker, body, scan = pieces.pop(index)
    changed = rng.choice(
        ((marker, bits(rng, body), scan), (marker, body, cut(rng, scan)), (marker, body, bits(rng, scan)))
    )
    replacement = rng.choice(([], [(marker, body, scan)] * rng.choice((2, 12)), [changed], [changed]))
    at = index if rng.random() < 0.7 else rng.randint(0, len(pieces))
    pieces[at:at] = replacement
    return parts.joined(pieces)


def markers(rng: random.Random, jpeg: bytes) -> bytes:
    """A marker, with or without a length, anywhere in a JPEG."""
    at = rng.randint(2, len(jpeg))
    marker = rng.choice(_MARKERS)
    inserted = rng.choice((b"\xff" + bytes([marker]), parts.segment(marker, rng.randbytes(rng.randrange(40)))))
    return jpeg[:at] + inserted + jpeg[at:]


def entries(rng: random.Random, tiff: bytes) -> bytes:
    """An entry of a TIFF's directory dropped, doubled, moved, changed, or hundreds that name the same bytes."""
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, start)
    listed = [tiff[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
    index = rng.randrange(len(listed))
    tag, kind, length, value = struct.unpack("<HHII", listed.pop(index))
    changed = rng.choice(
        (
            (rng.choice(_TAGS), kind, length, value),
            (tag, rng.randrange(20), length, value),
            (tag, kind, rng.choice(_NUMBERS), value),
            (tag, kind, length, rng.choice((*_NUMBERS, 5, 8, 64, 32773))),
        )
    )
    many = [struct.pack("<HHII", 40_000 + number, 1, len(tiff) - 8, 8) for number in range(400)]
    whole = struct.pack("<HHII", tag, kind, length, value)
    replacement = rng.choice(([], [whole] * 2, [struct.pack("<HHII", *changed)], [whole, *many]))
    at = index if rng.random() < 0.7 else rng.randint(0, len(listed))
    listed[at:at] = replacement
    directory = struct.pack("<H", len(listed)) + b"".join(listed) + bytes(4)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def sides(rng: random.Random, file: bytes) -> bytes:
    """Another width and height in the header, mostly small; rarely as large as a header can say."""
    most = 2**16 - 1 if rng.random() < 0.03 else 600
    width, height = rng.randint(0, most), rng.randint(0, most)
    if file[1:4] == b"PNG":
        return file[:8] + bad.png_chunk(b"IHDR", struct.pack(">II", width, height) + file[24:29]) + file[33:]
    return parts.sized(file, width, height)


def tail(rng: random.Random, file: bytes) -> bytes:
    """Bytes behind the end, or an end put behind a cut."""
    if rng.random() < 0.5:
        return file + rng.choice((rng.randbytes(20), bytes(2000), *_image_files().values()))
    return file[: rng.randint(2, len(file))] + b"\xff\xd9"


_IMAGE_CHANGES = [_of_image(change) for change in (chunks, rows, segments, markers, entries, sides, tail, bits)]
_CHANGES: list[Damage] = [bits, cut, doubled, fields, *_IMAGE_CHANGES * 2]
