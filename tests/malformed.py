"""Unusable records, each with the reason that its dead letter must have."""

import functools
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip

LINE = "l1"
STATION = "st-1"
NS = 1_700_000_000_000_000_000
FRAME, CHUNK = "inspection.v1.CameraFrame", "inspection.v1.SignalChunk"
TRACE, EVENT = "inspection.v1.ProcessTrace", "inspection.v1.PieceEvent"
WITHOUT_FAULT_INLINE = {
    "frame: no time",
    "frame: no product",
    "frame: no inspection",
    "address: key of another station",
    "address: key that is not UTF-8",
    "address: station is a path",
    "address: another line's chunk",
    "chunk: before 1970",
    "chunk: counts to 2^64",
}
"""The fault is in the key, in a chunk's place in its stream, or in the request itself."""
_KINDS = {CHUNK: "signals", TRACE: "signals", EVENT: "pieces"}


@dataclass(frozen=True)
class Malformed:
    """One record of `LINE` that cannot be used."""

    name: str
    type: str
    value: bytes
    reason: int
    key: bytes = STATION.encode()
    enters: bool = False
    """Whether its inspection enters all the same."""

    @property
    def kind(self) -> str:
        """Kind of topic that it is sent to."""
        return _KINDS.get(self.type, "frames")


def inspection(**fields: Any) -> pb.Inspection:
    return pb.Inspection(**{"line": LINE, "station": STATION, "piece_id": "p1", **fields})


def png(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", image)[1].tobytes())


def jpeg(image: np.ndarray, *flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", image, list(flags))[1].tobytes())


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    noise = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (5, 5), 0))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, packed: bytes, *, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG file of well-formed chunks, whatever is in them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", packed), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def zeros(part_bytes: int, times: int) -> bytes:
    """A zlib stream of `times` x `part_bytes` zeros: one part is compressed and repeated, since all take seconds."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    part = packer.compress(bytes(part_bytes)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = part_bytes * times % 65521 << 16 | 1
    return b"\x78\xda" + part * times + b"\x03\x00" + struct.pack(">I", adler)


def bomb() -> bytes:
    """144 million grey pixels that inflate for real, in 140 kB."""
    return png_of(12_000, 12_000, zeros(12_001 * 120, 100))


def surplus() -> bytes:
    """64 x 48 grey pixels by its header, and 400 MB of pixel data behind them, in 400 kB."""
    return png_of(64, 48, zeros(2**20, 400))


def frame(
    data: bytes = b"", form: Any = pb.PIXEL_FORMAT_PNG, size_px: tuple[int, int] = (0, 0), **fields: Any
) -> bytes:
    pixels = pb.ImagePixels(format=form, width_px=size_px[0], height_px=size_px[1], data=data or png(picture()))
    message = pb.CameraFrame(
        **{"inspection": inspection(), "product": "a", "camera": "top", "capture_ns": NS, "pixels": pixels, **fields}
    )
    return message.SerializeToString()


def referring(uri: str = "s3://images/1.png", sha256: bytes = bytes(32), size_bytes: int = 1, form: Any = 1) -> bytes:
    return frame(
        pixels=None,
        reference=pb.ImageReference(uri=uri, sha256=sha256, size_bytes=size_bytes, format=form),
    )


def samples(data: bytes = bytes(8), rate_hz: float = 8000.0, channels: int = 1, form: Any = 1) -> pb.Samples:
    return pb.Samples(format=form, sample_rate_hz=rate_hz, num_channels=channels, data=data)


def chunk(of: pb.Samples | None = None, **fields: Any) -> bytes:
    common: dict[str, Any] = {
        "line": LINE,
        "station": STATION,
        "sensor": "mic",
        "kind": pb.SIGNAL_KIND_AUDIO,
        "start_ns": NS,
    }
    message = pb.SignalChunk(**{**common, "stream_id": "s", "samples": of or samples(), **fields})
    return message.SerializeToString()


def trace(of: pb.Samples | None = None, **fields: Any) -> bytes:
    common: dict[str, Any] = {"inspection": inspection(), "sensor": "rf", "kind": pb.SIGNAL_KIND_TRACE, "start_ns": NS}
    return pb.ProcessTrace(**{**common, "samples": of or samples(), **fields}).SerializeToString()


def event(**fields: Any) -> bytes:
    common: dict[str, Any] = {
        "inspection": inspection(),
        "product": "a",
        "kind": pb.PIECE_EVENT_KIND_ENTERED,
        "event_ns": NS,
    }
    return pb.PieceEvent(**{**common, **fields}).SerializeToString()


def _images() -> list[Malformed]:
    whole, alpha = png(picture()), np.zeros((4, 4, 4), np.uint8)
    photo, slow = jpeg(picture()), jpeg(picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    rows = zlib.compress(bytes(65 * 48))
    cases: list[tuple[str, bytes, int, tuple[int, int]]] = [
        ("png: not one", b"hello world", pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: a jpeg", photo, pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: signature only", whole[:8], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: cut in the header", whole[:20], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: cut in the pixels", whole[: len(whole) // 2], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: without IEND", whole[:-12], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: a flipped bit", whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: chunk of 4 GiB", whole[:33] + b"\xff\xff\xff\xff" + whole[37:], pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: too few rows", png_of(64, 96, rows), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: pixels do not inflate", png_of(64, 48, b"junk" * 9), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: no pixels", png_of(0, 48, rows), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: 400 MB behind the pixels", surplus(), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: alpha", png(alpha), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: 1 bit", png_of(64, 48, rows, depth=1), pb.PIXEL_FORMAT_PNG, (0, 0)),
        ("png: other width declared", whole, pb.PIXEL_FORMAT_PNG, (65, 48)),
        ("jpeg: not one", b"GIF89a", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: cut", photo[: len(photo) // 2], pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: cut, end put back", photo[: len(photo) // 2] + b"\xff\xd9", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: progressive, cut, end put back", slow[:-300] + b"\xff\xd9", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: cut in the header, end put back", photo[:50] + b"\xff\xd9", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: no scan", b"\xff\xd8\xff\xd9", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: 1000 scans", slow[:-2] + b"\xff\xda\0\2" * 1000 + b"\xff\xd9", pb.PIXEL_FORMAT_JPEG, (0, 0)),
        ("jpeg: other height declared", photo, pb.PIXEL_FORMAT_JPEG, (0, 49)),
        ("raw: a byte short", bytes(63), pb.PIXEL_FORMAT_MONO8, (8, 8)),
        ("raw: a byte long", bytes(193), pb.PIXEL_FORMAT_BGR8, (8, 8)),
        ("raw: 8 bits sent as 16", bytes(64), pb.PIXEL_FORMAT_MONO16, (8, 8)),
    ]
    reason = pb.DEAD_LETTER_REASON_BAD_IMAGE
    return [Malformed(name, FRAME, frame(data, form, size), reason, enters=True) for name, data, form, size in cases]


def _too_large() -> list[Malformed]:
    photo = jpeg(picture())
    sof = photo.index(b"\xff\xc0")
    wide_jpeg = photo[: sof + 5] + b"\xff\xff\xff\xff" + photo[sof + 9 :]
    cases = [
        ("bomb: a png that inflates to 144 MB", FRAME, frame(bomb()), True),
        ("bomb: a png header of 1.8 gigapixels", FRAME, frame(png_of(60_000, 30_000, b"x")), True),
        ("bomb: a png header of 2 GiB a side", FRAME, frame(png_of(2**31 - 1, 2**31 - 1, b"x")), True),
        ("bomb: a jpeg header of 65535 x 65535", FRAME, frame(wide_jpeg, pb.PIXEL_FORMAT_JPEG), True),
        ("bomb: a raw header of 2 GiB", FRAME, frame(b"x", pb.PIXEL_FORMAT_MONO8, (65_536, 32_768)), True),
        ("bomb: a raw header of 2^64", FRAME, frame(b"x", pb.PIXEL_FORMAT_BGR8, (2**32 - 1, 2**32 - 1)), True),
        ("reference: an exabyte", FRAME, referring(size_bytes=2**60), True),
    ]
    reason = pb.DEAD_LETTER_REASON_TOO_LARGE
    return [Malformed(name, type_, value, reason, enters=enters) for name, type_, value, enters in cases]


def _samples() -> list[Malformed]:
    floats = pb.SAMPLE_FORMAT_F32LE
    bad = [
        ("samples: none", chunk(samples(b""))),
        ("samples: half of one", chunk(samples(bytes(7)))),
        ("samples: an instant cut", chunk(samples(bytes(10), channels=2))),
        ("samples: NaN", chunk(samples(struct.pack("<3f", 0, math.nan, 0), form=floats))),
        ("samples: infinity", chunk(samples(struct.pack("<f", -math.inf), form=floats))),
        ("trace: NaN", trace(samples(struct.pack("<f", math.nan), form=floats))),
    ]
    invalid = [
        ("samples: no format", chunk(samples(form=0))),
        ("samples: unknown format", chunk(samples(form=77))),
        ("samples: no channel", chunk(samples(channels=0))),
        ("samples: four billion channels", chunk(samples(channels=2**32 - 1))),
        *[(f"samples: rate {rate}", chunk(samples(rate_hz=rate))) for rate in (0.0, -1.0, math.nan, math.inf, 1e300)],
        ("chunk: no kind", chunk(kind=0)),
        ("chunk: no sensor", chunk(sensor="")),
        ("chunk: sensor with a blank", chunk(sensor="mic 1")),
        ("chunk: before 1970", chunk(start_ns=-1)),
        ("chunk: ends behind 2262", chunk(samples(rate_hz=0.001), start_ns=9_214_646_400_000_000_000 - 10)),
        ("chunk: counts to 2^64", chunk(first_sample=2**64 - 1)),
        ("trace: no piece", trace(inspection=inspection(piece_id=""))),
    ]
    return [
        Malformed(name, TRACE if name.startswith("trace") else CHUNK, value, reason)
        for cases, reason in (
            (bad, pb.DEAD_LETTER_REASON_BAD_SAMPLES),
            (invalid, pb.DEAD_LETTER_REASON_INVALID_FIELD),
        )
        for name, value in cases
    ]


def _fields() -> list[Malformed]:
    entering = [
        ("frame: no content", FRAME, frame(pixels=None)),
        ("frame: no pixel format", FRAME, frame(form=0)),
        ("frame: unknown pixel format", FRAME, frame(form=99)),
        ("frame: raw without a size", FRAME, frame(b"x", pb.PIXEL_FORMAT_MONO8)),
        ("frame: no product", FRAME, frame(product="")),
        ("frame: no camera", FRAME, frame(camera="")),
        ("frame: camera is a path", FRAME, frame(camera="../../etc/passwd")),
        ("frame: no time", FRAME, frame(capture_ns=0)),
        ("frame: time of the last nanosecond", FRAME, frame(capture_ns=2**63 - 1)),
        ("frame: lot of 200 bytes", FRAME, frame(lot="x" * 200)),
        ("reference: no uri", FRAME, referring(uri="")),
        ("reference: hash of 31 bytes", FRAME, referring(sha256=bytes(31))),
        ("reference: raw format", FRAME, referring(form=3)),
        ("reference: empty file", FRAME, referring(size_bytes=0)),
        ("event: no kind", EVENT, event(kind=0)),
        ("event: no time", EVENT, event(event_ns=0)),
    ]
    nameless = [
        ("frame: empty record", FRAME, b""),
        ("frame: no inspection", FRAME, frame(inspection=None)),
        ("frame: no piece", FRAME, frame(inspection=inspection(piece_id=""))),
        ("frame: piece of 129 bytes", FRAME, frame(inspection=inspection(piece_id="x" * 129))),
        ("frame: piece with a line break", FRAME, frame(inspection=inspection(piece_id="a\nb"))),
        ("event: no station", EVENT, event(inspection=inspection(station=""))),
    ]
    reason = pb.DEAD_LETTER_REASON_INVALID_FIELD
    return [Malformed(*case, reason, enters=True) for case in entering] + [
        Malformed(*case, reason) for case in nameless
    ]


def _envelopes() -> list[Malformed]:
    unknown, malformed = pb.DEAD_LETTER_REASON_UNKNOWN_TYPE, pb.DEAD_LETTER_REASON_MALFORMED
    elsewhere = pb.DEAD_LETTER_REASON_MISADDRESSED
    return [
        Malformed("header: none", "", frame(), unknown),
        Malformed("header: a verdict", "inspection.v1.Verdict", frame(), unknown),
        Malformed("header: a later version", "inspection.v2.CameraFrame", frame(), unknown),
        Malformed("bytes: text", FRAME, b"hello, is this thing on?", malformed),
        Malformed("bytes: cut", FRAME, frame()[:-10], malformed),
        Malformed("bytes: field of 4 GiB", FRAME, b"\x3a\xff\xff\xff\xff\x0f", malformed),
        Malformed("bytes: a piece id that is not UTF-8", EVENT, b"\x0a\x04\x1a\x02\xff\xfe", malformed),
        Malformed("bytes: groups without end", FRAME, b"\x0b" * 10_000, malformed),
        Malformed("address: another line", FRAME, frame(inspection=inspection(line="l2")), elsewhere),
        Malformed("address: another line's chunk", CHUNK, chunk(line="l2"), elsewhere),
        Malformed("address: key of another station", FRAME, frame(), elsewhere, key=b"st-2"),
        Malformed("address: no key", EVENT, event(), elsewhere, key=b""),
        Malformed("address: key that is not UTF-8", CHUNK, chunk(), elsewhere, key=b"\xff\xfe"),
        Malformed("address: station is a path", CHUNK, chunk(station="../x"), pb.DEAD_LETTER_REASON_INVALID_FIELD),
    ]


@functools.cache
def malformed() -> tuple[Malformed, ...]:
    """All of them, one name each."""
    return (*_images(), *_too_large(), *_samples(), *_fields(), *_envelopes())


def request_bytes(record: Malformed) -> bytes:
    """A frame, chunk or trace as an `Inspect` request. The frame goes in byte by byte, so that what does not parse
    does not here either."""
    head = InspectRequest(inspection=inspection(), product="a").SerializeToString()
    if record.type == FRAME:
        return head + b"\x1a" + _varint(len(record.value)) + record.value
    sent = (pb.ProcessTrace if record.type == TRACE else pb.SignalChunk).FromString(record.value)
    clip = SignalClip(sensor=sent.sensor, kind=sent.kind, samples=sent.samples)
    return head + InspectRequest(signals=[clip]).SerializeToString()


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])
