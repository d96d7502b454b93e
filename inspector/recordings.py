"""Reads and writes recordings of one sensor: WAV (16-bit PCM) and NumPy files. Knows no piece and no window.

FLAC and other WAV encodings belong to the training half; serving and replay refuse them with a remedy.
"""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16] | NDArray[np.float32]


class RecordingError(ValueError):
    """A recording that cannot be read; the message names file, finding and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Samples (num_samples, num_channels): int16 as they stand in a WAV file, or float32."""

    samples: Samples
    sample_rate_hz: float

    @property
    def length_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz


def read_recording(path: Path, sample_rate_hz: float) -> Recording:
    """Reads a .wav or .npy file; the rate of a WAV file must be the one that the manifest states."""
    match path.suffix.lower():
        case ".wav":
            recording = _read_wav(path)
        case ".npy":
            recording = Recording(_read_npy(path), sample_rate_hz)
        case suffix:
            raise RecordingError(
                f"{path}: {suffix!r} is not read here; convert it to 16-bit PCM .wav or to float32 .npy"
            )
    if recording.sample_rate_hz != sample_rate_hz:
        raise RecordingError(
            f"{path}: is sampled at {recording.sample_rate_hz:g} Hz, the manifest says {sample_rate_hz:g} Hz; "
            "correct the manifest or resample the file"
        )
    return recording


def _read_wav(path: Path) -> Recording:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as exc:
        raise RecordingError(f"{path}: cannot be read as 16-bit PCM WAV ({exc}); convert or replace it") from exc
    if width != 2:
        raise RecordingError(f"{path}: has {8 * width}-bit samples; convert it to 16-bit PCM")
    return Recording(np.frombuffer(data, dtype="<i2").astype(np.int16).reshape(-1, channels), float(rate))


def _read_npy(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as exc:
        raise RecordingError(f"{path}: cannot be read as a NumPy file ({exc}); replace it") from exc
    if array.ndim not in (1, 2) or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise RecordingError(
            f"{path}: holds {array.dtype} of shape {array.shape}; expected numbers (num_samples,) or "
            "(num_samples, num_channels)"
        )
    columns = array.reshape(len(array), 1 if array.ndim == 1 else array.shape[1])
    return np.ascontiguousarray(columns, dtype=np.float32)


def write_wav(path: Path, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
    """Writes samples (num_samples, num_channels) as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())
