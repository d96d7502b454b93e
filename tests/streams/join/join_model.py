"""A line and a worker in memory: records in partitions, positions with memos, verdicts and dead letters.

Every image holds the offset of its record and every sample its index, which shows the records behind a verdict.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.dead_letters import DEAD_LETTER_TYPE, dead_letter_output
from streams.decode.items import Chunk, Entry, Event, EventKind, Frame, Item, Origin, Reference, Rejected, Trace
from streams.join.assembly import AssemblySpec, CameraSpec, JoinSettings, RecipeBook, SensorSpec
from streams.join.join import Join, Judged
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Assignment, Position
from streams.observation import InspectionId, Observation
from streams.records import Record, Shard, TopicPartition, Topics

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
RATE_HZ = 100.0
SHARD = Shard("line", 0)
TOPICS = Topics("test", "line")
FRAMES, SIGNALS, PIECES = (TopicPartition(topic, 0) for topic in TOPICS.inputs)
VERDICTS, LETTERS = TopicPartition(TOPICS.of("verdicts"), 0), TopicPartition(TOPICS.of("dead-letters"), 0)
SETTINGS = JoinSettings(max_delay_s=1.0, reorder_s=0.25, dedup_horizon_s=4.0, read_ahead_s=1.0, max_stations=4)
MIC = SensorSpec("mic", "audio", RATE_HZ, start_s=-0.1, end_s=0.4)
NEAR = SensorSpec("near", "vibration", RATE_HZ, start_s=0.0, end_s=0.255, anchor="side", min_coverage=0.5)
PRESS = SensorSpec("press", "trace", 10.0, bind="piece")
SPEC = AssemblySpec((CameraSpec("top"), CameraSpec("side", 2)), (MIC, NEAR, PRESS), capture_span_s=0.3)


class Book:
    """One product, `good`, at every station."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return SPEC if product == "good" else None

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {sensor.name: sensor for sensor in SPEC.sensors}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset(camera.name for camera in SPEC.cameras)

    def traces_open(self, line: str, station: str) -> bool:
        return False


Make = Callable[[Origin], Item]


@dataclass
class Log:
    """Three input partitions, each in order of append time, and what workers have committed."""

    input: dict[TopicPartition, list[Item]]
    positions: dict[TopicPartition, Position] = field(default_factory=dict)
    verdicts: list[Observation] = field(default_factory=list)
    letters: list[Rejected] = field(default_factory=list)

    @classmethod
    def of(cls, records: list[tuple[TopicPartition, int, Make]]) -> "Log":
        """From (partition, append time, record) in any order."""
        log = cls({at: [] for at in (FRAMES, SIGNALS, PIECES)})
        for at, append_ns, make in sorted(records, key=lambda record: record[1]):
            log.input[at].append(make(Origin(at.topic, 0, len(log.input[at]), append_ns)))
        return log

    @property
    def end_ns(self) -> int:
        return max([T0, *(items[-1].origin.append_ns for items in self.input.values() if items)])

    def visible(self, at: TopicPartition, now_ns: int) -> int:
        return bisect_right(self.input[at], now_ns, key=lambda item: item.origin.append_ns)

    def assignment(self) -> tuple[Assignment, list[Judged]]:
        """The assignment of a new owner, read back from the offsets in the memo."""
        frames = self.positions.get(FRAMES)
        memo = OffsetMetadata(0) if frames is None else OffsetMetadata.decode(frames.memo, frames.offset)
        judged = [
            Judged(verdict.inspection, verdict.entry_ns, offset)
            for offset, verdict in enumerate(self.verdicts)
            if offset >= (memo.verdicts or 0)
        ]
        letters = [
            Record(LETTERS.topic, 0, offset, b"", dead_letter_output(TOPICS, letter).value, DEAD_LETTER_TYPE, 0)
            for offset, letter in enumerate(self.letters)
            if offset >= (memo.dead_letters or 0)
        ]
        positions = {at.topic: position for at, position in self.positions.items()}
        starts = {at.topic: self.positions[at].offset if at in self.positions else 0 for at in self.input}
        return Assignment(SHARD, positions, starts, (), letters, len(self.verdicts), len(self.letters)), judged


class Worker:
    """Drives a join as the main loop does; a new one replaces it where the process dies."""

    def __init__(self, log: Log, settings: JoinSettings = SETTINGS, book: RecipeBook | None = None) -> None:
        self.log = log
        assignment, judged = log.assignment()
        self.join = Join(assignment, judged, book or Book(), TOPICS, settings)
        self.next = {at: assignment.starts[at.topic] for at in log.input}
        self.pending: list[Observation] = []
        self.paused: AbstractSet[TopicPartition] = frozenset()

    def step(self, now_ns: int, sizes: Mapping[TopicPartition, int]) -> None:
        """Polls up to so many records of each partition that is not paused, and joins them."""
        ends = {at: self.log.visible(at, now_ns) for at in self.log.input}
        for at, size in sizes.items():
            if at not in self.paused:
                for item in self.log.input[at][self.next[at] : min(ends[at], self.next[at] + size)]:
                    self.join.add(item)
                    self.next[at] += 1
        for frame in self.join.references():
            assert frame.reference is not None
            image = None if frame.reference.uri == "bad" else _image(frame.origin)
            self.join.resolve(frame.inspection, frame.camera, frame.sequence, image, "not there")
        unread = frozenset(at for at in ends if self.next[at] < ends[at])
        self.pending += self.join.advance(unread, not unread, (now_ns - T0) / 1e9)
        self.paused = self.join.ahead()
        assert not unread or unread - self.paused, "everything that could be read is paused"

    @property
    def is_busy(self) -> bool:
        has_unread = any(self.next[at] < len(items) for at, items in self.log.input.items())
        return has_unread or self.join.num_open > 0 or bool(self.pending)

    def commit(self, num_verdicts: int | None = None) -> None:
        """Publishes the first verdicts and all dead letters, with positions."""
        letters = self.join.rejected()
        done, self.pending = self.pending[:num_verdicts], self.pending[len(self.pending[:num_verdicts]) :]
        self.join.settle(each.inspection for each in done)
        positions = self.join.positions()
        for at, position in positions.items():
            before = self.log.positions.get(at, Position(0, OffsetMetadata(0).encode()))
            if position == before:
                continue
            assert position.offset >= before.offset
            memo = OffsetMetadata.decode(position.memo, position.offset)
            assert memo.read >= max(OffsetMetadata.decode(before.memo, before.offset).read, position.offset)
        self.log.positions.update(positions)
        self.log.verdicts += done
        self.log.letters += letters
        self.join.committed({VERDICTS: len(self.log.verdicts), LETTERS: len(self.log.letters)})


def run(
    log: Log,
    random: Random,
    *,
    crash: float = 0.0,
    settings: JoinSettings = SETTINGS,
    book: RecipeBook | None = None,
) -> Log:
    """Works the whole log off on a clone of its input, dying now and then, until everything is closed."""
    log = Log(log.input)
    worker, now_ns = Worker(log, settings, book), T0 + random.choice((0, log.end_ns - T0))
    quiet_ns = log.end_ns + 20 * SECOND
    while now_ns < quiet_ns or worker.is_busy:
        assert now_ns < quiet_ns + 600 * SECOND, "no progress"
        now_ns += random.choice((10, 100, 400, 700)) * 1_000_000
        worker.step(now_ns, {at: random.choice((0, 3, 10, 200)) for at in random.sample(list(log.input), 3)})
        if random.random() < crash / 2:
            worker = Worker(log, settings, book)
        if random.random() < 0.5:
            worker.commit(random.choice((None, None, 0, 1)))
            if random.random() < crash:
                worker = Worker(log, settings, book)
    worker.commit()
    return log


def _image(origin: Origin) -> np.ndarray:
    return np.full((2, 2), origin.offset, np.uint16)


def frame(inspection: InspectionId, camera: str, sequence: int, capture_ns: int, product: str = "good") -> Make:
    return lambda origin: Frame(origin, inspection, product, "", camera, sequence, capture_ns, _image(origin), None)


def reference(inspection: InspectionId, camera: str, sequence: int, capture_ns: int, uri: str) -> Make:
    make_frame = frame(inspection, camera, sequence, capture_ns)

    def make(origin: Origin) -> Item:
        item = make_frame(origin)
        assert isinstance(item, Frame)
        return replace(item, image=None, reference=Reference(uri, b"", 1, 1))

    return make


def bad_frame(inspection: InspectionId, camera: str | None, event_ns: int) -> Make:
    entry = Entry(inspection, "good", "", event_ns, camera)
    reason = pb.DEAD_LETTER_REASON_BAD_IMAGE
    return lambda origin: Rejected(origin, reason, "bad", inspection.station, entry=entry, inspection=inspection)


def event(inspection: InspectionId, kind: EventKind, event_ns: int, product: str = "good") -> Make:
    return lambda origin: Event(origin, inspection, product, "", kind, event_ns)


def chunk(
    sensor: SensorSpec, first: int, num: int, *, station: str = "a", start_ns: int | None = None, stream: str = "s"
) -> Make:
    """Samples whose values are their indices; sample 0 is at T0 unless `start_ns` says otherwise."""
    samples = np.arange(first, first + num, dtype=np.float32)[:, None]
    start_ns = T0 + first * SECOND // round(RATE_HZ) if start_ns is None else start_ns
    rate_hz = sensor.sample_rate_hz
    return lambda origin: Chunk(
        origin, "line", station, sensor.name, sensor.kind, stream, first, start_ns, rate_hz, samples
    )


def trace(inspection: InspectionId, start_ns: int, num: int = 3) -> Make:
    samples = np.zeros((num, 1), np.float32)
    return lambda origin: Trace(origin, inspection, "press", "trace", start_ns, 10.0, samples)
