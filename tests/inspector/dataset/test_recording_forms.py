"""Each form of a recording is read alike by all, or refused with its name and the reason."""

import os
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset import flac_files
from inspector.dataset.files import read_source
from inspector.dataset.manifest import PieceRow, SignalRow
from inspector.dataset.recordings import RecordingError, read_clip, read_recording
from inspector.replay.messages import Arrival, piece_messages
from inspector.replay.pieces import ManifestPieces
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import Limits
from streams.decode.samples import decode_samples
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from tests.inspector.dataset.sample_files import (
    COUNTS,
    RATE_HZ,
    VALUES,
    form,
    npy,
    part,
    riff,
    wav,
    with_value,
    written,
    zipped,
)

NEVER_CLOSED = riff(form(), part(b"data", COUNTS.tobytes(), 0))
TO_A_PIPE = riff(form(), part(b"data", COUNTS.tobytes(), 0xFFFFFFFF))
COMMENTED = riff(form(), part(b"LIST", b"abcde\0"), part(b"data", COUNTS.tobytes()), part(b"id3 ", b"x" * 30))
FLAC = written(COUNTS, "FLAC", "PCM_16")
TAGGED = wav() + b"TAG" + b"x" * 125


def npy_of(shape: str) -> bytes:
    """A header that numpy's own reader accepts, whatever the shape says."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head.encode() + VALUES[:4].tobytes()


STEREO = np.repeat(VALUES, 2, axis=1)

READ = {
    "16.wav": wav(),
    "pipe.wav": TO_A_PIPE,
    "comment.wav": COMMENTED,
    "tag.wav": TAGGED,
    "extensible.wav": written(COUNTS, "WAVEX", "PCM_16"),
    "24.wav": written(COUNTS, "WAV", "PCM_24"),
    "32.wav": written(COUNTS, "WAV", "PCM_32"),
    "float.wav": written(VALUES, "WAV", "FLOAT"),
    "double.wav": written(VALUES, "WAV", "DOUBLE"),
    "UPPER.WAV": wav(),
    "16.flac": FLAC,
    "24.flac": written(VALUES, "FLAC", "PCM_24"),
    "float32.npy": npy(VALUES),
    "float64.npy": npy(VALUES.astype(np.float64)),
    "flat.npy": npy(VALUES[:, 0]),
    "int16.npy": npy(COUNTS),
    "big-endian int16.npy": npy(COUNTS.astype(">i2")),
    "big-endian.npy": npy(VALUES.astype(">f4")),
}

REFUSED = {
    "inside.wav": (wav()[:-101], "the file is cut"),
    "half.wav": (wav()[: 44 + 400], "ends after 400 of 800 bytes"),
    "odd.wav": (riff(form(), part(b"data", COUNTS.tobytes()[:-1])), "ends inside a sample"),
    "header.wav": (wav(b""), "states 0 bytes of samples and ends there"),
    "open.wav": (NEVER_CLOSED, "never closed"),
    "short.wav": (wav()[:30], "the file is cut"),
    "no data.wav": (wav()[:40], "no data chunk"),
    "riff.wav": (b"RIFF", "cannot be read as WAV"),
    "text.wav": (b"no recording at all", "cannot be read as WAV"),
    "nothing.wav": (b"", "is empty (0 bytes)"),
    "big-endian.wav": (b"RIFX" + wav()[4:], "cannot be read as WAV"),
    "flac.wav": (FLAC, "cannot be read as WAV"),
    "8.wav": (written(VALUES, "WAV", "PCM_U8"), "has 8-bit samples"),
    "law.wav": (written(VALUES, "WAV", "ULAW"), "8-bit samples of WAV format 7"),
    "no channel.wav": (riff(form(channels=0), part(b"data", b"xx")), "states 0 channels"),
    "data first.wav": (riff(part(b"data", COUNTS.tobytes()), form()), "before their format"),
    "data twice.wav": (riff(form(), part(b"data", b"xx"), part(b"data", COUNTS.tobytes())), "(data) twice"),
    "form twice.wav": (riff(form(), form(channels=2), part(b"data", COUNTS.tobytes())), "(fmt) twice"),
    "grew.wav": (wav(size=200), "600 bytes behind the samples that its header states"),
    "rate.wav": (written(COUNTS, "WAV", "PCM_16", 8_000), "8000 Hz, the manifest says 16000 Hz"),
    "nan.wav": (written(with_value(np.nan), "WAV", "FLOAT"), "sample 7 of channel 0 is nan"),
    "wav.flac": (wav(), "expected a FLAC file"),
    "cut.flac": (FLAC[: len(FLAC) // 2], "lost sync"),
    "head.flac": (FLAC[:60], "FLAC"),
    "rate.flac": (written(COUNTS, "FLAC", "PCM_16", 8_000), "8000 Hz, the manifest says 16000 Hz"),
    "nothing.npy": (b"", "is empty (0 bytes)"),
    "no samples.npy": (npy(VALUES[:0]), "holds no samples"),
    "no channels.npy": (npy(np.zeros((5, 0), np.float32)), "holds no samples"),
    "npz.npy": (npy(VALUES, np.savez), "is a zip of arrays (.npz) named .npy"),
    "zip.npy": (zipped(), "is a zip"),
    "text.npy": (b"1,2,3\n", "cannot be read as a NumPy file"),
    "cut.npy": (npy(VALUES)[:-3], "expected 1600 for float32"),
    "header.npy": (npy(VALUES)[:90], "cannot be read as a NumPy file"),
    "long.npy": (npy(VALUES) + b"x", "expected 1600 for float32"),
    "object.npy": (npy(np.array([{}], object)), "holds object"),
    "text array.npy": (npy(np.array(["x"])), "expected numbers"),
    "record.npy": (npy(np.zeros(3, [("a", "f4")])), "expected numbers"),
    "complex.npy": (npy(VALUES.astype(np.complex64)), "holds complex64"),
    "3-D.npy": (npy(np.zeros((2, 2, 2))), "shape (2, 2, 2)"),
    "0-D.npy": (npy(np.array(1, np.float32)), "shape ()"),
    "negative.npy": (npy_of("(-4,)"), "declares the shape (-4,)"),
    "both negative.npy": (npy_of("(-4, -1)"), "declares the shape (-4, -1)"),
    "truth.npy": (npy_of("(True,)"), "declares the shape (True,)"),
    "int32.npy": (npy(COUNTS.astype(np.int32)), "holds int32, which does not say its full scale"),
    "uint8.npy": (npy(COUNTS.astype(np.uint8)), "holds uint8"),
    "int8.npy": (npy(COUNTS.astype(np.int8)), "holds int8"),
    "uint16.npy": (npy(COUNTS.astype(np.uint16)), "holds uint16"),
    "bool.npy": (npy(COUNTS > 0), "holds bool"),
    "transposed.npy": (npy(VALUES.T), "looks transposed: expected (samples, channels)"),
    "few transposed.npy": (npy(np.zeros((3, 50), np.float32)), "looks transposed: expected (samples, channels)"),
    "nan.npy": (npy(with_value(np.nan)), "sample 7 of channel 0 is nan"),
    "infinity.npy": (npy(with_value(-np.inf)), "sample 7 of channel 0 is -inf"),
    "beyond.npy": (npy(with_value(1.0).astype(np.float64) * 1e300), "is inf"),
    "samples.txt": (b"1\n2\n", "'.txt' is not read, only .wav, .flac, .npy, .csv, .tdms"),
}


@pytest.mark.parametrize("name", READ)
def test_every_form_means_the_same(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(READ[name])
    clip = read_clip(tmp_path / name, RATE_HZ, "audio")
    assert clip.samples.dtype == np.float32
    assert np.array_equal(clip.samples, VALUES)


def test_channels_stay_apart(tmp_path: Path) -> None:
    for name, content in (("a.wav", written(STEREO, "WAV", "PCM_24")), ("f.npy", npy(np.asfortranarray(STEREO)))):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_clip(tmp_path / name, RATE_HZ).samples, STEREO)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_believed_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read_recording(tmp_path / name, RATE_HZ, "audio")
    assert f"{name}: " in str(caught.value)
    assert message in str(caught.value)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match=r"a\.wav: is no regular file"):
        read_recording(tmp_path / "a.wav", RATE_HZ)


def test_a_trace_may_have_more_channels_than_samples(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(np.zeros((3, 50), np.float32)))
    assert read_recording(tmp_path / "a.npy", 1.0, "trace").samples.shape == (3, 50)


def test_a_flac_file_may_not_declare_more_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flac_files, "MAX_SAMPLES", 399)
    (tmp_path / "a.flac").write_bytes(FLAC)
    with pytest.raises(RecordingError, match="declares 400 samples, expected at most 399"):
        read_recording(tmp_path / "a.flac", RATE_HZ)


def test_a_header_takes_no_memory_for_what_the_file_lacks(tmp_path: Path) -> None:
    data = npy(np.zeros(1, np.float32)).replace(b"(1,), }             ", b"(999999999999,), }  ")
    assert b"999999999999" in data
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(RecordingError, match="expected 3999999999996"):
        read_recording(tmp_path / "a.npy", RATE_HZ)


@pytest.mark.parametrize(
    ("name", "advice"), [("img\\x.wav", "img/x.wav (which exists)"), ("gone.wav", "correct its path")]
)
def test_a_missing_file_is_called_missing(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "x.wav").write_bytes(wav())
    with pytest.raises(RecordingError) as caught:
        read_recording(tmp_path / name, RATE_HZ)
    assert "does not exist" in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize("name", READ)
def test_the_line_gets_the_samples_that_training_gets(tmp_path: Path, name: str) -> None:
    """By the record that replay publishes, and the line's decoder."""
    (tmp_path / name).write_bytes(READ[name])
    signal = SignalRow(sensor="mic", kind="trace", sample_rate_hz=RATE_HZ, path=name)
    piece = ManifestPieces(tmp_path, [PieceRow(piece_id="p", split="test", signals=(signal,))]).piece(0)
    spec = AssemblySpec((CameraSpec("top"),), (SensorSpec("mic", "trace", RATE_HZ, bind="piece"),))
    messages = [message for _, message in piece_messages(Arrival(pb.Inspection(), "", "", 1), piece, spec)]
    (trace,) = (message for message in messages if isinstance(message, pb.ProcessTrace))
    assert decode_samples(trace.samples, Limits()).tobytes() == read_source(tmp_path, signal).samples.tobytes()  # type: ignore[union-attr]
