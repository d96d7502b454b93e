"""A small line for tests of the worker: one camera, one microphone, records as producers send them, a stub judge, and a
sink that dies."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from prometheus_client import CollectorRegistry

from inspector.recipe.decision import DecisionResult
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.recipes import Recipes
from inspector.verdicts.blank import blank_verdict
from inspector.verdicts.judge import Judge
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings
from inspector.worker.shards import Shards, ShardSettings
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1 import verdict_pb2
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.large_images import LargeImages
from streams.decode.limits import Limits
from streams.decode.process import Decoder
from streams.embedded import EmbeddedLog
from streams.encoding import to_output
from streams.join.assembly import JoinSettings
from streams.log import Position, Sink, Source
from streams.observation import Observation, State
from streams.records import Output, TopicPartition, Topics
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver

TOPICS = Topics("qa", "line-1")
RATE_HZ = 1000.0
GAP_NS = 100_000_000
RECIPE = Recipe(
    name="disc",
    version="1",
    product="disc",
    bundle=Path("none"),
    cameras=(Camera(name="top"),),
    sensors=(Sensor(name="mic", kind="audio", sample_rate_hz=RATE_HZ, start_s=0.0, end_s=0.1),),
)
PNG = cv2.imencode(".png", np.full((8, 8), 90, np.uint8))[1].tobytes()


class StubJudge:
    """PASS when all was there, else REVIEW. Looks at nothing."""

    def __init__(self, recipes: Recipes) -> None:
        self._recipes = recipes
        self.judged: list[str] = []

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        self.judged += [piece.inspection.piece_id for piece in observations]
        return [blank_verdict(piece, RECIPE, _ruling(piece)) for piece in observations]


def _ruling(piece: Observation) -> DecisionResult:
    states = [*(view.state for view in piece.views.values()), *(clip.state for clip in piece.clips.values())]
    if all(state is State.PRESENT for state in states):
        return DecisionResult(verdict_pb2.DECISION_PASS, verdict_pb2.DECISION_REASON_GOOD)
    return DecisionResult(verdict_pb2.DECISION_REVIEW, verdict_pb2.DECISION_REASON_MISSING_MODALITY)


def frame(piece: str, capture_ns: int, png: bytes = PNG, station: str = "st") -> Output:
    inspection = pb.Inspection(line="line-1", station=station, piece_id=piece)
    pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_PNG, data=png)
    message = pb.CameraFrame(inspection=inspection, product="disc", camera="top", capture_ns=capture_ns, pixels=pixels)
    return to_output(TOPICS, message)


def chunk(number: int, begin_ns: int, station: str = "st") -> Output:
    """A tenth of a second of sound, `number` tenths after `begin_ns`."""
    samples = pb.Samples(
        format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=RATE_HZ, num_channels=1, data=np.zeros(100, "<i2").tobytes()
    )
    message = pb.SignalChunk(
        line="line-1",
        station=station,
        sensor="mic",
        kind=pb.SIGNAL_KIND_AUDIO,
        stream_id="a",
        first_sample=number * 100,
        start_ns=begin_ns + number * 100_000_000,
        samples=samples,
    )
    return to_output(TOPICS, message)


def publish(log: EmbeddedLog, outputs: Iterable[Output]) -> None:
    with closing(log.publisher()) as publisher:
        publisher.publish(list(outputs))


def build(
    source: Source,
    sink: Sink,
    metrics: WorkerMetrics | None = None,
    join: JoinSettings | None = None,
    decoder: Decoder | None = None,
    large: LargeImages | None = None,
    pipeline: PipelineSettings | None = None,
    wrapped: Callable[[StubJudge], Judge] = lambda judge: judge,
) -> tuple[Pipeline, StubJudge]:
    """The product's pipeline over a stub judge, which may be `wrapped` in another one."""
    metrics = metrics or WorkerMetrics(CollectorRegistry())
    recipes = Recipes([RECIPE])
    judge = StubJudge(recipes)
    resolver = Resolver(ReferenceSettings(), Limits())
    settings = ShardSettings("qa", ("line-1",), join or JoinSettings(), Limits())
    decoder = decoder or Decoder(num_ahead=running.num_ahead)
    shards = Shards(settings, recipes, resolver, metrics, decoder, large)
    settled = replace(pipeline or PipelineSettings(), cores=running.cores)
    built = Pipeline(source, sink, shards, wrapped(judge), settled, metrics, lambda _: RECIPE.deadline_s)
    running.pipelines.append(built)
    return built, judge


@dataclass
class Running:
    """Pipelines that a test has built, and the cores that they use."""

    cores: int = 1
    pipelines: list[Pipeline] = field(default_factory=list)

    @property
    def num_ahead(self) -> int:
        return self.cores if self.cores > 1 else 0

    @contextmanager
    def on(self, cores: int) -> Iterator[None]:
        self.cores = cores
        try:
            yield
        finally:
            for pipeline in self.pipelines:
                pipeline.close()
            self.cores, self.pipelines = 1, []


running = Running()


def written(path: Path, kind: str) -> list[bytes]:
    """The values of everything on one of the line's topics, straight from the file."""
    with closing(sqlite3.connect(path)) as base:
        query = "SELECT value FROM records JOIN topics ON topics.id = topic WHERE name = ? ORDER BY records.id"
        return [value for (value,) in base.execute(query, (TOPICS.of(kind),))]


def line_of(count: int) -> list[Output]:
    """Pieces a tenth of a second apart with all their sound, two seconds ago."""
    begin_ns = time.time_ns() - 2_000_000_000
    pieces = [frame(f"p{number}", begin_ns + number * GAP_NS) for number in range(count)]
    return pieces + [chunk(number, begin_ns) for number in range(count)]


def work(pipeline: Pipeline, path: Path, count: int) -> list[Verdict]:
    """Steps until `count` verdicts are out (at most a minute), and a little longer for one too many."""
    deadline = time.monotonic() + 60
    while len(written(path, "verdicts")) < count and time.monotonic() < deadline:
        pipeline.step()
    for _ in range(3):
        pipeline.step()
    return [Verdict.FromString(value) for value in written(path, "verdicts")]


def ends(log: EmbeddedLog, owner: str = "w") -> tuple[Source, Sink]:
    return log.source(("line-1",), "qa", owner), log.sink()


class DyingSink:
    """Loses the process's power at its first commit, or `after` so many: before anything is written, or after it."""

    def __init__(self, sink: Sink, *, written: bool, after: int = 0) -> None:
        self._sink, self._written, self._left = sink, written, after

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        if self._left:
            self._left -= 1
            return self._sink.commit(outputs, positions, epoch)
        if self._written:
            self._sink.commit(outputs, positions, epoch)
        raise PowerCut

    def close(self) -> None:
        self._sink.close()


class PowerCut(BaseException):
    pass
