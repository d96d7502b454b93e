"""Turns pieces and a plan into the records of a line, each with the moment to publish it.

One pure generator, `line_records`, feeds replay, simulation and the demo.
"""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inspector.recipe.window import window_samples
from inspector.replay.faults import Faults, Scheduled, disturb
from inspector.replay.messages import Arrival, capture_delay_ns, chunk_message, piece_messages
from inspector.replay.pieces import LinePiece, PieceSource
from inspector.replay.plan import NS, Entry, Plan, time_bound
from inspector.replay.signals import Placed, StreamPlan, stretches
from protos.inspection.v1.records_pb2 import Inspection
from streams.encoding import to_output
from streams.join.assembly import AssemblySpec, SensorSpec
from streams.records import Topics

_LEAD_NS, _TAIL_NS = NS // 2, NS
"""Sensors are heard this long before the first window and after the last."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Topics of the records and names of the pieces."""

    topics: Topics
    stations: tuple[str, ...]
    product: str
    """For pieces that do not name theirs."""
    base_ns: int
    """Event time of the first entry, in nanoseconds since the Unix epoch."""
    lot: str = ""
    chunk_s: float = 0.1
    stream_id: str = "replay"
    pass_number: int = 0
    truth: Path | None = None
    """The truth about every piece goes to this file as it enters, one JSON object a line, and never to a topic."""


def line_records(
    source: PieceSource, spec: AssemblySpec, plan: Plan, settings: LineSettings, faults: Faults
) -> Iterator[Scheduled]:
    """All records in the order to publish them. Raises PlanError, ManifestError, RecordingError on the way."""
    load = lru_cache(maxsize=4 * plan.num_stations + 16)(source.piece)
    line = _Line(spec, plan, settings, faults, load)
    return disturb(heapq.merge(*line.sources(), key=lambda record: record.at_ns), faults)


@dataclass(frozen=True, slots=True)
class _Line:
    spec: AssemblySpec
    plan: Plan
    settings: LineSettings
    faults: Faults
    load: Callable[[int], LinePiece]

    def sources(self) -> Iterator[Iterable[Scheduled]]:
        """Each yields records in order of time."""
        yield self._pieces()
        for station in range(self.plan.num_stations):
            for number, sensor in enumerate(time_bound(self.spec)):
                yield self._chunks(station, sensor, seed=1000 * station + number)

    def _pieces(self) -> Iterator[Scheduled]:
        """Records of all pieces; a frame waits for the entries that come before it."""
        waiting: list[Scheduled] = []
        count = 0
        for arrival, piece in self._arrivals():
            while waiting and waiting[0].at_ns <= arrival.entry_ns:
                yield heapq.heappop(waiting)
            for at_ns, message in piece_messages(arrival, piece, self.spec):
                heapq.heappush(waiting, Scheduled(at_ns, count, to_output(self.settings.topics, message)))
                count += 1
        while waiting:
            yield heapq.heappop(waiting)

    def _arrivals(self) -> Iterator[tuple[Arrival, LinePiece]]:
        truth = self.settings.truth
        with nullcontext() if truth is None else truth.open("w", encoding="utf-8") as file:
            for entry in self.plan.entries:
                piece = self.load(entry.number)
                arrival = self._arrival(entry, piece)
                if file is not None:
                    file.write(json.dumps(_true_of(arrival, piece)) + "\n")
                yield arrival, piece

    def _arrival(self, entry: Entry, piece: LinePiece) -> Arrival:
        settings = self.settings
        inspection = Inspection(
            line=settings.topics.line,
            station=settings.stations[entry.station],
            piece_id=piece.piece_id,
            pass_number=settings.pass_number,
        )
        entry_ns = settings.base_ns + self.plan.entry_ns(entry)
        return Arrival(inspection, piece.product or settings.product, settings.lot, entry_ns)

    def _chunks(self, station: int, sensor: SensorSpec, seed: int) -> Iterator[Scheduled]:
        """The stream of one sensor of one station; a chunk is published when its last sample has been taken."""
        name = self.settings.stations[station]
        origin_ns = self._origin_ns(sensor)
        stream = self._stream(station, sensor, origin_ns, seed)
        skew_ns = round(self.faults.skew_s * NS)
        for stretch in stretches(stream, lambda number: self.load(number).recordings.get(sensor.name)):
            start_ns = origin_ns + _length_ns(stretch.first_sample, sensor.sample_rate_hz)
            end_ns = origin_ns + _length_ns(stretch.first_sample + len(stretch.samples), sensor.sample_rate_hz)
            place = (self.settings.topics.line, name)
            chunk = chunk_message(place, sensor, stretch, self.settings.stream_id, start_ns + skew_ns)
            yield Scheduled(end_ns, 0, to_output(self.settings.topics, chunk))

    def _origin_ns(self, sensor: SensorSpec) -> int:
        """Event time of the stream's first sample: whole steps of the grid before the first window, and a nanosecond:
        a rate such as 12800 / 3 is no exact float, and the window takes samples at its start or after it."""
        anchor_ns = 0 if sensor.anchor == "entered" else capture_delay_ns(self.spec, 0)
        lead_ns = _LEAD_NS // self.plan.grid_ns * self.plan.grid_ns
        return self.settings.base_ns + anchor_ns + round(sensor.start_s * NS) - lead_ns + 1

    def _stream(self, station: int, sensor: SensorSpec, origin_ns: int, seed: int) -> StreamPlan:
        def sample_at(event_ns: int) -> int:
            return max(0, round((event_ns - origin_ns) * sensor.sample_rate_hz / NS))

        base_ns, name = self.settings.base_ns, self.settings.stations[station]
        lead_samples = sample_at(origin_ns + _LEAD_NS // self.plan.grid_ns * self.plan.grid_ns)
        places = [
            Placed(lead_samples + sample_at(origin_ns + self.plan.entry_ns(entry)), entry.number)
            for entry in self.plan.at(station)
        ]
        silent = [
            (sample_at(base_ns + round(silence.from_s * NS)), sample_at(base_ns + round(silence.to_s * NS)))
            for silence in self.faults.silences
            if silence.sensor == sensor.name and silence.station in (None, name)
        ]
        end = lead_samples + sample_at(origin_ns + self.plan.length_ns + _TAIL_NS) + window_samples(sensor)
        return StreamPlan(
            sensor, places, silent, end, max(1, round(self.settings.chunk_s * sensor.sample_rate_hz)), seed
        )


def _length_ns(samples: int, rate_hz: float) -> int:
    """Rounded up: a stamp before its sample would put it one place too early in a window that begins with it."""
    numerator, denominator = rate_hz.as_integer_ratio()
    return -(-samples * denominator * NS // numerator)


def _true_of(arrival: Arrival, piece: LinePiece) -> dict[str, object]:
    inspection = arrival.inspection
    return {
        "line": inspection.line,
        "station": inspection.station,
        "piece_id": inspection.piece_id,
        "pass_number": inspection.pass_number,
        "entry_ns": arrival.entry_ns,
        "label": piece.label,
        "defects": list(piece.defects),
    }
