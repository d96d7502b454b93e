"""A line with every kind of recording, judged by a stand-in that keeps its inputs."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.recipes import Recipes
from inspector.verdicts.blank import blank_verdict
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings
from inspector.worker.shards import Shards, ShardSettings
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1 import verdict_pb2
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.limits import Limits
from streams.encoding import to_output
from streams.join.assembly import JoinSettings
from streams.log import Log, Sink, Source
from streams.observation import Image, InspectionId, Observation, State
from streams.records import Output, Topics
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver

PREFIX, LINE, STATION = "qa", "line-1", "st"
MIC_HZ, NEAR_HZ, PRESS_HZ = 8000.0, 1000.0, 50.0
GAP_NS = 100_000_000
CHUNK = 250
"""Samples of the microphone in one record."""
RECIPE = Recipe(
    name="disc",
    version="1",
    product="disc",
    bundle=Path("none"),
    cameras=(
        Camera(name="top", num_frames=3),
        Camera(name="deep"),
        Camera(name="twelve", bit_depth=12),
        Camera(name="far", required=False),
    ),
    sensors=(
        Sensor(name="mic", kind="audio", sample_rate_hz=MIC_HZ, num_channels=2, start_s=-0.0101, end_s=0.1),
        Sensor(name="near", kind="vibration", sample_rate_hz=NEAR_HZ, start_s=0.0, end_s=0.08, anchor="top",
               min_coverage=0.5),
        Sensor(name="press", kind="trace", sample_rate_hz=PRESS_HZ, num_channels=3, bind="piece", required=False),
    ),
)  # fmt: skip


class KeepingJudge:
    """FAIL for every third piece, REVIEW where something is missing, else PASS."""

    def __init__(self) -> None:
        self.observations: dict[InspectionId, Observation] = {}

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        self.observations |= {piece.inspection: piece for piece in observations}
        return [blank_verdict(piece, RECIPE, _ruling(piece)) for piece in observations]


def _ruling(piece: Observation) -> tuple[verdict_pb2.Decision, verdict_pb2.DecisionReason]:
    needed = [*(view.state for view in piece.views.values() if view.camera != "far")]
    if any(state is not State.PRESENT for state in needed):
        return verdict_pb2.DECISION_REVIEW, verdict_pb2.DECISION_REASON_MISSING_MODALITY
    if int(piece.inspection.piece_id[1:]) % 3 == 0:
        return verdict_pb2.DECISION_FAIL, verdict_pb2.DECISION_REASON_DEFECT
    return verdict_pb2.DECISION_PASS, verdict_pb2.DECISION_REASON_GOOD


def build(
    source: Source,
    sink: Sink,
    line: str = LINE,
    references: ReferenceSettings | None = None,
    join: JoinSettings | None = None,
) -> Pipeline:
    """The product's pipeline; its judge is `pipeline_judge`."""
    settings = ShardSettings(PREFIX, (line,), join or JoinSettings(), Limits())
    metrics = WorkerMetrics(CollectorRegistry())
    resolver = Resolver(references or ReferenceSettings(), Limits())
    shards = Shards(settings, Recipes([RECIPE]), resolver, metrics)
    return Pipeline(source, sink, shards, KeepingJudge(), PipelineSettings(), metrics, lambda _: RECIPE.deadline_s)


def judge_of(pipeline: Pipeline) -> KeepingJudge:
    judge = pipeline._judge
    assert isinstance(judge, KeepingJudge)
    return judge


class RecordedLine:
    """The records of a line, drawn with a seed."""

    def __init__(self, line: str = LINE, folder: Path | None = None, seed: int = 0) -> None:
        """`folder` is where referenced images are put; without it the camera `far` sends pixels."""
        self.topics, self._folder = Topics(PREFIX, line), folder
        self._random = np.random.default_rng(seed)
        self.begin_ns = time.time_ns() - 3_000_000_000

    def records(self, num_pieces: int, first: int = 0) -> list[Output]:
        """Pieces a tenth of a second apart, with a third of them without their trace."""
        begin_ns = self.begin_ns + first * GAP_NS
        pieces = [out for number in range(num_pieces) for out in self._piece(first + number)]
        return pieces + self._sound(begin_ns, num_pieces) + self._vibration(begin_ns, num_pieces)

    def _piece(self, number: int) -> list[Output]:
        inspection = pb.Inspection(line=self.topics.line, station=STATION, piece_id=f"p{number}")
        at_ns = self.begin_ns + number * GAP_NS
        images = [("top", sequence, self._image((24, 32, 3), 255)) for sequence in (2, 0, 1)]
        images += [("deep", 0, self._image((16, 20), 65535)), ("twelve", 0, self._image((12, 10), 4095))]
        outputs = [self._frame(inspection, at_ns, *image) for image in images]
        far = self._image((9, 7), 255)
        outputs.append(self._referring(inspection, at_ns, far) if self._folder else
                       self._frame(inspection, at_ns, "far", 0, far))  # fmt: skip
        if number % 3 != 1:
            outputs.append(self._trace(inspection, at_ns))
        return outputs

    def _image(self, shape: tuple[int, ...], highest: int) -> Image:
        return self._random.integers(0, highest + 1, shape, np.uint8 if highest < 256 else np.uint16)

    def _frame(self, inspection: pb.Inspection, at_ns: int, camera: str, sequence: int, image: Image) -> Output:
        data = cv2.imencode(".png", image)[1].tobytes()
        pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_PNG, data=data)
        return self._framed(inspection, at_ns, camera, sequence=sequence, pixels=pixels)

    def _framed(self, inspection: pb.Inspection, at_ns: int, camera: str, **content: object) -> Output:
        capture_ns = at_ns + 1_000_000
        frame = pb.CameraFrame(inspection=inspection, product="disc", camera=camera, capture_ns=capture_ns, **content)  # type: ignore[arg-type]
        return to_output(self.topics, frame)

    def _referring(self, inspection: pb.Inspection, at_ns: int, image: Image) -> Output:
        assert self._folder is not None
        data = cv2.imencode(".png", image)[1].tobytes()
        path = self._folder / f"{inspection.piece_id}.png"
        path.write_bytes(data)
        reference = pb.ImageReference(
            uri=path.as_uri(), sha256=hashlib.sha256(data).digest(), size_bytes=len(data), format=pb.PIXEL_FORMAT_PNG
        )
        return self._framed(inspection, at_ns, "far", reference=reference)

    def _trace(self, inspection: pb.Inspection, at_ns: int) -> Output:
        values = self._random.normal(size=(20, 3)).astype("<f4")
        samples = pb.Samples(
            format=pb.SAMPLE_FORMAT_F32LE, sample_rate_hz=PRESS_HZ, num_channels=3, data=values.tobytes()
        )
        return to_output(
            self.topics,
            pb.ProcessTrace(
                inspection=inspection, sensor="press", kind=pb.SIGNAL_KIND_TRACE, start_ns=at_ns, samples=samples
            ),
        )

    def _sound(self, begin_ns: int, num_pieces: int) -> list[Output]:
        """Begins a chunk early; the stream restarts in the middle."""
        steps = self._random.integers(-32768, 32768, (round(MIC_HZ * 0.1) * (num_pieces + 2), 2), np.int16)
        chunks = []
        for start in range(0, len(steps), CHUNK):
            stream, first = ("a", start) if start < len(steps) // 2 else ("b", start - len(steps) // 2)
            at_ns = begin_ns - 100_000_000 + round(start / MIC_HZ * 1e9)
            data = steps[start : start + CHUNK].astype("<i2").tobytes()
            samples = pb.Samples(format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=MIC_HZ, num_channels=2, data=data)
            chunks.append(self._chunk("mic", pb.SIGNAL_KIND_AUDIO, (stream, first, at_ns), samples))
        return chunks

    def _vibration(self, begin_ns: int, num_pieces: int) -> list[Output]:
        """Chunks of 30 samples, every seventh is lost."""
        values = self._random.normal(size=(100 * (num_pieces + 2), 1)).astype("<f4")
        chunks = []
        for start in range(0, len(values), 30):
            data = values[start : start + 30].tobytes()
            samples = pb.Samples(format=pb.SAMPLE_FORMAT_F32LE, sample_rate_hz=NEAR_HZ, num_channels=1, data=data)
            at_ns = begin_ns - 100_000_000 + round(start / NEAR_HZ * 1e9)
            if (start // 30) % 7:
                chunks.append(self._chunk("near", pb.SIGNAL_KIND_VIBRATION, ("v", start, at_ns), samples))
        return chunks

    def _chunk(self, sensor: str, kind: pb.SignalKind, place: tuple[str, int, int], samples: pb.Samples) -> Output:
        stream_id, first_sample, start_ns = place
        return to_output(
            self.topics,
            pb.SignalChunk(
                line=self.topics.line,
                station=STATION,
                sensor=sensor,
                kind=kind,
                stream_id=stream_id,
                first_sample=first_sample,
                start_ns=start_ns,
                samples=samples,
            ),
        )


def publish(log: Log, outputs: Sequence[Output]) -> None:
    with closing(log.publisher()) as publisher:
        publisher.publish(outputs)
        publisher.flush()


def work(pipeline: Pipeline, count: int) -> dict[InspectionId, Observation]:
    """Steps until `count` pieces were judged and committed (at most thirty seconds)."""
    judge, deadline_s = judge_of(pipeline), time.monotonic() + 30
    while len(judge.observations) < count and time.monotonic() < deadline_s:
        pipeline.step()
    for _ in range(3):
        pipeline.step()
    return judge.observations


def assert_equal(one: Observation, other: Observation) -> None:
    """Bit for bit, with the states that the join gave."""
    assert (one.inspection, one.product, one.lot, one.entry_ns, one.capture_ns, one.arrival_ns, one.partition) == (
        other.inspection, other.product, other.lot, other.entry_ns, other.capture_ns, other.arrival_ns, other.partition
    )  # fmt: skip
    assert one.views.keys() == other.views.keys()
    assert one.clips.keys() == other.clips.keys()
    for name, view in one.views.items():
        same = other.views[name]
        assert [_bits(image) for image in view.images] == [_bits(image) for image in same.images]
        assert (view.state, view.absence, view.coverage, view.detail, view.offsets, view.bit_depth) == (
            same.state, same.absence, same.coverage, same.detail, same.offsets, same.bit_depth
        )  # fmt: skip
    for name, clip in one.clips.items():
        match = other.clips[name]
        assert _bits(clip.samples) == _bits(match.samples)
        assert (clip.kind, clip.state, clip.absence, clip.coverage, clip.detail, clip.spans) == (
            match.kind, match.state, match.absence, match.coverage, match.detail, match.spans
        )  # fmt: skip
        if clip.samples is not None:
            assert (clip.sample_rate_hz, clip.first_ns) == (match.sample_rate_hz, match.first_ns)


def _bits(values: NDArray[np.generic] | None) -> tuple[str, tuple[int, ...], bytes] | None:
    return None if values is None else (values.dtype.str, values.shape, values.tobytes())
