"""Reads and writes recordings of one sensor: WAV, FLAC, NumPy, CSV and TDMS files, whole and finite, or refused by
name."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.csv_files import decode_csv
from inspector.dataset.file_bytes import read_bytes
from inspector.dataset.flac_files import decode_flac
from inspector.dataset.npy_files import decode_npy
from inspector.dataset.sample_files import Decoded, SampleFileError, Samples
from inspector.dataset.tdms_files import decode_tdms
from inspector.dataset.wav_files import decode_wav
from streams.decode.kinds import is_curve
from streams.decode.limits import Limits
from streams.decode.samples import from_int16

MAX_FILE_BYTES = 2 * 2**30
_DECODERS = {".wav": decode_wav, ".flac": decode_flac, ".npy": decode_npy}
_TABLES = {".csv": decode_csv, ".tdms": decode_tdms}
"""Files whose channels have names."""
SUFFIXES = (*_DECODERS, *_TABLES)


class RecordingError(ValueError):
    """A recording that cannot be read; the message names file, problem and fix."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Samples (num_samples, num_channels): int16 as they stand in the file, or float32 of full scale 1.0."""

    samples: Samples
    sample_rate_hz: float

    @property
    def length_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Samples (num_samples, num_channels) as the join delivers them."""

    samples: NDArray[np.float32]
    sample_rate_hz: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the channels are in a file that does not say it."""

    columns: tuple[str, ...] = ()
    """By name, of a CSV or TDMS file; none: all but the time."""
    channels_first: bool = False
    """Of a NumPy file."""

    def of_file(self, path: Path) -> "Layout":
        """The part that is for a file of this form, where one layout is given for files of several."""
        suffix = path.suffix.lower()
        return Layout(self.columns if suffix in _TABLES else (), self.channels_first and suffix == ".npy")


PLAIN = Layout()


def read_recording(path: Path, sample_rate_hz: float, kind: str = "trace", layout: Layout = PLAIN) -> Recording:
    """Reads a file; the rate that it states, if any, must be the one that the manifest states.

    Raises RecordingError for a file that is cut, empty, not finite or of another form.
    """
    decoded = _decoded(path, kind, layout)
    _check_rate(path, decoded, sample_rate_hz)
    return Recording(decoded.samples, sample_rate_hz)


def stated_rate_hz(path: Path, kind: str = "trace", layout: Layout = PLAIN) -> float | None:
    """The sample rate that the file itself states, if any. Raises RecordingError."""
    return _decoded(path, kind, layout).sample_rate_hz


def _decoded(path: Path, kind: str, layout: Layout) -> Decoded:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RecordingError(
            f"{path}: {path.suffix!r} is not read, only {', '.join(SUFFIXES)}; convert it to .wav, .flac or float32 "
            ".npy"
        )
    data = read_bytes(path, MAX_FILE_BYTES, RecordingError)
    try:
        _check_layout(suffix, layout)
        decoded = _TABLES[suffix](data, layout.columns) if suffix in _TABLES else _DECODERS[suffix](data)
        if layout.channels_first:
            decoded = decoded._replace(samples=decoded.samples.T.copy())
        _check_shape(decoded, kind)
        _check_finite(decoded.samples)
    except SampleFileError as exc:
        raise RecordingError(f"{path}: {exc}") from exc
    return decoded


def _check_layout(suffix: str, layout: Layout) -> None:
    if layout.columns and suffix not in _TABLES:
        raise SampleFileError(f"has no named columns; leave `columns` out, which is for {' and '.join(_TABLES)}")
    if layout.channels_first and suffix != ".npy":
        raise SampleFileError("says itself which way round it is; leave channels_first out, which is for .npy")


def read_clip(path: Path, sample_rate_hz: float, kind: str = "trace", layout: Layout = PLAIN) -> Clip:
    """The recording as the line delivers it: float32, integers divided by full scale. Raises RecordingError."""
    return Clip(full_scale(read_recording(path, sample_rate_hz, kind, layout).samples), sample_rate_hz)


def full_scale(samples: Samples) -> NDArray[np.float32]:
    """float32 as the line's decoder makes it: int16 divided by full scale."""
    return from_int16(np.asarray(samples, np.int16)) if samples.dtype == np.int16 else samples.astype(np.float32)


def _check_shape(decoded: Decoded, kind: str) -> None:
    """A curve may have more channels than samples; a sound of such a shape is transposed."""
    num_samples, num_channels = decoded.samples.shape
    most = Limits().max_signal_channels
    if num_samples == 0:
        raise SampleFileError("holds no samples; restore the file or leave the piece out")
    if num_channels > most or (num_channels > num_samples and not is_curve(kind)):
        problem = (
            f"has shape {decoded.samples.shape}: looks transposed" if num_channels > num_samples else "is too wide"
        )
        raise SampleFileError(
            f"{problem}: expected (samples, channels), at most {most} channels, found {num_samples} samples of "
            f'{num_channels} channels; save its transpose (array.T), or write "channels_first": true into the '
            "manifest's signal row"
        )


def _check_finite(samples: Samples) -> None:
    finite = np.isfinite(samples)
    if finite.all():
        return
    index, channel = (int(number) for number in np.argwhere(~finite)[0])
    raise SampleFileError(
        f"sample {index} of channel {channel} is {samples[index, channel]}, expected finite values "
        f"({np.count_nonzero(~finite)} are not); repair the recording or leave the piece out"
    )


def _check_rate(path: Path, decoded: Decoded, sample_rate_hz: float) -> None:
    stated_hz = decoded.sample_rate_hz
    if stated_hz is not None and abs(stated_hz - sample_rate_hz) > decoded.rate_tolerance * sample_rate_hz:
        raise RecordingError(
            f"{path}: is sampled at {stated_hz:g} Hz, the manifest says {sample_rate_hz:g} Hz; "
            "correct the manifest or resample the file"
        )


def write_wav(path: Path, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
    """Writes samples (num_samples, num_channels) as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())
