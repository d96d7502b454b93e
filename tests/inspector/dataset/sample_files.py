"""Recordings and pictures in many forms, whole and broken."""

import io
import struct
import zipfile
from collections.abc import Callable

import cv2
import numpy as np
import soundfile

RATE_HZ = 16_000
COUNTS = np.random.default_rng(4).integers(-32768, 32768, (400, 1)).astype(np.int16)
VALUES = COUNTS.astype(np.float32) / np.float32(32768)


def part(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body


def riff(*parts: bytes) -> bytes:
    body = b"WAVE" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def form(tag: int = 1, channels: int = 1, bits: int = 16, rate_hz: int = RATE_HZ) -> bytes:
    width = channels * bits // 8
    return part(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width, width, bits))


def wav(data: bytes = COUNTS.tobytes(), size: int | None = None) -> bytes:
    return riff(form(), part(b"data", data, size))


def written(values: np.ndarray, kind: str, subtype: str, rate_hz: int = RATE_HZ) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, values, rate_hz, format=kind, subtype=subtype)
    return out.getvalue()


def npy(values: np.ndarray, save: Callable[..., None] = np.save) -> bytes:
    out = io.BytesIO()
    save(out, values)
    return out.getvalue()


def with_value(value: float) -> np.ndarray:
    values = VALUES.copy()
    values[7] = value
    return values


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("x", b"x")
    return out.getvalue()


def image_file(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def oriented(jpeg: bytes, value: int, order: str = ">") -> bytes:
    """The JPEG with an EXIF orientation."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    tiff = head + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
