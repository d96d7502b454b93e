"""Reads the files of a piece and makes its records: event, frames, traces, and the chunks of its sounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inspector.dataset.files import read_image_file
from inspector.dataset.manifest import ManifestError
from inspector.dataset.recordings import PLAIN, Layout, Recording, RecordingError, read_recording
from inspector.recipe.window import window_samples
from inspector.replay.faults import Scheduled
from inspector.replay.messages import Arrival as Entry
from inspector.replay.messages import capture_delay_ns, chunk_message, piece_messages
from inspector.replay.pieces import LinePiece
from inspector.replay.signals import Stretch
from inspector.sources.gathering import FilePiece
from inspector.sources.pictures import FrameContent, PictureError, PictureFile
from inspector.sources.target import Target
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.images import decode_file
from streams.decode.limits import Limits, RecordError
from streams.encoding import to_output
from streams.join.assembly import SensorSpec

NS = 1_000_000_000
CHUNK_S = 0.1


@dataclass(slots=True)
class ReadPiece:
    """What could be read of a piece, and what could not."""

    pictures: dict[tuple[str, int], PictureFile] = field(default_factory=dict)
    """By camera and sequence."""
    recordings: dict[str, Recording] = field(default_factory=dict)
    """By sensor."""
    problems: dict[str, str] = field(default_factory=dict)
    """By path: why the file is left out, and what to do."""


def read_files(folder: Path, piece: FilePiece, target: Target, layout: Layout = PLAIN) -> ReadPiece:
    """Opens every file; raises nothing for its content. `layout` says where the channels of signal files are."""
    read = ReadPiece()
    limits = Limits(max_record_bytes=target.max_record_bytes)
    frames: Mapping[str, int] = {camera.name: camera.num_frames for camera in target.spec.cameras}
    for source, files in piece.files.items():
        ordered = sorted(files.values(), key=lambda file: (file[0].number or 0, file[1].path))
        for sequence, (_, arrival) in enumerate(ordered):
            try:
                _check_count(sequence, frames.get(source, 1), source)
                if source in frames:
                    read.pictures[source, sequence] = _picture(folder / arrival.path, limits)
                elif (sensor := target.sensor(source)) is not None:
                    read.recordings[source] = _recording(folder / arrival.path, sensor, layout)
            except (ManifestError, RecordingError) as exc:
                read.problems[arrival.path] = str(exc).replace("manifest", "recipe")
    return read


def _check_count(sequence: int, most: int, source: str) -> None:
    if sequence >= most:
        raise ManifestError(f"is one too many: the recipe takes {most} of {source!r}; correct num_frames or the names")


def _picture(path: Path, limits: Limits) -> PictureFile:
    form, data = read_image_file(path, limits)
    try:
        decode_file(data, form, limits)
    except RecordError as exc:
        raise ManifestError(f"{path}: {exc.detail}") from exc
    return PictureFile(form, data)


def _recording(path: Path, sensor: SensorSpec, layout: Layout) -> Recording:
    recording = read_recording(path, sensor.sample_rate_hz, sensor.kind, layout.of_file(path))
    channels = recording.samples.shape[1]
    if channels != sensor.num_channels:
        raise RecordingError(
            f"{path}: has {channels} channel(s), the recipe says {sensor.num_channels} for {sensor.name!r}; correct "
            "the recipe, record as it says, or name the channels of a .csv with --columns"
        )
    return recording


@dataclass(frozen=True, slots=True)
class PieceRecords:
    """Makes the records of one piece that enters at `entry_ns`."""

    target: Target
    content: FrameContent
    piece: FilePiece
    entry_ns: int

    def of(self, read: ReadPiece) -> list[Scheduled]:
        """In the order to publish them, sounds when they would have been heard. Pictures that cannot be sent are added
        to the problems. Raises TargetError."""
        entry = self._entry()
        line_piece = LinePiece(entry.inspection.piece_id, (), read.recordings, "unknown")
        timed: list[tuple[int, pb.PieceEvent | pb.CameraFrame | pb.ProcessTrace | pb.SignalChunk]] = []
        timed += piece_messages(entry, line_piece, self.target.spec)
        timed += self._frames(entry, read)
        for sensor in self.target.spec.sensors:
            if sensor.bind == "time" and sensor.name in read.recordings:
                timed += self._chunks(sensor, read.recordings[sensor.name])
        timed.sort(key=lambda item: item[0])
        outputs = [(at_ns, to_output(self.target.topics, message)) for at_ns, message in timed]
        return [Scheduled(at_ns, number, output) for number, (at_ns, output) in enumerate(outputs)]

    def _entry(self) -> Entry:
        inspection = self.target.inspection(self.piece.piece_id)
        return Entry(inspection, self.piece.product or self.target.product, self.target.lot, self.entry_ns)

    def _frames(self, entry: Entry, read: ReadPiece) -> Iterator[tuple[int, pb.CameraFrame]]:
        for (camera, sequence), picture in read.pictures.items():
            capture_ns = self.entry_ns + capture_delay_ns(self.target.spec, sequence)
            frame = pb.CameraFrame(
                inspection=entry.inspection,
                product=entry.product,
                lot=entry.lot,
                camera=camera,
                sequence=sequence,
                capture_ns=capture_ns,
            )
            try:
                self.content.fill(frame, picture)
            except PictureError as exc:
                read.problems[f"{self.piece.piece_id}, camera {camera}"] = str(exc)
            else:
                yield capture_ns, frame

    def _chunks(self, sensor: SensorSpec, recording: Recording) -> Iterator[tuple[int, pb.SignalChunk]]:
        """The recording in place of the sensor's stream, from the start of the piece's window on."""
        has_window = sensor.end_s > sensor.start_s
        samples = recording.samples[: window_samples(sensor)] if has_window else recording.samples
        place = (self.target.topics.line, self.target.station)
        origin_ns = self._origin_ns(sensor)
        step = max(1, round(CHUNK_S * sensor.sample_rate_hz))
        for first in range(0, len(samples), step):
            stretch = Stretch(first, samples[first : first + step])
            start_ns = origin_ns + _length_ns(first, sensor.sample_rate_hz)
            end_ns = origin_ns + _length_ns(first + len(stretch.samples), sensor.sample_rate_hz)
            stream_id = f"file-{self.entry_ns}"
            yield end_ns, chunk_message(place, sensor, stretch, stream_id, start_ns)

    def _origin_ns(self, sensor: SensorSpec) -> int:
        """Of the first sample; a nanosecond late, because the window takes samples at its start or after it."""
        anchor_ns = 0 if sensor.anchor == "entered" else capture_delay_ns(self.target.spec, 0)
        return self.entry_ns + anchor_ns + round(sensor.start_s * NS) + 1


def _length_ns(samples: int, rate_hz: float) -> int:
    """Rounded up: a stamp before its sample would put it one place too early."""
    numerator, denominator = rate_hz.as_integer_ratio()
    return -(-samples * denominator * NS // numerator)
