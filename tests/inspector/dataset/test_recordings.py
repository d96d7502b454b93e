"""Recordings: samples as they stand in the file, and what cannot be read."""

import wave
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.recordings import RecordingError, read_recording, write_wav


def test_wav_samples_are_those_of_the_file(tmp_path: Path) -> None:
    samples = np.array([[-32768, 32767], [0, -1]], dtype=np.int16)
    write_wav(tmp_path / "a.wav", samples, 16_000)
    recording = read_recording(tmp_path / "a.wav", 16_000)
    assert recording.samples.dtype == np.int16
    assert np.array_equal(recording.samples, samples)
    assert recording.length_s == 2 / 16_000


@pytest.mark.parametrize(("shape", "expected"), [((5,), (5, 1)), ((5, 3), (5, 3))])
def test_numpy_files_become_columns_of_float32(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, int]
) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))
    recording = read_recording(tmp_path / "a.npy", 10)
    assert recording.samples.shape == expected
    assert recording.samples.dtype == np.dtype(np.float32)


def eight_bits(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 4)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.flac", lambda path: path.write_bytes(b"fLaC"), "cannot be read as FLAC"),
        ("a.wav", lambda path: path.write_bytes(b"RIFF"), "cannot be read as WAV"),
        ("a.wav", eight_bits, "has 8-bit samples"),
        ("a.wav", lambda path: write_wav(path, np.zeros((1, 1), np.int16), 8_000), "8000 Hz, the manifest says 16000"),
        ("a.npy", lambda path: path.write_bytes(b"nothing"), "cannot be read as a NumPy file"),
        ("a.npy", lambda path: np.save(path, np.zeros((2, 2, 2))), "shape (2, 2, 2)"),
        ("a.npy", lambda path: np.save(path, np.array(["x"])), "expected numbers"),
        ("a.npy", lambda path: None, "does not exist"),
    ],
)
def test_what_cannot_be_read_says_what_helps(tmp_path: Path, name: str, make: object, message: str) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(RecordingError) as caught:
        read_recording(tmp_path / name, 16_000)
    assert message in str(caught.value)
