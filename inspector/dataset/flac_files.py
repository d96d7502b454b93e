"""Decodes a FLAC file into samples, by libsndfile."""

import io

import numpy as np
import soundfile

from inspector.dataset.sample_files import Decoded, SampleFileError

MAX_SAMPLES = 2**28
"""All channels together: 1 GiB as float32. Silence packs a thousandfold, so that a small file may declare more."""


def decode_flac(data: bytes) -> Decoded:
    """int16 for 16 bits, float32 of full scale 1.0 for others. Raises SampleFileError."""
    if not data.startswith(b"fLaC"):
        raise SampleFileError(f"begins with {data[:4].hex()}, expected a FLAC file (fLaC); name it after its content")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            declared = file.frames
            if not 0 <= declared * file.channels <= MAX_SAMPLES:
                raise SampleFileError(f"declares {declared} samples, expected at most {MAX_SAMPLES}; cut it")
            whole = file.subtype == "PCM_16"
            samples = file.read(dtype="int16" if whole else "float32", always_2d=True)
            rate_hz = float(file.samplerate)
    except soundfile.SoundFileError as exc:
        reason = str(exc).rpartition(": ")[2].rstrip(".")
        raise SampleFileError(f"cannot be read as FLAC ({reason}); write or copy it again") from exc
    if len(samples) != declared:
        raise SampleFileError(f"ends after {len(samples)} of {declared} samples; the file is cut: copy it again")
    return Decoded(np.ascontiguousarray(samples), rate_hz)
