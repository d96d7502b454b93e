"""Turns the items of one shard into observations, one per inspection, and computes the positions to commit. A state
machine: no input or output, no threads, time is passed in."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.dead_letters import reject
from streams.decode.items import Chunk, Entry, Event, Frame, Item, Origin, Rejected, Trace
from streams.decode.limits import RecordError
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.clock import ShardClocks, ShardTime
from streams.join.clock_doubts import add_stamp, explained
from streams.join.dead_letter_effects import FAILED_FRAMES, MORE_SPECIFIC, OF_OTHERS, WITHOUT_EFFECT
from streams.join.join_metrics import JoinMetrics, NoMetrics
from streams.join.ledger import Judged, Ledger, place
from streams.join.one_part import MEMORY_HORIZONS
from streams.join.shard_context import ShardContext
from streams.join.station import Station
from streams.join.stations import Stations
from streams.join.wakes import Wakes
from streams.log import Assignment, Position
from streams.observation import Image, InspectionId, MissingReason, Observation
from streams.records import TopicPartition, Topics

__all__ = ["Join", "JoinMetrics", "Judged"]


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
        self._clocks = ShardClocks(self._time)
        pieces = TopicPartition(topics.of("pieces"), partition)
        self._shared = ShardContext(
            recipes=recipes,
            settings=settings,
            time=self._time,
            clocks=self._clocks,
            wakes=Wakes(self._time, self._clocks, pieces),
            ledger=self._ledger,
            metrics=metrics,
            pieces=pieces,
            signals=TopicPartition(topics.of("signals"), partition),
            refuse=self._refuse,
        )
        self._stations = Stations(
            topics.line, self._shared, self._ledger.clocks_ms, self._ledger.forgotten_ms, self._ledger.contents
        )
        self.lent_bytes = 0
        """Recordings of pieces that `advance` has returned and that its owner still holds."""
        self._rejected: list[Rejected] = []
        self._references: list[Frame] = []
        self._read_twice: set[InspectionId] = set()
        """Inspections that a predecessor found to be of two parts; kept until all its input is reread."""

    @property
    def inputs(self) -> frozenset[TopicPartition]:
        """The input partitions of this shard."""
        return self._inputs

    @property
    def first_open(self) -> dict[str, InspectionId]:
        """By station, the piece that has been open the longest."""
        return dict(self._shared.held.first_open)

    @property
    def num_open(self) -> int:
        return self._shared.held.num_open

    @property
    def open_bytes(self) -> int:
        """Bytes of images and traces in open pieces, and of traces that wait for their piece."""
        return self._shared.held.open_bytes

    @property
    def held_bytes(self) -> int:
        """`open_bytes`, plus the bytes of closed pieces that `advance` has not returned yet, plus `lent_bytes`."""
        return self.open_bytes + self._shared.held.closed_bytes + self.lent_bytes

    @property
    def signal_bytes(self) -> int:
        """Bytes of samples that a piece may still need."""
        return self._shared.held.signal_bytes

    def has_room_for(self, num_bytes: int) -> bool:
        """Whether a record of this decoded size fits; any record fits if nothing is held."""
        return self.held_bytes == 0 or self.held_bytes + num_bytes <= self._settings.max_open_bytes

    def make_room_for(self, num_bytes: int) -> None:
        """Closes the oldest pieces until the size fits; `advance` returns them, which frees their memory.

        While rereading a predecessor's input, `advance` returns nothing, so the closed pieces lose their images at
        once. This is rare, because the same input fitted there.
        """
        self._bound(num_bytes)
        if self._ledger.is_rereading:
            for station in self._stations:
                station.drop_closed_contents()

    def clock(self, station: str) -> int | None:
        """Event time that a station has reached; None if no record of it was read."""
        state = self._stations.get(station)
        return None if state is None else state.clock.now_ns

    @property
    def is_rereading(self) -> bool:
        """Whether records that a predecessor had read have yet to be read again."""
        return self._ledger.is_rereading

    def was_read(self, origin: Origin) -> bool:
        """Whether a predecessor had read this record; its result then stays valid."""
        return self._ledger.was_read(origin)

    def reason_given(self, origin: Origin) -> int | None:
        """The reason of the published dead letter about this record."""
        return self._ledger.dead_letters.reread.get((place(origin), origin.offset))

    @property
    def is_doubtful(self) -> bool:
        """Whether earlier owners may have died while judging the oldest piece."""
        return self._ledger.is_doubtful

    def begin_judging(self, inspection: InspectionId) -> int:
        """Marks the piece that is judged next, for the next commit. Returns how many owners died after marking it."""
        return self._ledger.begin_judging(inspection)

    def mark_clean_stop(self) -> None:
        """The owner stops cleanly after one more commit."""
        self._ledger.mark_clean_stop()

    def add(self, item: Item) -> None:
        """Takes the next record of its partition."""
        is_replay = self._ledger.read(item.origin)
        at = place(item.origin)
        self._time.read(at, item.origin.append_ns)
        reason = self._ledger.dead_letters.reread.pop((at, item.origin.offset), None)
        if reason is not None:
            self._take_dead_letter(item, reason)
        elif isinstance(item, Rejected):
            self._take_rejected(item, is_replay=is_replay)
        else:
            self._take(item, is_replay=is_replay)
        self._bound()

    def resolve(
        self, inspection: InspectionId, camera: str, sequence: int, image: Image | None, detail: str = ""
    ) -> None:
        """Takes the outcome of a fetch; without an image, `detail` is the error."""
        station = self._stations.get(inspection.station)
        if station is not None:
            station.images.take(inspection, (camera, sequence), image, detail)
            self._bound()

    def decoded(self, frame: Frame, item: Item) -> None:
        """Takes the decoded image of a frame that was added without it, or its dead letter."""
        if not self.is_fetching(frame):
            return
        frame_key, station = (frame.camera, frame.sequence), self._stations[frame.inspection.station]
        if isinstance(item, Frame):
            station.images.take(frame.inspection, frame_key, item.image, "")
        elif isinstance(item, Rejected):
            station.images.fail_decoding(frame.inspection, frame_key)
            self._rejected.append(item)
        self._bound()

    def is_fetching(self, frame: Frame) -> bool:
        """Whether a piece still waits for the image of this frame. Also called from the threads that fetch and
        decode."""
        station = self._stations.get(frame.inspection.station)
        return station is not None and station.images.is_missing(frame)

    def references(self) -> list[Frame]:
        """Frames accepted since the last call whose image has to be fetched or decoded."""
        frames, self._references = self._references, []
        return frames

    def advance(self, unread: AbstractSet[TopicPartition], at_end: bool, now_s: float) -> list[Observation]:
        """Advances time and returns the closed pieces in order of entry. Ignores unread input of other shards.

        Closes nothing while rereading a predecessor's input, because the inherited clock may be ahead of samples that
        are yet to be reread.
        """
        self._time.confirm(unread & self._inputs, at_end, now_s)
        if self._time.at_end:
            self._ledger.reread_all()
        self._clocks.tick()
        if self._ledger.is_rereading:
            return []
        self._mark_read_twice()
        closed = [piece for station in self._stations.due(now_s) for piece in station.advance(now_s)]
        return sorted(closed, key=lambda piece: (piece.entry_ns, piece.inspection))

    def rejected(self) -> list[Rejected]:
        """Records rejected since the last call; their dead letters go into the next commit."""
        rejected, self._rejected = self._rejected, []
        for item in rejected:
            self._ledger.dead_letters.add(item.origin)
        return rejected

    def settle(self, inspections: Iterable[InspectionId]) -> None:
        """The verdicts of these inspections are part of the next commit."""
        for inspection in inspections:
            station = self._stations[inspection.station]
            piece = station.settle(inspection)
            self._ledger.settle(inspection, piece.part, piece.origins)

    def positions(self) -> dict[TopicPartition, Position]:
        """The positions from which a successor continues after a commit of everything returned and settled so far."""
        stations = self._stations
        return self._ledger.positions(stations.clocks_ms, stations.forgotten_ms, stations.contents, self._forgettable)

    def committed(self, ends: Mapping[TopicPartition, int]) -> None:
        """The commit is done; `ends` are the end offsets of the partitions that it wrote to."""
        self._ledger.committed(ends)

    def ahead(self) -> frozenset[TopicPartition]:
        """Partitions to pause: those too far ahead of the slowest unread one, and frames while too many pieces wait for
        another partition. Never pauses all unread partitions."""
        paused = set(self._clocks.ahead(round(self._settings.read_ahead_s * 1e9)))
        if not self._time.unread - paused:
            paused -= {self._slowest()} if self._time.unread else set()
        others = self._time.unread - paused - {self._frames}
        if others and self._is_half_full():
            paused.add(self._frames)
        return frozenset(paused)

    def _take(self, item: Frame | Chunk | Trace | Event, *, is_replay: bool) -> None:
        try:
            self._dispatch(item, is_replay=is_replay)
        except RecordError as error:
            name = _station_name(item)
            if station := self._stations.get(name):
                error = explained(station.source_clocks, item, error)
                station.wake_to_remind()
            self._refuse(item.origin, error, _inspection(item), station=name)
            if isinstance(item, Trace) and error.reason not in WITHOUT_EFFECT:
                self._enter_by_trace(item.inspection, item.origin, is_replay=is_replay)
            self._stations.drop_blank(name)

    def _dispatch(self, item: Frame | Chunk | Trace | Event, *, is_replay: bool) -> None:
        if is_replay and self._is_of_forgotten_station(item):
            return
        station = self._station(_station_name(item), item.origin)
        add_stamp(station.source_clocks, item)
        station.wake_to_remind()
        match item:
            case Frame():
                station.take_frame(item, is_replay=is_replay)
                if station.images.is_missing(item):
                    self._references.append(item)
            case Event():
                station.take_event(item, is_replay=is_replay)
            case Trace():
                station.take_trace(item, is_replay=is_replay)
            case Chunk():
                station.take_chunk(item, is_replay=is_replay)

    def _is_of_forgotten_station(self, item: Frame | Chunk | Trace | Event) -> bool:
        """Whether the predecessor judged the piece and then forgot its station, which must not be created again."""
        inspection, verdicts = _inspection(item), self._ledger.verdicts
        if inspection is None or inspection not in verdicts or self._stations.get(inspection.station) is not None:
            return False
        verdicts.extend(inspection, item.origin)
        return True

    def _take_rejected(self, item: Rejected, *, is_replay: bool) -> None:
        """Adds the dead letter; the inspection enters nevertheless, unless the reason is TOO_OLD or similar."""
        entry = self._entry(item)
        if entry is not None:
            try:
                station = self._station(entry.inspection.station, item.origin)
                station.take_failed(entry, item.origin, MissingReason.UNDECODABLE, is_replay=is_replay)
            except RecordError as error:
                if error.reason in MORE_SPECIFIC:
                    item = replace(item, reason=error.reason, detail=f"{error.detail}; also, {item.detail}")
        self._rejected.append(item)

    def _take_dead_letter(self, item: Item, reason: int) -> None:
        """Handles a record whose dead letter is published: repeats only its effect on the inspection."""
        inspection = item.inspection if isinstance(item, Rejected) else _inspection(item)
        if reason == pb.DEAD_LETTER_REASON_ID_READ_TWICE and inspection is not None:
            self._read_twice.add(inspection)
        if reason in WITHOUT_EFFECT:
            return
        try:
            match item:
                case Rejected():
                    self._enter_again(self._entry(item), item.origin, MissingReason.UNDECODABLE)
                case Trace():
                    self._enter_by_trace(item.inspection, item.origin, is_replay=True)
                case Frame() if reason in FAILED_FRAMES:
                    entry = Entry(item.inspection, item.product, item.lot, item.capture_ns, item.camera)
                    self._enter_again(entry, item.origin, FAILED_FRAMES[reason])
                case Frame():
                    self._dispatch(item, is_replay=True)
        except RecordError:
            return

    def _enter_again(self, entry: Entry | None, origin: Origin, why: MissingReason) -> None:
        if entry is not None:
            station = self._station(entry.inspection.station, origin)
            station.take_failed(entry, origin, why, is_replay=True)

    def _entry(self, item: Rejected) -> Entry | None:
        """What lets the inspection of an unusable record enter; of a trace only where traces open their pieces."""
        if item.entry is not None or item.inspection is None or item.reason in OF_OTHERS:
            return item.entry
        is_trace = item.origin.topic == self._shared.signals.topic
        return (
            _entry_by_trace(item.inspection, item.origin) if is_trace and self._traces_open(item.inspection) else None
        )

    def _enter_by_trace(self, inspection: InspectionId, origin: Origin, *, is_replay: bool) -> None:
        """An unusable trace opens its piece all the same, where traces do."""
        if self._traces_open(inspection):
            with suppress(RecordError):
                station = self._station(inspection.station, origin)
                station.take_failed(
                    _entry_by_trace(inspection, origin), origin, MissingReason.UNDECODABLE, is_replay=is_replay
                )

    def _traces_open(self, inspection: InspectionId) -> bool:
        return self._shared.recipes.traces_open(inspection.line, inspection.station)

    def _mark_read_twice(self) -> None:
        """Runs after rereading: the record that opens a piece may be in another partition than that of the other
        part."""
        for inspection in self._read_twice:
            station = self._stations.get(inspection.station)
            if station is not None and inspection in station.open:
                station.open[inspection].is_read_twice = True
        self._read_twice.clear()

    def _station(self, name: str, origin: Origin) -> Station:
        """The state of a station. Raises RecordError if there is no room for another one."""
        return self._stations.take(name, origin.append_ns, may_forget=not self._ledger.is_rereading)

    def _refuse(
        self, origin: Origin, error: RecordError, inspection: InspectionId | None, *, station: str | None = None
    ) -> None:
        name = station or (inspection.station if inspection else "")
        self._rejected.append(reject(origin, error.reason, error.detail, station=name, inspection=inspection))

    def _bound(self, num_bytes: int = 0) -> None:
        """Closes the oldest pieces of the fullest station until the decoded bytes and `num_bytes` more fit."""
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

    def _slowest(self) -> TopicPartition:
        """The unread partition that is furthest behind by append time."""
        return min(self._time.unread, key=lambda at: self._time.appended.get(at, 0))

    def _is_half_full(self) -> bool:
        return self._shared.held.num_crowded > 0 or self.open_bytes * 2 > self._settings.max_open_bytes


def _entry_by_trace(inspection: InspectionId, origin: Origin) -> Entry:
    """Of an unusable trace, which names no product and whose time may be wrong."""
    return Entry(inspection, "", "", origin.append_ns, None)


def _station_name(item: Frame | Chunk | Trace | Event) -> str:
    return item.station


def _inspection(item: Frame | Chunk | Trace | Event) -> InspectionId | None:
    return None if isinstance(item, Chunk) else item.inspection
