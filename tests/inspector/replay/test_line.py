"""The records of a replayed line: counts, times, windows that hold exactly the files' samples."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from google.protobuf.message import Message

from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow
from inspector.dataset.recordings import Recording, write_wav
from inspector.dataset.sample_files import Samples
from inspector.recipe.window import window_samples
from inspector.replay.faults import Faults, Scheduled, Silence
from inspector.replay.line import LineSettings, line_records
from inspector.replay.pieces import LinePiece, ManifestPieces, Provenance, Shot, SimulatedPieces
from inspector.replay.plan import NS, plan
from inspector.simulation.pieces import LineSettings as SimulatedLine
from protos.inspection.v1 import records_pb2 as pb
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.records import Topics

BASE_NS = 1_750_000_000 * NS
PERFECT = Faults()
SampleType = type[np.int16] | type[np.float32]
Decoded = TypeVar("Decoded", bound=Message)
TOPICS = Topics("inspection", "line-1")


class Made:
    """Pieces with a random clip each; piece 2 has none."""

    def __init__(
        self, sensor: SensorSpec, num_pieces: int, dtype: type[np.int16] | type[np.float32] = np.int16
    ) -> None:
        rng = np.random.default_rng(0)
        shape = (num_pieces, window_samples(sensor), sensor.num_channels)
        numbers = rng.integers(-30_000, 30_000, shape)
        self.clips: Samples = numbers.astype(np.int16) if dtype is np.int16 else numbers.astype(np.float32)
        self.sensor = sensor

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset(("top", self.sensor.name))

    def as_trained(self, provenance: Provenance) -> "Made":
        return self

    def piece(self, number: int) -> LinePiece:
        clip = Recording(self.clips[number], self.sensor.sample_rate_hz)
        shot = Shot("top", 0, pb.PIXEL_FORMAT_PNG, b"png%d" % number)
        recordings = {} if number == 2 else {self.sensor.name: clip}
        return LinePiece(f"p{number}", (shot,), recordings, "ok")


def spec_of(**changes: object) -> AssemblySpec:
    values = {"name": "mic", "kind": "audio", "sample_rate_hz": 16_000.0, "start_s": -0.02, "end_s": 0.23} | changes
    return AssemblySpec((CameraSpec("top"),), (SensorSpec(**values),))  # type: ignore[arg-type]


def run(source: Made, spec: AssemblySpec, faults: Faults = PERFECT, rate_hz: float = 12.0) -> list[Scheduled]:
    schedule = plan(len(source), rate_hz, spec)
    names = tuple(f"station-{n + 1}" for n in range(schedule.num_stations))
    return list(line_records(source, spec, schedule, LineSettings(TOPICS, names, "disc", BASE_NS), faults))


def decoded(records: list[Scheduled], kind: type[Decoded]) -> list[Decoded]:
    return [
        kind.FromString(record.output.value)
        for record in records
        if record.output.type == f"inspection.v1.{kind.DESCRIPTOR.name}"
    ]


def cut(chunks: list[pb.SignalChunk], station: str, start_ns: int, count: int) -> np.ndarray | None:
    """Samples by their own times: sample n of a chunk is taken n periods after its stamp."""
    samples_by_place = {}
    for chunk in chunks:
        if chunk.station != station:
            continue
        form = "<i2" if chunk.samples.format == pb.SAMPLE_FORMAT_S16LE else "<f4"
        samples = np.frombuffer(chunk.samples.data, form).reshape(-1, chunk.samples.num_channels)
        first = round((chunk.start_ns - start_ns) * chunk.samples.sample_rate_hz / NS)
        samples_by_place.update({first + n: sample for n, sample in enumerate(samples)})
    window = [samples_by_place[n] for n in range(count) if n in samples_by_place]
    return np.stack(window) if len(window) == count else None


@pytest.mark.parametrize(
    ("changes", "dtype"),
    [
        ({}, np.int16),
        ({"sample_rate_hz": 48_000.0}, np.int16),
        ({"sample_rate_hz": 44_100.0}, np.float32),
        ({"sample_rate_hz": 3_200.0, "num_channels": 3, "kind": "vibration"}, np.float32),
        ({"anchor": "top"}, np.int16),
    ],
    ids=["16k", "48k", "44.1k", "vibration", "camera-anchor"],
)
def test_the_recipes_window_holds_exactly_the_clip(changes: dict[str, object], dtype: type) -> None:
    spec = spec_of(**changes)
    sensor = spec.sensors[0]
    source = Made(sensor, 6, dtype)
    records = run(source, spec)
    chunks = decoded(records, pb.SignalChunk)
    anchors = {e.inspection.piece_id: (e.inspection.station, e.event_ns) for e in decoded(records, pb.PieceEvent)}
    if sensor.anchor == "top":
        anchors = {
            f.inspection.piece_id: (f.inspection.station, f.capture_ns) for f in decoded(records, pb.CameraFrame)
        }
    for number in (0, 1, 3, 4, 5):
        station, anchor_ns = anchors[f"p{number}"]
        got = cut(chunks, station, anchor_ns + round(sensor.start_s * NS), window_samples(sensor))
        assert got is not None
        assert np.array_equal(got, source.clips[number])


def test_a_piece_without_a_recording_leaves_a_gap() -> None:
    spec = spec_of()
    records = run(Made(spec.sensors[0], 4), spec)
    event = next(e for e in decoded(records, pb.PieceEvent) if e.inspection.piece_id == "p2")
    chunks = decoded(records, pb.SignalChunk)
    assert cut(chunks, event.inspection.station, event.event_ns - NS // 50, 1) is None


def test_chunks_count_every_sample_once() -> None:
    spec = spec_of()
    chunks = decoded(run(Made(spec.sensors[0], 2), spec), pb.SignalChunk)
    for station in {chunk.station for chunk in chunks}:
        mine = [chunk for chunk in chunks if chunk.station == station]
        ends = [chunk.first_sample + len(chunk.samples.data) // 2 for chunk in mine]
        assert [chunk.first_sample for chunk in mine] == [0, *ends[:-1]]
        assert mine[0].stream_id == mine[-1].stream_id


def test_nothing_is_published_before_it_happened() -> None:
    spec = spec_of()
    for record in run(Made(spec.sensors[0], 3), spec):
        match record.output.type:
            case "inspection.v1.CameraFrame":
                happened_ns = pb.CameraFrame.FromString(record.output.value).capture_ns
            case "inspection.v1.PieceEvent":
                happened_ns = pb.PieceEvent.FromString(record.output.value).event_ns
            case _:
                chunk = pb.SignalChunk.FromString(record.output.value)
                happened_ns = chunk.start_ns + len(chunk.samples.data) // 2 * NS // 16_000
        assert record.at_ns >= happened_ns


def test_records_come_in_order_of_time_and_say_who_sent_them() -> None:
    spec = spec_of()
    records = run(Made(spec.sensors[0], 5), spec, Faults(jitter_s=0.05, duplicate=0.3, reorder=0.2, seed=3))
    assert [record.at_ns for record in records] == sorted(record.at_ns for record in records)
    assert {record.output.partition for record in records} == {None}
    assert all(record.output.key.startswith(b"station-") for record in records)


def test_where_clips_would_overlap_pieces_are_spread_over_stations() -> None:
    assert plan(20, 12.0, spec_of()).num_stations == 3
    assert plan(20, 12.0, spec_of(), stations=5).num_stations == 5
    assert plan(20, 3.9, spec_of()).num_stations == 1


def test_events_are_never_lost_and_equal_seeds_lose_the_same() -> None:
    spec = spec_of()
    faults = Faults(drop=0.5, seed=4)
    records = run(Made(spec.sensors[0], 8), spec, faults)
    count = Counter(record.output.type for record in records)
    assert count["inspection.v1.PieceEvent"] == 8
    assert 0 < count["inspection.v1.CameraFrame"] < 8
    assert records == run(Made(spec.sensors[0], 8), spec, faults)


def test_duplicates_are_the_same_record_again() -> None:
    spec = spec_of()
    plain = run(Made(spec.sensors[0], 8), spec)
    doubled = run(Made(spec.sensors[0], 8), spec, Faults(duplicate=0.3, seed=1))
    assert {record.output for record in doubled} == {record.output for record in plain}
    assert len(doubled) > len(plain)


def test_a_silent_sensor_sends_nothing_between_the_two_moments() -> None:
    spec = spec_of()
    faults = Faults(silences=(Silence("mic", 0.1, 0.4, "station-2"),))
    chunks = decoded(run(Made(spec.sensors[0], 8), spec, faults), pb.SignalChunk)
    assert cut(chunks, "station-2", BASE_NS + NS // 10, 1) is None
    assert cut(chunks, "station-2", BASE_NS + 4 * NS // 10 - NS // 16_000, 1) is None
    assert cut(chunks, "station-2", BASE_NS + 4 * NS // 10, 1) is not None
    assert cut(chunks, "station-3", BASE_NS + NS // 10, 1) is not None


def test_skew_moves_the_sensors_stamps_only() -> None:
    spec = spec_of()
    plain, skewed = (run(Made(spec.sensors[0], 2), spec, Faults(skew_s=s)) for s in (0.0, 0.03))
    stamps = [[chunk.start_ns for chunk in decoded(records, pb.SignalChunk)] for records in (plain, skewed)]
    assert [b - a for a, b in zip(*stamps, strict=True)] == [30_000_000] * len(stamps[0])
    assert decoded(plain, pb.CameraFrame) == decoded(skewed, pb.CameraFrame)


@pytest.mark.parametrize("num_samples", [1, 1000, 3999, 4000, 5000])
def test_a_recording_arrives_as_long_as_it_is(tmp_path: Path, num_samples: int) -> None:
    """The missing part of the window never comes, and samples beyond the window are cut off."""
    write_wav(tmp_path / "a.wav", np.full((num_samples, 1), 77, dtype=np.int16), 16_000)
    (tmp_path / "a.png").write_bytes(b"png")
    row = PieceRow(
        piece_id="a",
        split="test",
        images=(ImageRow(camera="top", path="a.png"),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=16_000, path="a.wav"),),
    )
    records = run(ManifestPieces(tmp_path, [row]), spec_of())  # type: ignore[arg-type]
    chunks, start_ns, expected = decoded(records, pb.SignalChunk), BASE_NS - NS // 50, min(num_samples, 4000)
    if expected:
        got = cut(chunks, "station-1", start_ns, expected)
        assert got is not None
        assert (got == 77).all()
    if expected < 4000:
        places = [round((chunk.start_ns - start_ns) * 16_000 / NS) for chunk in chunks]
        spans = [(first, first + len(chunk.samples.data) // 2) for first, chunk in zip(places, chunks, strict=True)]
        assert not [span for span in spans if span[0] < 4000 and span[1] > expected]
    assert cut(chunks, "station-1", start_ns + NS // 4, 160) is not None, "heard again behind the window"


def test_a_trace_without_samples_is_not_sent() -> None:
    spec = spec_of(kind="trace", bind="piece", sample_rate_hz=100.0, end_s=0.5)
    records = run(Made(replace(spec.sensors[0], end_s=-0.02), 4, np.float32), spec)
    assert decoded(records, pb.ProcessTrace) == []


def test_traces_travel_with_their_piece() -> None:
    spec = spec_of(kind="trace", bind="piece", sample_rate_hz=100.0, end_s=0.5)
    traces = decoded(run(Made(spec.sensors[0], 4, np.float32), spec), pb.ProcessTrace)
    assert [trace.inspection.piece_id for trace in traces] == ["p0", "p1", "p3"]
    assert traces[0].samples.format == pb.SAMPLE_FORMAT_F32LE


def test_a_trace_ends_as_its_piece_enters_however_long_it_is() -> None:
    spec = spec_of(kind="trace", bind="piece", sample_rate_hz=1.0, end_s=600.0)
    scheduled = run(Made(spec.sensors[0], 2, np.float32), spec)
    entries = {event.inspection.piece_id: event.event_ns for event in decoded(scheduled, pb.PieceEvent)}
    for trace in decoded(scheduled, pb.ProcessTrace):
        num = len(trace.samples.data) // 4
        assert num > 1
        assert trace.start_ns + num * 10**9 == entries[trace.inspection.piece_id]


@pytest.mark.parametrize(("bind", "kind"), [("time", pb.SignalChunk), ("piece", pb.ProcessTrace)])
def test_a_line_without_a_camera_sends_events_and_signals_alone(bind: str, kind: type[Message]) -> None:
    source = SimulatedPieces(SimulatedLine(seed=3), 4, only="mic")
    spec = replace(spec_of(start_s=0.0, end_s=0.25, bind=bind), cameras=())
    schedule = plan(len(source), 2.0, spec)
    records = list(line_records(source, spec, schedule, LineSettings(TOPICS, ("s1",), "disc", BASE_NS), PERFECT))
    assert len(decoded(records, pb.PieceEvent)) == 4
    assert len(decoded(records, kind)) >= 4
    assert decoded(records, pb.CameraFrame) == []
