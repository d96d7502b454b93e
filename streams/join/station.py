"""Joins the records of one station: pieces enter, collect their records, and close. Reports to the ledger which records
it still needs."""

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Entry, Event, EventKind, Frame, Origin, Trace
from streams.decode.limits import RecordError
from streams.join.clips import SECOND_NS, SensorStream
from streams.join.clock import BEGINNING_NS, StationClock
from streams.join.clock_doubts import checked
from streams.join.completeness import Moment, SourceState, close_reason, source_states, waits_of
from streams.join.frozen import Contents, FrozenDetector, joined, split
from streams.join.ids import Ids
from streams.join.known_sources import known_camera, known_sensor
from streams.join.late_images import LateImages
from streams.join.ledger import place
from streams.join.looks import Looks
from streams.join.one_part import ENTERED, PieceRecord, image_of, trace_of
from streams.join.piece_times import PieceTimes
from streams.join.pieces import EVENTS, Piece
from streams.join.refusals import duplicate, orphan, too_many_records, too_old
from streams.join.shard_context import ShardContext
from streams.join.source_clocks import SourceClocks
from streams.join.station_signals import StationSignals
from streams.join.station_traces import StationTraces
from streams.join.waiting_traces import end_ns_of
from streams.observation import CloseReason, InspectionId, MissingReason, Observation


class Station:
    """The pieces and sensors of one station. The `take_*` methods raise RecordError for a record that cannot be used;
    `is_replay` marks one that a predecessor had accepted, which never counts as late."""

    def __init__(
        self,
        line: str,
        name: str,
        shared: ShardContext,
        clock_ns: int | None,
        floor_ns: int | None = None,
        contents: Contents | None = None,
    ) -> None:
        """`clock_ns` is the state of a predecessor's clock; without one nothing enters before `floor_ns`. `contents`
        are the digests of a predecessor's last recordings and chunks."""
        self.line, self.name = line, name
        self.number = 0
        """Counts the stations of the shard in order of creation."""
        self._horizon_span_ns = _ns(shared.settings.dedup_horizon_s)
        self.used_ns = 0 if clock_ns is None else clock_ns + self._horizon_span_ns
        """Append time of the newest record that names the station; for a predecessor's, assumes the largest lag."""
        self._floor_ns = floor_ns
        self.clock = StationClock(shared.time, clock_ns, self._horizon_span_ns, shared.clocks, name)
        self.open: dict[InspectionId, Piece] = {}
        self.closed: dict[InspectionId, Piece] = {}
        """Closed pieces without a published verdict."""
        self.num_bytes = 0
        """Images and traces of open pieces, and waiting traces."""
        self._unobserved: list[Piece] = []
        self._looks, self._num_opened = Looks(), 0
        self._shared, self._settings = shared, shared.settings
        self._sensors = shared.recipes.sensors(line, name)
        self._times = PieceTimes(self._sensors)
        self._sources = shared.recipes.cameras(line, name) | self._sensors.keys() | {EVENTS}
        self.source_clocks = SourceClocks((line, name), self._sources, shared.settings, shared.metrics)
        self.images = LateImages((line, name), shared, self.open, self._change, self._hold)
        self._traces = StationTraces(shared, self._hold, opens=shared.recipes.traces_open(line, name))
        pieces, chunks = split(contents or {})
        self._signals = StationSignals(shared, self._sensors, self._times, chunks)
        self.frozen = FrozenDetector(pieces)
        self._contents: Contents | None = None
        self._ids = Ids(line, name, shared, self.closed)

    @property
    def is_blank(self) -> bool:
        return not (self.open or self.closed or self._traces.waiting or self._signals.streams or self.clock.has_begun)

    @property
    def is_empty(self) -> bool:
        """Whether the station has no piece without a verdict and no data that a piece may still need."""
        return not (self.open or self.closed or self._traces.waiting or self._signals.has_samples)

    @property
    def horizon_ns(self) -> int | None:
        """Event time before which no piece enters any more."""
        now_ns = self.clock.now_ns
        return self._floor_ns if now_ns is None else now_ns - self._horizon_span_ns

    @property
    def contents(self) -> Contents:
        """For a successor: digests of the last judged recordings and of the last chunks that are no longer needed."""
        if self._contents is None:
            self._contents = joined(self.frozen.settled, self._signals.settled)
        return self._contents

    def take_frame(self, frame: Frame, *, is_replay: bool) -> None:
        entry = Entry(frame.inspection, frame.product, frame.lot, frame.capture_ns, frame.camera)
        what = image_of(frame.camera, frame.sequence)
        if self._ids.is_judged(
            PieceRecord(frame.inspection, what, frame.capture_ns, frame.product), frame.origin, is_replay=is_replay
        ):
            return
        piece = self._enter(entry, frame.origin, is_replay=is_replay)
        self._add_stamp(frame.origin, frame.camera, frame.capture_ns)
        if piece.spec is None:
            piece.enter_by(frame.capture_ns)
            return
        try:
            camera = known_camera(piece.spec, frame, piece.product)
        except RecordError:
            piece.enter_by(frame.capture_ns)
            raise
        if (frame.camera, frame.sequence) in piece.captures:
            raise self._ids.doubled(piece, what, frame.capture_ns)
        self._shared.low_pixels.check((self.line, self.name, camera), frame.image)
        self._hold(piece.take_frame(frame, camera))

    def take_event(self, event: Event, *, is_replay: bool) -> None:
        if event.kind is EventKind.LEFT and self._ids.has_closed(event.inspection, event.origin, self._keep):
            return
        what = f"event `{event.kind.value}`"
        product = event.product if what == ENTERED else None
        if self._ids.is_judged(
            PieceRecord(event.inspection, what, event.event_ns, product), event.origin, is_replay=is_replay
        ):
            return
        piece = self._enter(
            Entry(event.inspection, event.product, event.lot, event.event_ns, None), event.origin, is_replay=is_replay
        )
        self._add_stamp(event.origin, EVENTS, event.event_ns)
        if event.kind in piece.events:
            raise self._ids.doubled(piece, what, event.event_ns)
        piece.take_event(event)

    def take_failed(self, entry: Entry, origin: Origin, why: MissingReason, *, is_replay: bool) -> None:
        """Takes a record that is a dead letter but whose inspection is known. Raises RecordError if it is also too old
        or of another part."""
        if entry.event_ns != origin.append_ns and not is_replay:  # else its time is unknown
            self._ids.check_part(PieceRecord(entry.inspection, "the record", entry.event_ns, entry.product))
        if entry.inspection in self._shared.ledger.verdicts:
            self._shared.ledger.verdicts.extend(entry.inspection, origin)
            return
        if entry.inspection in self.closed:
            self._keep(self.closed[entry.inspection], origin)
            return
        piece = self._enter(entry, origin, is_replay=is_replay)
        # Else its time is unknown and its lag would appear as 0; but without any time, the piece would never close.
        if entry.event_ns != origin.append_ns or not self.clock.has_begun:
            self.clock.add_stamp(place(origin), entry.event_ns, origin.append_ns)
        piece.enter_by(entry.event_ns)
        if entry.camera is not None:
            piece.mark_failed(entry.camera, entry.event_ns, why)

    def take_trace(self, trace: Trace, *, is_replay: bool) -> None:
        spec = known_sensor(self._sensors, trace, "piece", self.name)
        end_ns = trace.start_ns + round(len(trace.samples) / spec.sample_rate_hz * SECOND_NS)
        self._ids.check_skew(trace.origin, end_ns)
        record = PieceRecord(trace.inspection, trace_of(trace.sensor), trace.start_ns)
        if self._ids.is_judged(record, trace.origin, is_replay=is_replay):
            return
        if trace.inspection in self.open:
            self._adopt(self.open[trace.inspection], trace)
        elif self.horizon_ns is not None and end_ns < self.horizon_ns and not is_replay:
            raise too_old(self.horizon_ns - end_ns) if self._traces.opens else orphan(trace)
        else:
            if len(self._traces.waiting) >= self._settings.max_open_pieces:
                self._give_up_oldest_trace()
                self._ids.is_judged(record, trace.origin, is_replay=is_replay)  # raises if that closed its piece
            self._traces.waiting.add(trace)
            self._shared.wakes.change(self.name)
            self._shared.ledger.hold(trace.origin)
        self._hold(trace.samples.nbytes)
        self._add_stamp(trace.origin, trace.sensor, end_ns)

    def take_chunk(self, chunk: Chunk, *, is_replay: bool) -> None:
        known_sensor(self._sensors, chunk, "time", self.name)
        stream = self._signals.stream(chunk.sensor)
        end_ns = stream.end_ns(chunk)
        self._ids.check_skew(chunk.origin, end_ns)
        self._signals.check(chunk, end_ns, self.horizon_ns, is_replay=is_replay)
        self._add_stamp(chunk.origin, chunk.sensor, end_ns)
        if self._place(chunk, stream):
            self._shared.ledger.hold(chunk.origin)
        elif not is_replay:  # else its samples were within the jitter of an earlier anchor
            raise duplicate(f"samples of sensor {chunk.sensor!r} at {chunk.start_ns} ns")

    def _place(self, chunk: Chunk, stream: SensorStream) -> bool:
        """Whether any of the samples are new. Wakes the station if a piece waits for them, or no samples were older."""
        droppable_ns, anchors = stream.droppable_ns, stream.num_anchors
        is_new = self._signals.place(chunk, stream)
        if stream.newest_ns is not None:
            self._looks.reach(chunk.sensor, stream.newest_ns)
        if stream.droppable_ns != droppable_ns:
            self._contents = None
        if self._looks.has_changes or stream.droppable_ns != droppable_ns:
            self._shared.wakes.change(self.name)
        if is_new and stream.num_anchors > anchors:
            self._shared.metrics.anchored(self.line, self.name, chunk.sensor)
            if stream.misfit_ns:
                self.source_clocks.misfit(chunk.sensor, stream.misfit_ns)
                self.wake_to_remind()
        return is_new

    def look_at(self, number: int) -> None:
        """What a piece waited for, of the whole shard, has happened."""
        self._looks.change(number)

    def advance(self, now_s: float) -> list[Observation]:
        """The pieces that are complete or have waited long enough, and those closed for lack of room."""
        self.source_clocks.remind(now_s)
        clock_ns = self.clock.now_ns
        if clock_ns is not None:
            self._open_by_traces(clock_ns)
            if pieces := self._looks.take(clock_ns):
                moment = Moment(clock_ns, now_s, self._signals.streams, self._settings)
                for piece in pieces:
                    self._look(piece, moment)
            self._traces.drop_orphans(self.horizon_ns)
        closed, self._unobserved = sorted(self._unobserved, key=lambda piece: (piece.entry_ns, piece.inspection)), []
        observed = [self._observe(piece) for piece in closed]
        if self._signals.drop(self.horizon_ns):
            self._contents = None
        self.clock.wake(BEGINNING_NS if clock_ns is None else self._due_ns())
        self.wake_to_remind()
        return observed

    def wake_to_remind(self) -> None:
        """Has the next turn log what the clocks of the sources have to say."""
        if self.source_clocks.has_reminders:
            self._shared.wakes.change(self.name)

    def settle(self, inspection: InspectionId) -> Piece:
        """The verdict of a closed piece is in the next commit: nothing of it is needed any more."""
        piece = self.closed.pop(inspection)
        self._times.drop(piece)
        self.frozen.settle(piece.contents)
        self._contents = None
        self._shared.wakes.change(self.name)
        return piece

    def drop_closed_contents(self) -> None:
        """Drops the recordings of pieces closed for lack of room, whose verdict does not depend on them."""
        for piece in self._unobserved:
            self._shared.held.closed_bytes -= piece.num_bytes
            piece.drop_contents()

    def close_oldest(self) -> None:
        """Makes room: gives up the oldest waiting trace, else closes the oldest open piece as it is."""
        self._shared.wakes.change(self.name)
        if self._traces.waiting:
            self._give_up_oldest_trace()
        else:
            self._close_oldest_piece()

    def _close_oldest_piece(self) -> None:
        if (piece := self._times.oldest_open()) is not None:
            self._close(piece, CloseReason.STATE_LIMIT)

    def _due_ns(self) -> int | None:
        """The station's clock at which it has something to do, if none of its records comes before."""
        due_ns = (self._looks.clock_ns, self._traces.due_ns, self._signals.due_ns())
        return min((time_ns for time_ns in due_ns if time_ns is not None), default=None)

    def _hold(self, num_bytes: int) -> None:
        self.num_bytes += num_bytes
        self._shared.held.open_bytes += num_bytes

    def _change(self, piece: Piece) -> None:
        """A piece changes, or may."""
        self._looks.change(piece.number)
        self._times.change(piece)
        self._shared.wakes.change(self.name)

    def _enter(self, entry: Entry, origin: Origin, *, is_replay: bool) -> Piece:
        """The open piece of an inspection; opens it if necessary."""
        self._ids.check_skew(origin, entry.event_ns)
        piece = self.open.get(entry.inspection)
        if piece is None:
            if self.horizon_ns is not None and entry.event_ns < self.horizon_ns and not is_replay:
                raise too_old(self.horizon_ns - entry.event_ns)
            piece = self._open(entry)
        self._change(piece)
        self._keep(piece, origin)
        return piece

    def _open(self, entry: Entry) -> Piece:
        if len(self.open) >= self._settings.max_open_pieces:
            self._close_oldest_piece()
        spec = self._shared.recipes.assembly(self.line, self.name, entry.product)
        piece = Piece(entry.inspection, entry.product, entry.lot, spec, self._num_opened)
        self._num_opened += 1
        piece.enter_by(entry.event_ns)
        self.open[entry.inspection] = piece
        self._count_open(1)
        self._looks.open(piece)
        self._times.change(piece)
        for trace in self._traces.waiting.take(entry.inspection):
            try:
                self._adopt(piece, trace)
            except RecordError as error:
                self._traces.give_up(trace, error)
        return piece

    def _open_by_traces(self, clock_ns: int) -> None:
        """Opens the pieces of traces that waited in vain for an event, which would name product, lot and entry."""
        for trace in self._traces.ended_in_vain(clock_ns):
            is_waiting = trace in self._traces.waiting  # else its piece was opened by another trace
            if is_waiting and self._shared.time.has_read(self._shared.pieces, trace.origin.append_ns):
                self._open_by(trace)

    def _open_by(self, trace: Trace) -> Piece:
        piece = self._open(Entry(trace.inspection, "", "", end_ns_of(trace), None))
        piece.opened_by = trace.sensor
        if not piece.origins:  # the trace is refused; its piece gets a verdict nevertheless
            self._keep(piece, trace.origin)
        return piece

    def _adopt(self, piece: Piece, trace: Trace) -> None:
        sensor = piece.sensor(trace.sensor)
        if piece.spec is not None and (sensor is None or sensor.bind != "piece"):
            raise RecordError(
                pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
                f"sensor {trace.sensor!r} is not named by the recipe of product {piece.product!r}: add it there",
            )
        if trace.sensor in piece.traces:
            raise self._ids.doubled(piece, trace_of(trace.sensor), trace.start_ns)
        self._change(piece)
        self._keep(piece, trace.origin)
        piece.take_trace(trace)

    def _keep(self, piece: Piece, origin: Origin) -> None:
        if len(piece.origins) >= piece.max_records:
            raise too_many_records(piece.inspection, piece.max_records)
        piece.origins.append(origin)
        self._shared.ledger.hold(origin)

    def _give_up_oldest_trace(self) -> None:
        if self._traces.opens:
            self._close(self._open_by(self._traces.waiting.oldest), CloseReason.STATE_LIMIT)
        else:
            self._traces.give_up_oldest(self.name)

    def _look(self, piece: Piece, moment: Moment) -> None:
        if piece.fetching and piece.fetch_by_s is None:
            piece.fetch_by_s = moment.now_s + self._settings.max_delay_s
        states = source_states(piece, moment)
        for modality in [name for name, state in states.items() if state is not SourceState.WAITING]:
            if modality not in piece.waited:
                piece.waited.add(modality)
                wait_s = (moment.clock_ns - piece.entry_ns) / 1e9
                self._shared.metrics.waited(self.line, self.name, modality, wait_s)
        why = close_reason(piece, states)
        # An event appended before the piece's last record may move its window or abort it.
        if why is not None and self._shared.time.has_read(self._shared.pieces, piece.arrival_ns):
            self._close(piece, why)
            return
        self._looks.wait(piece, waits_of(piece, states, moment))
        if why is not None:
            self._shared.wakes.when_read((self.name, piece.number), piece.arrival_ns)
        if piece.fetching and piece.fetch_by_s is not None and moment.now_s < piece.fetch_by_s:
            self._shared.wakes.at_s((self.name, piece.number), piece.fetch_by_s)

    def _close(self, piece: Piece, why: CloseReason) -> None:
        if why not in (CloseReason.ABORTED, CloseReason.NO_RECIPE):
            for frame_key in list(piece.fetching):
                self.images.fail(piece, frame_key, piece.not_received(frame_key))
        piece.closing = why
        num_bytes = piece.num_bytes
        self._hold(-num_bytes)
        self._shared.held.closed_bytes += num_bytes
        self.closed[piece.inspection] = self.open.pop(piece.inspection)
        self._unobserved.append(piece)
        self._count_open(-1)
        self._looks.close(piece)
        self._times.change(piece)
        self._shared.wakes.close((self.name, piece.number))

    def _count_open(self, change: int) -> None:
        """Counts a piece that has opened (1) or closed (-1)."""
        oldest = next(iter(self.open), None)
        self._shared.held.count_open(self.name, oldest, (len(self.open), change), self._settings.max_open_pieces)

    def _observe(self, piece: Piece) -> Observation:
        cuts, newest_ns = {}, {}
        for sensor in piece.spec.sensors if piece.spec else ():
            window = piece.window(sensor) if sensor.bind == "time" else None
            if window is not None and (samples := self._signals.cut(sensor.name, window)) is not None:
                cuts[sensor.name], newest_ns[sensor.name] = samples
        observation = checked(piece.observation(cuts, newest_ns), piece, cuts, self.source_clocks)
        observation, piece.contents = self.frozen.mark(observation, piece.may_repeat)
        self._shared.held.closed_bytes -= piece.num_bytes
        piece.hand_over()
        return observation

    def _add_stamp(self, origin: Origin, source: str, event_ns: int) -> None:
        self.clock.add_stamp(place(origin), event_ns, origin.append_ns)
        if source in self._sources:  # a producer may name any number of other sources
            self._shared.metrics.appended(self.line, self.name, source, (origin.append_ns - event_ns) / 1e9)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
