"""Makes the records that cost a service most: bombs, text, scans, large images, huge samples, hanging references.

Each input states how its records must be sent.
"""

import functools
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from protos.inspection.v1 import records_pb2 as pb
from streams.encoding import Produced, to_output
from streams.records import Topics
from tests.malformed import bomb, jpeg, png, png_chunk, png_of, surplus

LINE, PRODUCT = "line-1", "disc"
TOPICS = Topics("", LINE)
STATIONS = tuple(f"station-{number}" for number in range(1, 6))
"""The good pieces' stations: bad frames come in between."""
FOREIGN = "bad-1"
"""Bad samples come from a station that is not a good piece's: there they would be a second clock of its microphone."""
NUM_LARGE = 14
"""Sent at once: 0.83 MiB that decode to 896 MB."""


@dataclass(frozen=True)
class WorstRecord:
    """One record and how it is to be sent."""

    kind: str
    key: bytes
    value: bytes
    type: str
    codec: str = ""
    """Compression of its batch; empty for none."""
    header_name: bytes = b""
    """Name of a further header."""
    is_misplaced: bool = False
    """To the partition behind the one that its key chooses."""

    @property
    def needs_kafka(self) -> bool:
        return bool(self.codec or self.header_name or self.is_misplaced)


@dataclass(frozen=True)
class Turn:
    """The time at which an input is sent, and a number that makes its pieces new ones."""

    number: int
    silent_address: str
    """Below it references lie that nobody ever answers."""

    @property
    def station(self) -> str:
        return STATIONS[self.number % len(STATIONS)]

    def frame(
        self, data: bytes, form: pb.PixelFormat = pb.PIXEL_FORMAT_PNG, station: str = "", part: int = 0
    ) -> WorstRecord:
        inspection = self.inspection(station or self.station, part)
        frame = pb.CameraFrame(inspection=inspection, product=PRODUCT, camera="top", capture_ns=time.time_ns())
        frame.pixels.MergeFrom(pb.ImagePixels(format=form, data=data))
        return record(frame)

    def reference(self, part: int) -> WorstRecord:
        uri = f"{self.silent_address}{self.number}-{part}.png"
        reference = pb.ImageReference(uri=uri, sha256=bytes(32), size_bytes=1000, format=pb.PIXEL_FORMAT_PNG)
        inspection = self.inspection(self.station, part)
        frame = pb.CameraFrame(inspection=inspection, product=PRODUCT, camera="top", capture_ns=time.time_ns())
        frame.reference.MergeFrom(reference)
        return record(frame)

    def chunk(self, num_samples: int, rate_hz: float) -> WorstRecord:
        samples = pb.Samples(
            format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=rate_hz, num_channels=1, data=bytes(2 * num_samples)
        )
        chunk = pb.SignalChunk(line=LINE, station=FOREIGN, sensor="mic", kind=pb.SIGNAL_KIND_AUDIO, samples=samples)
        chunk.stream_id, chunk.start_ns = f"bad-{self.number}", time.time_ns()
        return record(chunk)

    def inspection(self, station: str, part: int = 0) -> pb.Inspection:
        return pb.Inspection(line=LINE, station=station, piece_id=f"bad-{self.number}-{part}")


def record(message: Produced) -> WorstRecord:
    output = to_output(TOPICS, message)
    return WorstRecord(output.topic.rpartition(".")[2], output.key, output.value, output.type)


Make = Callable[[Turn], Sequence[WorstRecord]]


@functools.cache
def nested_jpeg(side_px: int) -> bytes:
    """1,234 bytes: a marker that has no length for the decoder hides the header of a giant behind a small one's."""
    small = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    parts: list[tuple[int, bytes]] = []
    at = 20
    while not parts or parts[-1][0] != 0xDA:
        (length,) = struct.unpack_from(">H", small, at + 2)
        parts.append((small[at + 1], small[at + 4 : at + 2 + length]))
        at += 2 + length
    hidden = _sized(parts, side_px, side_px) + small[at:-2] + bytes(8)
    return b"\xff\xd8" + _segment(0xD0, hidden) + _sized(parts, 48, 64) + small[at:]


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def _sized(parts: Sequence[tuple[int, bytes]], height_px: int, width_px: int) -> bytes:
    size = struct.pack(">HH", height_px, width_px)
    return b"".join(_segment(kind, body[:1] + size + body[5:] if kind == 0xC0 else body) for kind, body in parts)


@functools.cache
def many_scans(side_px: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    photo = jpeg(np.full((side_px, side_px), 90, np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = photo.rindex(b"\xff\xda")
    return photo[:-2] + photo[last:-2] * (scans - photo.count(b"\xff\xda")) + photo[-2:]


@functools.cache
def text_png(num_chunks: int = 900) -> bytes:
    """64 x 48 px, and text that inflates to 8 MB a chunk."""
    whole = png(np.zeros((48, 64), np.uint8))
    text = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(8_000_000), 9))
    return whole[:33] + text * num_chunks + whole[33:]


@functools.cache
def large_png(side_px: int = 8000, channels: int = 1) -> bytes:
    """An admissible image of zeros: a side of 8000 is 64 MB in 62 kB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side_px * channels + 1)) for _ in range(side_px))
    return png_of(side_px, side_px, rows + packer.flush(), colour=2 if channels == 3 else 0)


@functools.cache
def long_idat() -> bytes:
    """36 megapixels in one piece of pixel data of 7 MB."""
    rows = np.zeros((6000, 6001), np.uint8)
    rows[:1200, 1:] = np.random.default_rng(1).integers(0, 256, (1200, 6000), np.uint8)
    return png_of(6000, 6000, zlib.compress(rows.tobytes(), 1))


@functools.cache
def small_png() -> bytes:
    return png(np.full((160, 160), 90, np.uint8))


def _compressed(turn: Turn, codec: str) -> list[WorstRecord]:
    return [replace(turn.frame(small_png(), part=part), codec=codec) for part in range(3)]


def _gzip_bomb(turn: Turn) -> list[WorstRecord]:
    return [replace(turn.frame(b""), value=bytes(100 * 2**20), codec="gzip")]


JPEG = pb.PIXEL_FORMAT_JPEG
WORST: dict[str, Make] = {
    "JPEG, a hidden header of 32000 x 32000 px": lambda turn: [turn.frame(nested_jpeg(32_000), JPEG)],
    "JPEG, a hidden header of 12000 x 12000 px": lambda turn: [turn.frame(nested_jpeg(12_000), JPEG)],
    "JPEG, 16 MP in 98 scans": lambda turn: [turn.frame(many_scans(4000, 98), JPEG)],
    "JPEG, 64 MP in 98 scans": lambda turn: [turn.frame(many_scans(8000, 98), JPEG)],
    "PNG, text of 7.2 GB": lambda turn: [turn.frame(text_png())],
    "PNG, 400 MB behind the pixels": lambda turn: [turn.frame(surplus())],
    "PNG, 144 MP": lambda turn: [turn.frame(bomb())],
    "PNG, 36 MP in one IDAT of 7 MB": lambda turn: [turn.frame(long_idat())],
    f"PNG, {NUM_LARGE} of 64 MB at once": lambda turn: [turn.frame(large_png(), part=n) for n in range(NUM_LARGE)],
    "PNG, colour, 130 MB, 4 at once": lambda turn: [turn.frame(large_png(6600, 3), part=n) for n in range(4)],
    "samples, 4 million in a chunk": lambda turn: [turn.chunk(3_999_999, 16_000.0)],
    "samples, 4 million at 10 MHz": lambda turn: [turn.chunk(3_999_999, 10_000_000.0)],
    "samples, one chunk that lasts 46 days": lambda turn: [turn.chunk(4_000, 0.001)],
    "references that nobody answers, 4": lambda turn: [turn.reference(part) for part in range(4)],
    "header whose name is not UTF-8": lambda turn: [replace(turn.frame(small_png()), header_name=b"\xff\xfe")],
    "another partitioner": lambda turn: [replace(turn.frame(small_png()), is_misplaced=True)],
    "mistyped stations, 4": lambda turn: [
        turn.frame(small_png(), station=f"statoin-{turn.number}-{n}") for n in range(4)
    ],
    "bytes that are no record": lambda turn: [replace(turn.frame(b""), value=b"\x0b" * 1_000_000)],
    "batch in snappy": lambda turn: _compressed(turn, "snappy"),
    "batch in lz4": lambda turn: _compressed(turn, "lz4"),
    "batch in zstd": lambda turn: _compressed(turn, "zstd"),
    "batch in gzip, 100 MB": _gzip_bomb,
}
"""By name; one is sent each second, in turn."""
