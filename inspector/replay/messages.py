"""Turns one piece into its event, frames and traces, and samples into chunks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inspector.dataset.recordings import Recording
from inspector.dataset.sample_files import Samples
from inspector.replay.pieces import LinePiece, Shot
from inspector.replay.signals import Stretch
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.kinds import SENSOR_KINDS
from streams.join.assembly import AssemblySpec, SensorSpec

_EXPOSURE_NS = 10_000_000
"""Frames follow the entry by this much each, or faster where the recipe's capture span is shorter."""

PieceMessage = pb.PieceEvent | pb.CameraFrame | pb.ProcessTrace


@dataclass(frozen=True, slots=True)
class Arrival:
    """A piece at a station."""

    inspection: pb.Inspection
    product: str
    lot: str
    entry_ns: int


def capture_delay_ns(spec: AssemblySpec, sequence: int) -> int:
    """How long after the entry a frame is captured."""
    most = max((camera.num_frames for camera in spec.cameras), default=1)
    return (sequence + 1) * min(_EXPOSURE_NS, round(spec.capture_span_s * 1e9) // most)


def piece_messages(arrival: Arrival, piece: LinePiece, spec: AssemblySpec) -> Iterator[tuple[int, PieceMessage]]:
    """The `entered` event, the traces and the frames of one piece, each with its event time.

    A trace was taken while the piece was processed, and ends as the piece enters here.
    """
    yield (
        arrival.entry_ns,
        pb.PieceEvent(
            inspection=arrival.inspection,
            product=arrival.product,
            lot=arrival.lot,
            kind=pb.PIECE_EVENT_KIND_ENTERED,
            event_ns=arrival.entry_ns,
        ),
    )
    for sensor in spec.sensors:
        clip = piece.recordings.get(sensor.name)
        if sensor.bind == "piece" and clip is not None and len(clip.samples):
            yield arrival.entry_ns, _trace(arrival, sensor, clip)
    for shot in sorted(piece.shots, key=lambda shot: shot.sequence):
        capture_ns = arrival.entry_ns + capture_delay_ns(spec, shot.sequence)
        yield capture_ns, _frame(arrival, shot, capture_ns)


def _frame(arrival: Arrival, shot: Shot, capture_ns: int) -> pb.CameraFrame:
    return pb.CameraFrame(
        inspection=arrival.inspection,
        product=arrival.product,
        lot=arrival.lot,
        camera=shot.camera,
        sequence=shot.sequence,
        capture_ns=capture_ns,
        pixels=pb.ImagePixels(format=shot.format, width_px=shot.width_px, height_px=shot.height_px, data=shot.data),
    )


def _trace(arrival: Arrival, sensor: SensorSpec, clip: Recording) -> pb.ProcessTrace:
    length_ns = round(len(clip.samples) / clip.sample_rate_hz * 1e9)
    return pb.ProcessTrace(
        inspection=arrival.inspection,
        sensor=sensor.name,
        kind=SENSOR_KINDS[sensor.kind].number,
        start_ns=arrival.entry_ns - length_ns,
        samples=_samples(clip.samples, clip.sample_rate_hz),
    )


def chunk_message(
    line_station: tuple[str, str], sensor: SensorSpec, stretch: Stretch, stream_id: str, start_ns: int
) -> pb.SignalChunk:
    """A stretch of a stream whose first sample was taken at `start_ns`."""
    return pb.SignalChunk(
        line=line_station[0],
        station=line_station[1],
        sensor=sensor.name,
        kind=SENSOR_KINDS[sensor.kind].number,
        stream_id=stream_id,
        first_sample=stretch.first_sample,
        start_ns=start_ns,
        samples=_samples(stretch.samples, sensor.sample_rate_hz),
    )


def _samples(samples: Samples, rate_hz: float) -> pb.Samples:
    whole = samples.dtype == np.int16
    return pb.Samples(
        format=pb.SAMPLE_FORMAT_S16LE if whole else pb.SAMPLE_FORMAT_F32LE,
        sample_rate_hz=rate_hz,
        num_channels=samples.shape[1],
        data=samples.astype("<i2" if whole else "<f4").tobytes(),
    )
