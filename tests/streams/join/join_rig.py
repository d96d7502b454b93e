"""A join and the log that feeds it, driven by hand."""

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Origin
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.join import Join, JoinMetrics
from streams.observation import InspectionId, Observation
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    MIC,
    NEAR,
    PIECES,
    SECOND,
    SETTINGS,
    SIGNALS,
    T0,
    TOPICS,
    Book,
    Log,
    Make,
    chunk,
    frame,
    trace,
)

P = InspectionId("line", "a", "p")
ALL = (FRAMES, SIGNALS, PIECES)


def at_s(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


class Rig:
    """A join and the log that feeds it; `put` takes seconds since T0."""

    def __init__(
        self, settings: JoinSettings = SETTINGS, metrics: JoinMetrics | None = None, book: RecipeBook | None = None
    ) -> None:
        assignment, judged = Log({at: [] for at in ALL}).assignment()
        self.join = Join(assignment, judged, book or Book(), TOPICS, settings, metrics)
        self.next = dict.fromkeys(ALL, 0)
        self.now_s = 0.0

    def put(self, at: TopicPartition, append_s: float, make: Make) -> Origin:
        origin = Origin(at.topic, 0, self.next[at], at_s(append_s))
        self.next[at] += 1
        self.join.add(make(origin))
        return origin

    def frames(self, append_s: float = 0.0, inspection: InspectionId = P) -> None:
        for camera, sequence in (("top", 0), ("side", 0), ("side", 1)):
            self.put(FRAMES, append_s, frame(inspection, camera, sequence, at_s(append_s)))

    def signals(self, end_s: float, *sensors: str) -> None:
        for sensor in (MIC, NEAR):
            if sensor.name in sensors or not sensors:
                num = round((end_s + 1) * 100)
                self.put(SIGNALS, end_s, chunk(sensor, 0, num, start_ns=at_s(-1.0)))

    def complete(self) -> None:
        self.frames()
        self.put(SIGNALS, 0.3, trace(P, at_s(0)))
        self.signals(0.5)

    def advance(self, *unread: TopicPartition) -> list[Observation]:
        self.now_s += 0.1
        return self.join.advance(frozenset(unread), not unread, self.now_s)

    def pass_s(self, seconds: float) -> list[Observation]:
        """Everything is read and nothing comes for so long."""
        return [each for _ in range(round(seconds * 10)) for each in self.advance()]

    def reasons(self) -> list[str]:
        return [
            pb.DeadLetterReason.Name(each.reason).removeprefix("DEAD_LETTER_REASON_") for each in self.join.rejected()
        ]

    def offsets(self) -> dict[TopicPartition, int]:
        return {at: position.offset for at, position in self.join.positions().items()}


def only(observations: list[Observation]) -> Observation:
    (observation,) = observations
    return observation
