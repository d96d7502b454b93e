"""Writes images and clips to files that hold them exactly, and reads them back.

Reading checks a declared size before it allocates memory, and unpickles nothing.
"""

import io
import re
from pathlib import PurePath

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import PixelFormat
from streams.decode.images import decode_file
from streams.decode.limits import Limits, RecordError
from streams.decode.samples import FULL_SCALE, from_int16
from streams.observation import Image

Samples = NDArray[np.float32]


class LosslessFileError(ValueError):
    """A recording that its file does not hold exactly, or a file that cannot be read."""


_FLAC_MAX_CHANNELS, _FLAC_RATES_HZ = 8, range(1, 655_351)
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9})\), \} *\n",
    re.DOTALL,
)
"""The only header that is written here, and so the only one accepted."""


def image_file(image: Image, limits: Limits) -> tuple[str, bytes]:
    """Suffix and bytes of a PNG with exactly these pixels, 8 or 16 bits, grey or colour."""
    written, data = cv2.imencode(".png", image)
    content = data.tobytes() if written else b""
    _demand_exact(image, read_image(f"a PNG of an image {image.shape} {image.dtype}", content, limits))
    return ".png", content


def clip_file(samples: Samples, sample_rate_hz: float, limits: Limits) -> tuple[str, bytes]:
    """Suffix and bytes: FLAC where all samples are 16-bit integers over full scale, else .npy."""
    scaled = np.nan_to_num(samples.astype(np.float64) * FULL_SCALE).round()
    steps = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    if _flac_takes(samples, sample_rate_hz) and from_int16(steps).tobytes() == samples.tobytes():
        suffix, content = ".flac", _flac(steps, int(sample_rate_hz))
    else:
        suffix, content = ".npy", _npy(samples)
    _demand_exact(samples, read_clip(f"the {suffix} of a clip {samples.shape}{suffix}", content, limits))
    return suffix, content


def _flac_takes(samples: Samples, sample_rate_hz: float) -> bool:
    num_samples, num_channels = samples.shape
    return num_samples > 0 and 1 <= num_channels <= _FLAC_MAX_CHANNELS and sample_rate_hz in _FLAC_RATES_HZ


def _flac(steps: NDArray[np.int16], sample_rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, steps, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _npy(samples: Samples) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(samples, "<f4"), (1, 0), allow_pickle=False)
    return file.getvalue()


def _demand_exact(original: Image | Samples, decoded: Image | Samples) -> None:
    if original.dtype != decoded.dtype or original.tobytes() != decoded.tobytes() or original.shape != decoded.shape:
        raise LosslessFileError(
            f"a recording of shape {original.shape} {original.dtype} comes back from its file as {decoded.shape} "
            f"{decoded.dtype} or with other values; report this with the versions of opencv and soundfile"
        )


def read_image(name: str, data: bytes, limits: Limits) -> Image:
    """As the line decodes a PNG. Raises LosslessFileError."""
    try:
        return decode_file(data, PixelFormat.PIXEL_FORMAT_PNG, limits)
    except RecordError as exc:
        raise LosslessFileError(f"{name}: {exc.detail}") from exc


def read_clip(name: str, data: bytes, limits: Limits) -> Samples:
    """(num_samples, num_channels) float32, full scale 1.0 for integers. Raises LosslessFileError."""
    match PurePath(name).suffix:
        case ".flac":
            return _read_flac(name, data, limits)
        case ".npy":
            return _read_npy(name, data, limits)
    raise LosslessFileError(f"{name}: a clip is a .flac or .npy file; write it again")


def _read_flac(name: str, data: bytes, limits: Limits) -> Samples:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if (file.format, file.subtype) != ("FLAC", "PCM_16"):
                raise LosslessFileError(
                    f"{name}: is {file.format} {file.subtype}, expected FLAC of 16 bits; write it again"
                )
            _check_size(name, (file.frames, file.channels), limits)
            num_samples, steps = file.frames, file.read(dtype="int16", always_2d=True)
    except soundfile.SoundFileError as exc:
        raise LosslessFileError(f"{name}: {len(data)} bytes are no whole FLAC file ({exc}); copy it again") from exc
    if len(steps) != num_samples:
        raise LosslessFileError(f"{name}: holds {len(steps)} samples of the {num_samples} declared; copy it again")
    return from_int16(steps)


def _read_npy(name: str, data: bytes, limits: Limits) -> Samples:
    header = _NPY_HEADER.match(data)
    if header is None:
        raise LosslessFileError(f"{name}: {len(data)} bytes are no NumPy file of float32 rows; copy it again")
    shape = (int(header[1]), int(header[2]))
    _check_size(name, shape, limits)
    if len(data) - header.end() != 4 * shape[0] * shape[1]:
        raise LosslessFileError(f"{name}: {len(data)} bytes are not the {shape} samples declared; copy it again")
    return np.frombuffer(data, "<f4", offset=header.end()).reshape(shape).astype(np.float32)


def _check_size(name: str, shape: tuple[int, int], limits: Limits) -> None:
    num_samples, num_channels = shape
    if not 1 <= num_channels <= limits.max_signal_channels or not 0 <= num_samples * num_channels <= limits.max_samples:
        raise LosslessFileError(
            f"{name}: declares {num_samples} samples of {num_channels} channels, expected at most {limits.max_samples} "
            f"in all and {limits.max_signal_channels} channels; cut the recording to the length that the line judges"
        )
