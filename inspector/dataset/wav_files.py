"""Decodes a WAV file into samples: PCM of 16, 24 or 32 bits, or float, plain or extensible.

Every size that the file states is checked: a recorder that was killed leaves one that is cut or was never closed.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.sample_files import Decoded, SampleFileError, Samples

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("0000 0000 1000 8000 00aa00389b71")
"""Of the GUID that begins with the format's number (KSDATAFORMAT_SUBTYPE)."""
_UNKNOWN_SIZE = 0xFFFF_FFFF
"""Size stated by writers to a pipe, which cannot return to the header: the data end with the file."""

_NEEDED = {b"fmt ": "the format of its samples (fmt)", b"data": "samples (data)"}
_MAX_TRAILER = 256
"""Some programs write a tag behind the last chunk."""


class _Form(NamedTuple):
    tag: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def decode_wav(data: bytes) -> Decoded:
    """int16 as it stands in the file, else float32 of full scale 1.0 for integers. Raises SampleFileError."""
    bodies: dict[bytes, tuple[int, int]] = {}
    behind = len(data)
    for kind, start, size in _chunks(data):
        if kind in bodies:
            raise SampleFileError(f"has {_NEEDED[kind]} twice; write them as one recording")
        if kind in _NEEDED:
            bodies[kind] = start, size
        if kind == b"data" and b"fmt " not in bodies:
            raise SampleFileError("has samples before their format (fmt); write it again")
        behind = start if kind not in _NEEDED and start + size > len(data) else len(data)
    if b"data" not in bodies:
        raise SampleFileError(
            f"has {len(data)} bytes and no samples (no data chunk); the file is cut or was never closed: record it "
            "again"
        )
    start, size = bodies[b"fmt "]
    form = _form(data[start : start + size])
    samples = _samples(data, *bodies[b"data"], form)
    if len(data) - behind > _MAX_TRAILER:  # A recorder that was killed may have stated fewer samples than it wrote.
        raise SampleFileError(
            f"has {len(data) - behind + 8} bytes behind the samples that its header states, and they are no chunk: "
            "it grew after the header was written last; repair its header, or record it again"
        )
    return Decoded(samples, float(form.rate_hz))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and size as stated of each chunk; one without the room for its own header ends the file."""
    if data[:4] == b"RF64":
        raise SampleFileError("is an RF64 file; save it as WAV of less than 4 GiB, or cut it")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SampleFileError(
            f"begins with {data[:12]!r}, cannot be read as WAV (RIFF, WAVE); it is cut or something else"
        )
    start = 12
    while start + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, start)
        yield kind, start + 8, size
        start += 8 + size + size % 2


def _form(body: bytes) -> _Form:
    if len(body) < 16:
        raise SampleFileError(f"has a format (fmt) of {len(body)} bytes, expected at least 16; the file is cut")
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _SUBFORMAT_TAIL:
            raise SampleFileError("is extensible WAV of a strange form; convert it to 16-bit PCM")
        tag = int.from_bytes(body[24:26], "little")
    if (tag, bits) not in _READERS:
        raise SampleFileError(
            f"has {bits}-bit samples of WAV format {tag}, expected PCM (1) of 16, 24 or 32 bits or float (3) of 32 or "
            "64; convert it to 16-bit PCM"
        )
    form = _Form(tag, channels, rate_hz, bits)
    if channels == 0 or rate_hz == 0 or frame_bytes != form.frame_bytes:
        raise SampleFileError(
            f"states {channels} channels of {bits} bits at {rate_hz} Hz in {frame_bytes} bytes; write it again"
        )
    return form


def _samples(data: bytes, start: int, stated: int, form: _Form) -> Samples:
    there = len(data) - start
    size = there if stated == _UNKNOWN_SIZE else stated
    if stated == 0:
        state = f"although {there} bytes follow: it was never closed" if there else "and ends there"
        raise SampleFileError(f"states 0 bytes of samples {state}; record it again, or repair its header")
    if size > there:
        raise SampleFileError(
            f"ends after {there} of {size} bytes of samples; the file is cut: copy or record it again"
        )
    if size % form.frame_bytes:
        raise SampleFileError(
            f"has {size} bytes of samples, no multiple of {form.frame_bytes} ({form.channels} channels of {form.bits} "
            "bits): it ends inside a sample; copy or record it again"
        )
    samples: Samples = _READERS[form.tag, form.bits](data[start : start + size])
    return samples.reshape(-1, form.channels)


def _read_16(body: bytes) -> NDArray[np.int16]:
    return np.frombuffer(body, "<i2").astype(np.int16)


def _read_24(body: bytes) -> NDArray[np.float32]:
    """Exact: float32 holds 24 bits."""
    padded = np.zeros((len(body) // 3, 4), np.uint8)
    padded[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return _read_32(padded.tobytes())


def _read_32(body: bytes) -> NDArray[np.float32]:
    return np.frombuffer(body, "<i4").astype(np.float32) / np.float32(2**31)


def _read_float32(body: bytes) -> NDArray[np.float32]:
    return np.frombuffer(body, "<f4").astype(np.float32)


def _read_float64(body: bytes) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.frombuffer(body, "<f8").astype(np.float32)


_READERS: dict[tuple[int, int], Callable[[bytes], Samples]] = {
    (_PCM, 16): _read_16,
    (_PCM, 24): _read_24,
    (_PCM, 32): _read_32,
    (_FLOAT, 32): _read_float32,
    (_FLOAT, 64): _read_float64,
}
