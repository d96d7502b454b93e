"""TDMS files of LabVIEW, where npTDMS is installed; a sentence where it is not."""

import importlib
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.recordings import Layout, RecordingError, read_recording
from inspector.dataset.sample_files import SampleFileError
from inspector.dataset.tdms_files import decode_tdms

VALUES = np.arange(50, dtype=np.float64)


def tdms(channels: Mapping[str, np.ndarray], step_s: float | None = 0.001) -> bytes:
    """A file of one group `daq`."""
    nptdms = pytest.importorskip("nptdms")
    properties = {} if step_s is None else {"wf_increment": step_s}
    out = io.BytesIO()
    with nptdms.TdmsWriter(out) as writer:
        objects = [nptdms.ChannelObject("daq", name, values, properties) for name, values in channels.items()]
        writer.write_segment(objects)
    return out.getvalue()


def test_channels_are_columns_and_the_increment_is_the_rate(tmp_path: Path) -> None:
    (tmp_path / "a.tdms").write_bytes(tdms({"Time": VALUES, "x": VALUES, "y": -VALUES}))
    recording = read_recording(tmp_path / "a.tdms", 1000, "vibration")
    np.testing.assert_array_equal(recording.samples, np.stack([VALUES, -VALUES], axis=1))
    with pytest.raises(RecordingError, match="sampled at 1000 Hz, the manifest says 2000 Hz"):
        read_recording(tmp_path / "a.tdms", 2000, "vibration")
    assert read_recording(tmp_path / "a.tdms", 1000, "trace", Layout(columns=("daq/y",))).samples[1, 0] == -1


@pytest.mark.parametrize(
    ("channels", "columns", "message"),
    [
        ({"x": VALUES, "y": VALUES[:5]}, (), "has channels of 5, 50 samples"),
        ({"x": VALUES}, ("z",), "has no channel 'z'"),
        ({"x": VALUES}, ("daq/X",), "did you mean 'daq/x'"),
    ],
)
def test_what_cannot_be_one_recording_is_refused(
    channels: Mapping[str, np.ndarray], columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SampleFileError, match=message):
        decode_tdms(tdms(channels), columns)


def test_damaged_files_are_refused_by_a_sentence() -> None:
    whole = tdms({"x": VALUES})
    cut = [whole[:size] for size in range(4, len(whole), 7)]
    flipped = [whole[:place] + b"\xff" + whole[place + 1 :] for place in range(4, 60)]
    for data in (*cut, *flipped):
        with suppress(SampleFileError):  # any other error is a defect
            decode_tdms(data)
    with pytest.raises(SampleFileError, match="expected a TDMS file"):
        decode_tdms(b"RIFF")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SampleFileError, match=r"pip install '\.\[tdms\]'"):
        decode_tdms(b"TDSm")
