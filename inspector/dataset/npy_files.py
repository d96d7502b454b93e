"""Decodes a NumPy file into samples. Allocates only the bytes that the file has, not those that its header declares."""

import io

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from inspector.dataset.sample_files import Decoded, SampleFileError

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def decode_npy(data: bytes) -> Decoded:
    """(samples,) or (samples, channels) of floats, or of int16 at the full scale of a WAV file.

    Raises SampleFileError.
    """
    if data.startswith(b"PK"):
        raise SampleFileError("is a zip of arrays (.npz) named .npy; save the one array by numpy.save")
    file = io.BytesIO(data)
    shape, fortran_order, dtype = _header(file)
    _check_form(shape, dtype)
    start, expected = file.tell(), int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - start != expected:
        raise SampleFileError(
            f"has {len(data) - start} bytes of samples, expected {expected} for {dtype} of shape {shape}; "
            "the file is cut or damaged: write it again"
        )
    values = np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran_order else "C")
    columns = values.reshape(len(values), -1) if values.size else values.reshape(0, 1)
    if dtype.kind == "i":
        return Decoded(np.ascontiguousarray(columns, np.int16), None)
    return Decoded(_as_float32(columns), None)


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = npy_format.read_magic(file)
        read_header = _HEADERS.get(version)
        header = None if read_header is None else read_header(file)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as exc:
        raise SampleFileError(f"cannot be read as a NumPy file ({exc}); write it again by numpy.save") from exc
    if header is None:
        raise SampleFileError(f"is of NumPy format {version}; expected plain numbers: save them by numpy.save")
    shape, fortran_order, dtype = header
    return shape, fortran_order, dtype


def _check_form(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if any(type(side) is not int or side < 0 for side in shape):
        raise SampleFileError(f"declares the shape {shape}, expected whole numbers; write it again by numpy.save")
    if len(shape) not in (1, 2) or (dtype.kind not in "fiu" and dtype.kind != "b"):
        raise SampleFileError(
            f"holds {dtype} of shape {shape}; expected numbers (samples,) or (samples, channels), float32 or int16"
        )
    if dtype.kind != "f" and (dtype.kind, dtype.itemsize) != ("i", 2):
        raise SampleFileError(
            f"holds {dtype}, which does not say its full scale; expected float32 (full scale 1.0, or physical units) "
            "or int16 (full scale 32768, as in a WAV file): divide by the full scale and save as float32"
        )


def _as_float32(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """A value beyond float32 becomes infinity, which is refused later."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)
