"""A data set through a real log: clips cut from the stream equal the files, bit for bit."""

from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow
from inspector.dataset.recordings import write_wav
from inspector.replay.faults import Faults, Silence
from inspector.replay.line import LineSettings, line_records
from inspector.replay.pieces import ManifestPieces
from inspector.replay.plan import NS, plan
from streams.decode.items import Chunk, Event, Item
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from streams.join.assembly import AssemblySpec, CameraSpec, JoinSettings, SensorSpec
from streams.join.clips import SensorStream, Window
from streams.records import Topics

BASE_NS = 1_750_000_000 * NS + 123_456_789
NUM_PIECES = 6


def dataset(folder: Path, sensor: SensorSpec) -> tuple[ManifestPieces, list[np.ndarray]]:
    """Random recordings; 16-bit WAV for audio, float32 NumPy files for the rest."""
    rng = np.random.default_rng(1)
    length = round((sensor.end_s - sensor.start_s) * sensor.sample_rate_hz)
    rows, expected = [], []
    for number in range(NUM_PIECES):
        (folder / f"{number}.png").write_bytes(b"png")
        if sensor.kind == "audio":
            samples = rng.integers(-32768, 32768, (length, sensor.num_channels)).astype(np.int16)
            write_wav(folder / f"{number}.wav", samples, int(sensor.sample_rate_hz))
            expected.append(samples.astype(np.float32) / np.float32(32768))
        else:
            expected.append(rng.normal(0, 1, (length, sensor.num_channels)).astype(np.float32))
            np.save(folder / f"{number}.npy", expected[-1])
        path = f"{number}.{'wav' if sensor.kind == 'audio' else 'npy'}"
        assert sensor.kind != "image"
        signal = SignalRow(sensor=sensor.name, kind=sensor.kind, sample_rate_hz=sensor.sample_rate_hz, path=path)
        image = ImageRow(camera="top", path=f"{number}.png")
        rows.append(PieceRow(piece_id=f"p{number}", split="test", images=(image,), signals=(signal,)))
    return ManifestPieces(folder, rows), expected


def through_log(folder: Path, source: ManifestPieces, spec: AssemblySpec, faults: Faults) -> list[Item]:
    schedule = plan(len(source), 11.7, spec)
    names = tuple(f"s{number}" for number in range(schedule.num_stations))
    settings = LineSettings(Topics("t", "l"), names, "disc", BASE_NS)
    log = EmbeddedLog(folder / "log.sqlite")
    with closing(log.publisher()) as publisher:
        publisher.publish([record.output for record in line_records(source, spec, schedule, settings, faults)])
    with closing(log.source(["l"], "t", "reader")) as reader:
        records = [record for _ in range(10) for record in reader.poll(0.05).records]
    return [decode(record, Limits(), "l") for record in records]


@pytest.mark.parametrize(
    "sensor",
    [
        SensorSpec("mic", "audio", 16_000.0, start_s=-0.02, end_s=0.23),
        SensorSpec("mic", "audio", 48_000.0, end_s=0.2),
        SensorSpec("mic", "audio", 44_100.0, 2, start_s=0.0131, end_s=0.2),
        SensorSpec("mic", "audio", 22_050.0, start_s=0.1, end_s=0.3),
        SensorSpec("acc", "vibration", 3_200.0, 3, end_s=0.25),
        SensorSpec("acc", "vibration", 12_800.0 / 3, end_s=0.3),
    ],
    ids=lambda sensor: f"{sensor.sample_rate_hz:g} Hz",
)
@pytest.mark.parametrize("silent", [False, True], ids=["all heard", "silent before"])
def test_clips_cut_from_the_log_equal_the_files(tmp_path: Path, sensor: SensorSpec, silent: bool) -> None:
    """A silence restarts the stream's anchor in the middle of its count, at a stamp that is rounded to nanoseconds."""
    spec = AssemblySpec((CameraSpec("top"),), (sensor,))
    source, expected = dataset(tmp_path, sensor)
    faults = Faults(silences=(Silence(sensor.name, 0.0, 0.2),) if silent else ())
    items = through_log(tmp_path, source, spec, faults)
    streams: dict[str, SensorStream] = defaultdict(lambda: SensorStream(sensor, JoinSettings().jitter_s))
    for item in items:
        if isinstance(item, Chunk) and (not silent or item.start_ns > BASE_NS + NS // 10):
            streams[item.station].place(item)
    events = [item for item in items if isinstance(item, Event)]
    assert len(events) == NUM_PIECES
    for event, samples in list(zip(events, expected, strict=True))[3 if silent else 0 :]:
        start_ns = event.event_ns + round(sensor.start_s * NS)
        window = Window(start_ns, event.event_ns + round(sensor.end_s * NS))
        cut = streams[event.inspection.station].cut(window)
        assert cut.coverage == 1.0
        assert cut.samples is not None
        assert np.array_equal(cut.samples, samples)
