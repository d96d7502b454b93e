"""A station whose sources have separate clocks, and the join's results for its pieces.

Every sample holds its true time in hundredths of a second, which shows whether a clip belongs to its piece.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import EventKind
from streams.join.assembly import AssemblySpec, CameraSpec, JoinSettings, SensorSpec
from streams.join.join_metrics import NoMetrics
from streams.observation import Clip, InspectionId, MissingReason, Observation, State, View
from streams.records import TopicPartition
from tests.streams.join.join_model import FRAMES, PIECES, RATE_HZ, SIGNALS, Make, chunk, event, frame
from tests.streams.join.join_rig import Rig, at_s

MIC = SensorSpec("mic", "audio", RATE_HZ, start_s=0.0, end_s=0.25)
SPEC = AssemblySpec((CameraSpec("top"),), (MIC,))
FIRST_S = 3.0
"""True time of the first piece; the microphone is heard from the beginning."""
Offset = Callable[[float], float]
"""How far a clock is ahead at a true time, in seconds."""


def right(true_s: float) -> float:
    """A clock that is right."""
    return 0.0


def constant(offset_s: float) -> Offset:
    return lambda true_s: offset_s


def drifting(ppm: float) -> Offset:
    return lambda true_s: true_s * ppm / 1e6


def jump(at_s: float, offset_s: float) -> Offset:
    return lambda true_s: offset_s if true_s >= at_s else 0.0


class OneCamera:
    """One camera and one microphone at every station."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return SPEC

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {MIC.name: MIC}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset({"top"})

    def traces_open(self, line: str, station: str) -> bool:
        return False


@dataclass
class Noted(NoMetrics):
    """The newest clock metrics of the join."""

    offset_s: dict[str, float] = field(default_factory=dict)
    drift_ppm: dict[str, float] = field(default_factory=dict)
    misfit_s: dict[str, float] = field(default_factory=dict)
    doubted_sources: list[str] = field(default_factory=list)

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None:
        self.offset_s[source] = offset_s
        if drift_ppm is not None:
            self.drift_ppm[source] = drift_ppm

    def doubted(self, line: str, station: str, source: str) -> None:
        self.doubted_sources.append(source)

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None:
        self.misfit_s[sensor] = misfit_s


@dataclass(frozen=True)
class Outcome:
    """One piece: when it truly was there, whether it may pass, and whether it was given its own sound."""

    true_s: float
    passes: bool
    is_foreign: bool
    observation: Observation

    @property
    def states(self) -> dict[str, State]:
        parts: dict[str, View | Clip] = {**self.observation.views, **self.observation.clips}
        return {name: part.state for name, part in parts.items()}

    @property
    def doubt(self) -> str:
        """The detail about a wrong clock; empty without one."""
        parts: list[View | Clip] = [*self.observation.views.values(), *self.observation.clips.values()]
        return next((part.detail for part in parts if part.absence is MissingReason.CLOCK), "")


@dataclass
class ClockLine:
    """Pieces at one station. `transport` gives the seconds from a source's record to the log, drawn by a random; where
    a source is `held` between two true times, its records come at the end of it."""

    offsets: Mapping[str, Offset] = field(default_factory=dict)
    transport: Mapping[str, Callable[[Random], float]] = field(default_factory=dict)
    held: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    num_pieces: int = 12
    spacing_s: float = 1.0
    chunk_s: float = 0.1
    batch_s: float = 0.0
    """All sources send their records in batches, at multiples of this interval; 0: at once."""
    step_s: float = 0.1
    """The log is polled so often."""
    has_events: bool = True
    seed: int = 0
    settings: JoinSettings = field(default_factory=JoinSettings)
    metrics: Noted = field(default_factory=Noted)
    letters: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned_s: list[float] = field(default_factory=list)
    """When each of them was written, as true time."""
    now_s: float = 0.0

    def run(self) -> list[Outcome]:
        rig = Rig(self.settings, self.metrics, OneCamera())
        records = sorted(self._records(), key=lambda record: record[0])
        outcomes: list[Outcome] = []
        number = 0
        logger, handler = logging.getLogger("streams.join.source_clocks"), _Lines(self)
        logger.addHandler(handler)
        try:
            while number < len(records) or self.now_s < self._end_s + 4.0:
                self.now_s = round(self.now_s + self.step_s, 3)
                if number < len(records) and self.now_s > self._end_s + 4.0:  # transport of hours
                    self.now_s = max(self.now_s, records[number][0])
                while number < len(records) and records[number][0] <= self.now_s:
                    append_s, at, make = records[number]
                    rig.put(at, append_s, make)
                    number += 1
                closed = rig.advance()
                outcomes += map(self._outcome, closed)
                self.letters += [_letter(each.reason, each.detail) for each in rig.join.rejected()]
                rig.join.settle(each.inspection for each in closed)
        finally:
            logger.removeHandler(handler)
        return outcomes

    @property
    def _end_s(self) -> float:
        return FIRST_S + self.num_pieces * self.spacing_s

    def _records(self) -> list[tuple[float, TopicPartition, Make]]:
        random = Random(self.seed)
        records: list[tuple[float, TopicPartition, Make]] = []
        for number in range(self.num_pieces):
            true_s, inspection = FIRST_S + number * self.spacing_s, InspectionId("line", "a", f"p{number}")
            if self.has_events:
                make = event(inspection, EventKind.ENTERED, self._stamp("events", true_s))
                records.append((self._arrival("events", true_s + 0.002, random), PIECES, make))
            stamp = self._stamp("top", true_s + 0.005)
            records.append((self._arrival("top", true_s + 0.005, random), FRAMES, frame(inspection, "top", 0, stamp)))
        size = round(self.chunk_s * RATE_HZ)
        for first in range(0, round((self._end_s + 1.0) * RATE_HZ), size):
            stamp, end_s = self._stamp("mic", first / RATE_HZ), (first + size) / RATE_HZ
            records.append((self._arrival("mic", end_s, random), SIGNALS, chunk(MIC, first, size, start_ns=stamp)))
        return records

    def _stamp(self, source: str, true_s: float) -> int:
        return at_s(true_s + self.offsets.get(source, right)(true_s))

    def _arrival(self, source: str, true_s: float, random: Random) -> float:
        from_s, to_s = self.held.get(source, (0.0, 0.0))
        sent_s = to_s if from_s <= true_s < to_s else true_s
        if self.batch_s:
            sent_s = (math.floor(round(sent_s / self.batch_s - 1e-3, 6)) + 1) * self.batch_s
        return sent_s + self.transport.get(source, lambda random: 0.02)(random)

    def _outcome(self, observation: Observation) -> Outcome:
        true_s = FIRST_S + int(observation.inspection.piece_id[1:]) * self.spacing_s
        parts: list[View | Clip] = [*observation.views.values(), *observation.clips.values()]
        clip = observation.clips["mic"]
        is_foreign = False
        if clip.samples is not None:
            recorded_s = clip.samples[:, 0] / RATE_HZ
            is_its = (recorded_s >= true_s) & (recorded_s < true_s + MIC.end_s)
            is_foreign = bool(np.mean(is_its) < 0.5)
        return Outcome(true_s, all(part.state is State.PRESENT for part in parts), is_foreign, observation)


class _Lines(logging.Handler):
    def __init__(self, line: ClockLine) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.warnings.append(record.getMessage())
        self._line.warned_s.append(self._line.now_s)


def _letter(reason: int, detail: str) -> str:
    return f"{pb.DeadLetterReason.Name(reason).removeprefix('DEAD_LETTER_REASON_')}: {detail}"
