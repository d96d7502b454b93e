"""Turns the items of one shard into observations, one per inspection that entered, and says how far its input is
done. A state machine: no input or output, no threads, time is passed in."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.dead_letters import reject
from streams.decode.items import Chunk, Entry, Event, Frame, Item, Origin, Rejected, Trace
from streams.decode.limits import Finding
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.clock import ShardTime
from streams.join.clock_doubts import explained, saw
from streams.join.join_metrics import JoinMetrics, NoMetrics
from streams.join.ledger import Judged, Ledger, place
from streams.join.one_part import MEMORY_HORIZONS
from streams.join.shard_context import ShardContext
from streams.join.station import Station
from streams.join.stations import Stations
from streams.log import Assignment, Position
from streams.observation import Image, InspectionId, MissingReason, Observation
from streams.records import TopicPartition, Topics

__all__ = ["Join", "JoinMetrics", "Judged"]

WITHOUT_EFFECT = {
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_DUPLICATE,
    pb.DEAD_LETTER_REASON_CLOCK,
    pb.DEAD_LETTER_REASON_STATION_LIMIT,
    pb.DEAD_LETTER_REASON_STATE_LIMIT,
    pb.DEAD_LETTER_REASON_MISPLACED_STATION,
    pb.DEAD_LETTER_REASON_ORPHAN,
    pb.DEAD_LETTER_REASON_ID_READ_TWICE,
}
"""Dead letters whose record let no inspection enter."""
_SAYS_MORE = {
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_STATION_LIMIT,
    pb.DEAD_LETTER_REASON_ID_READ_TWICE,
}
"""Reasons that a dead letter names before why its record cannot be decoded."""
_LOST_FRAMES: dict[int, MissingReason] = {
    pb.DEAD_LETTER_REASON_REFERENCE: MissingReason.REFERENCE,
    pb.DEAD_LETTER_REASON_WRONG_FORMAT: MissingReason.UNDECODABLE,
}
"""Dead letters about the image of a frame that its inspection had counted on."""


class Join:
    """The pieces of one shard. Its owner calls `add`, `advance`, `settle`, commits `positions`, calls `committed`."""

    def __init__(
        self,
        assignment: Assignment,
        judged: Iterable[Judged],
        recipes: RecipeBook,
        topics: Topics,
        settings: JoinSettings,
        metrics: JoinMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._time = ShardTime()
        metrics = metrics or NoMetrics()
        self._ledger = Ledger(assignment, judged, topics, metrics)
        partition = assignment.shard.partition
        self._frames = TopicPartition(topics.of("frames"), partition)
        self._inputs = frozenset(TopicPartition(topic, partition) for topic in topics.inputs)
        self._shared = ShardContext(
            recipes=recipes,
            settings=settings,
            time=self._time,
            ledger=self._ledger,
            metrics=metrics,
            pieces=TopicPartition(topics.of("pieces"), partition),
            signals=TopicPartition(topics.of("signals"), partition),
            refuse=self._refuse,
        )
        self._stations = Stations(
            topics.line, self._shared, self._ledger.clocks_ms, self._ledger.forgotten_ms, self._ledger.contents
        )
        self._rejected: list[Rejected] = []
        self._references: list[Frame] = []
        self._read_twice: set[InspectionId] = set()
        """Inspections that a predecessor found to be of two parts, until all that it had read was read again."""

    @property
    def inputs(self) -> frozenset[TopicPartition]:
        """The partitions that this shard is read from."""
        return self._inputs

    @property
    def first_open(self) -> dict[str, InspectionId]:
        """By station, the piece that has been open for longest."""
        return {station.name: next(iter(station.open)) for station in self._stations if station.open}

    @property
    def num_open(self) -> int:
        return sum(len(station.open) for station in self._stations)

    @property
    def open_bytes(self) -> int:
        """Bytes of images and traces in open pieces, and of traces that wait for theirs."""
        return sum(station.num_bytes for station in self._stations)

    @property
    def held_bytes(self) -> int:
        """Those, and what closed pieces hold that `advance` has not given yet."""
        return self.open_bytes + sum(station.closed_bytes for station in self._stations)

    @property
    def signal_bytes(self) -> int:
        """Bytes of samples that a piece may still need."""
        return self._shared.held.signal_bytes

    def has_room_for(self, num_bytes: int) -> bool:
        """Whether a record that takes so much once it is decoded fits; the largest one fits where nothing is held."""
        return self.held_bytes == 0 or self.held_bytes + num_bytes <= self._settings.max_open_bytes

    def make_room_for(self, num_bytes: int) -> None:
        """Closes the oldest pieces until it would fit: `advance` gives them, and then it does.

        What a predecessor had read fitted there, as a rule. Where it does not here, the pieces closed lose their images
        at once: `advance` gives nothing before all of it was read again.
        """
        self._bound(num_bytes)
        if self._ledger.is_rereading:
            for station in self._stations:
                station.empty_closed()

    def clock(self, station: str) -> int | None:
        """Event time that a station has reached; None when nothing of it was read."""
        known = self._stations.get(station)
        return None if known is None else known.clock.now_ns

    @property
    def is_rereading(self) -> bool:
        """Whether records that a predecessor had read are still to come."""
        return self._ledger.is_rereading

    def was_read(self, origin: Origin) -> bool:
        """Whether a predecessor had read this record: what became of it then stands."""
        return self._ledger.was_read(origin)

    def reason_given(self, origin: Origin) -> int | None:
        """The reason of the dead letter that is out about this record."""
        return self._ledger.letters.reread.get((place(origin), origin.offset))

    @property
    def is_doubtful(self) -> bool:
        """Whether owners before may have ended because they judged the oldest piece."""
        return self._ledger.is_doubtful

    def begin_judging(self, inspection: InspectionId) -> int:
        """The next commit says that this piece is judged next; how many owners have ended after they said so."""
        return self._ledger.begin_judging(inspection)

    def rest(self) -> None:
        """The owner stops of its own accord, after one more commit."""
        self._ledger.rest()

    def add(self, item: Item) -> None:
        """Takes the next record of its partition."""
        again = self._ledger.read(item.origin)
        at = place(item.origin)
        self._time.read(at, item.origin.append_ns)
        reason = self._ledger.letters.reread.pop((at, item.origin.offset), None)
        if reason is not None:
            self._take_lettered(item, reason)
        elif isinstance(item, Rejected):
            self._take_rejected(item, again=again)
        else:
            self._take(item, again=again)
        self._bound()

    def resolve(
        self, inspection: InspectionId, camera: str, sequence: int, image: Image | None, detail: str = ""
    ) -> None:
        """A reference was fetched; without an image it failed for the reason in `detail`."""
        station = self._stations.get(inspection.station)
        if station is not None:
            station.resolve(inspection, (camera, sequence), image, detail)
            self._bound()

    def decoded(self, frame: Frame, item: Item) -> None:
        """The image of a frame that was added without it, or its dead letter."""
        if not self.is_fetching(frame):
            return
        shot, station = (frame.camera, frame.sequence), self._stations[frame.inspection.station]
        if isinstance(item, Frame):
            station.resolve(frame.inspection, shot, item.image, "")
        elif isinstance(item, Rejected):
            station.open[frame.inspection].fail_fetch(shot)
            self._rejected.append(item)
        self._bound()

    def is_fetching(self, frame: Frame) -> bool:
        """Whether a piece still waits for the image of this frame; asked from the threads that bring it, too."""
        station = self._stations.get(frame.inspection.station)
        return station is not None and station.is_fetching(frame)

    def references(self) -> list[Frame]:
        """Frames taken since the last call whose image has to be fetched or decoded."""
        found, self._references = self._references, []
        return found

    def advance(self, unread: AbstractSet[TopicPartition], at_end: bool, now_s: float) -> list[Observation]:
        """Lets time pass; gives the pieces that closed, in order of entry. What is unread in other shards counts not.

        While a successor reads again what its predecessor had read, nothing closes: the clock it inherited may be
        ahead of the samples that are still on their way.
        """
        self._time.confirm(unread & self._inputs, at_end, now_s)
        if self._time.at_end:
            self._ledger.reread_all()
        for station in self._stations:
            station.clock.tick()
        if self._ledger.is_rereading:
            return []
        self._mark_read_twice()
        closed = [each for station in self._stations for each in station.advance(now_s)]
        return sorted(closed, key=lambda each: (each.entry_ns, each.inspection))

    def rejected(self) -> list[Rejected]:
        """Records found unusable since the last call; their dead letters go into the next commit."""
        found, self._rejected = self._rejected, []
        for each in found:
            self._ledger.letters.add(each.origin)
        return found

    def settle(self, inspections: Iterable[InspectionId]) -> None:
        """The verdicts of these inspections are in the commit being made."""
        for inspection in inspections:
            station = self._stations[inspection.station]
            piece = station.closed.pop(inspection)
            station.frozen.settle(piece.contents)
            self._ledger.settle(inspection, piece.part, piece.origins)

    def positions(self) -> dict[TopicPartition, Position]:
        """Where a successor goes on after the commit that holds everything drained and settled so far."""
        stations = self._stations
        return self._ledger.positions(stations.clocks_ms, stations.forgotten_ms, stations.contents, self._forgettable)

    def committed(self, ends: Mapping[TopicPartition, int]) -> None:
        """The commit is done; `ends` are the end offsets of the partitions that it wrote to."""
        self._ledger.committed(ends)

    def ahead(self) -> frozenset[TopicPartition]:
        """Partitions to pause: too far ahead of the slowest unread one, or frames while too many pieces wait for
        another partition. One unread partition at least always goes on."""
        paused = {at for station in self._stations for at in self._ahead_at(station)}
        if not self._time.unread - paused:
            paused -= {self._slowest()} if self._time.unread else set()
        others = self._time.unread - paused - {self._frames}
        if others and self._is_half_full():
            paused.add(self._frames)
        return frozenset(paused)

    def _take(self, item: Frame | Chunk | Trace | Event, *, again: bool) -> None:
        try:
            self._dispatch(item, again=again)
        except Finding as finding:
            name = _station_name(item)
            if station := self._stations.get(name):
                finding = explained(station.source_clocks, item, finding)
            self._refuse(item.origin, finding, _inspection(item), station=name)
            self._stations.drop_blank(name)

    def _dispatch(self, item: Frame | Chunk | Trace | Event, *, again: bool) -> None:
        if again and self._is_of_forgotten_station(item):
            return
        station = self._station(_station_name(item), item.origin)
        saw(station.source_clocks, item)
        match item:
            case Frame():
                station.take_frame(item, again=again)
                if station.is_fetching(item):
                    self._references.append(item)
            case Event():
                station.take_event(item, again=again)
            case Trace():
                station.take_trace(item, again=again)
            case Chunk():
                station.take_chunk(item, again=again)

    def _is_of_forgotten_station(self, item: Frame | Chunk | Trace | Event) -> bool:
        """Whether the predecessor judged the piece and then forgot its station, which must not take a place again."""
        inspection, verdicts = _inspection(item), self._ledger.verdicts
        if inspection is None or inspection not in verdicts or self._stations.get(inspection.station) is not None:
            return False
        verdicts.touch(inspection, item.origin)
        return True

    def _take_rejected(self, item: Rejected, *, again: bool) -> None:
        """The dead letter, and the inspection that enters all the same; TOO_OLD and the like say that it did not."""
        if item.entry is not None:
            try:
                station = self._station(item.entry.inspection.station, item.origin)
                station.take_lost(item.entry, item.origin, MissingReason.UNDECODABLE, again=again)
            except Finding as finding:
                if finding.reason in _SAYS_MORE:
                    item = replace(item, reason=finding.reason, detail=f"{finding.detail}; besides, {item.detail}")
        self._rejected.append(item)

    def _take_lettered(self, item: Item, reason: int) -> None:
        """A record whose dead letter is out: only what it meant to its inspection is taken again."""
        inspection = item.inspection if isinstance(item, Rejected) else _inspection(item)
        if reason == pb.DEAD_LETTER_REASON_ID_READ_TWICE and inspection is not None:
            self._read_twice.add(inspection)
        if reason in WITHOUT_EFFECT:
            return
        try:
            match item:
                case Rejected(entry=Entry() as entry):
                    station = self._station(entry.inspection.station, item.origin)
                    station.take_lost(entry, item.origin, MissingReason.UNDECODABLE, again=True)
                case Frame() if reason in _LOST_FRAMES:
                    entry = Entry(item.inspection, item.product, item.lot, item.capture_ns, item.camera)
                    station = self._station(item.inspection.station, item.origin)
                    station.take_lost(entry, item.origin, _LOST_FRAMES[reason], again=True)
                case Frame():
                    self._dispatch(item, again=True)
        except Finding:
            return

    def _mark_read_twice(self) -> None:
        """What opens a piece may lie in another partition than what was of another part, and be read behind it."""
        for inspection in self._read_twice:
            station = self._stations.get(inspection.station)
            if station is not None and inspection in station.open:
                station.open[inspection].is_read_twice = True
        self._read_twice.clear()

    def _station(self, name: str, origin: Origin) -> Station:
        """The state of a station. Raises Finding when there is no room for another one."""
        return self._stations.take(name, origin.append_ns, may_forget=not self._ledger.is_rereading)

    def _refuse(
        self, origin: Origin, finding: Finding, inspection: InspectionId | None, *, station: str | None = None
    ) -> None:
        name = station or (inspection.station if inspection else "")
        self._rejected.append(reject(origin, finding.reason, finding.detail, station=name, inspection=inspection))

    def _bound(self, num_bytes: int = 0) -> None:
        """Closes the oldest pieces of the fullest station until the decoded bytes, and so many more, fit."""
        while self.open_bytes + num_bytes > self._settings.max_open_bytes:
            fullest = max(self._stations, key=lambda station: station.num_bytes, default=None)
            if fullest is None or fullest.num_bytes == 0:
                return
            fullest.close_oldest()

    def _forgettable(self, judged: Judged) -> bool:
        name = judged.inspection.station
        if self._stations.get(name) is None:
            return self._stations.has_forgotten(name, judged.entry_ns)
        clock_ns = self.clock(name)
        horizon_ns = round(MEMORY_HORIZONS * self._settings.dedup_horizon_s * 1e9)
        return clock_ns is not None and judged.entry_ns < clock_ns - horizon_ns

    def _ahead_at(self, station: Station) -> list[TopicPartition]:
        """Partitions that are more than the read-ahead ahead of the slowest unread one at a station."""
        if self._time.unread - self._time.appended.keys():
            return list(self._time.appended)
        slowest = [ns for at in self._time.unread if (ns := station.clock.estimate(at)) is not None]
        if not slowest:
            return []
        limit_ns = min(slowest) + round(self._settings.read_ahead_s * 1e9)
        return [at for at in self._time.appended if (station.clock.estimate(at) or limit_ns) > limit_ns]

    def _slowest(self) -> TopicPartition:
        """The unread partition that the log's own clock says is furthest behind."""
        return min(self._time.unread, key=lambda at: self._time.appended.get(at, 0))

    def _is_half_full(self) -> bool:
        is_full = any(len(each.open) * 2 > self._settings.max_open_pieces for each in self._stations)
        return is_full or self.open_bytes * 2 > self._settings.max_open_bytes


def _station_name(item: Frame | Chunk | Trace | Event) -> str:
    return item.station


def _inspection(item: Frame | Chunk | Trace | Event) -> InspectionId | None:
    return None if isinstance(item, Chunk) else item.inspection
