"""Joins what one station delivers: pieces enter, gather their records, and close. Knows no position and no commit
beyond which records it still needs."""

from collections.abc import Iterator

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Entry, Event, EventKind, Frame, Origin, Trace
from streams.decode.limits import Finding
from streams.join.assembly import CameraSpec, SensorSpec
from streams.join.clips import SECOND_NS, SEGMENT_BYTES, SensorStream
from streams.join.clock import StationClock
from streams.join.clock_doubts import checked
from streams.join.completeness import Moment, SourceState, close_reason, source_states
from streams.join.frozen import Contents, FrozenDetector, joined, split
from streams.join.ids import Ids
from streams.join.ledger import place
from streams.join.one_part import ENTERED, PieceRecord, image_of, trace_of
from streams.join.pieces import EVENTS, FrameKey, Piece
from streams.join.refusals import duplicate, orphan, too_many_records, too_many_samples
from streams.join.shard_context import ShardContext
from streams.join.source_clocks import SourceClocks
from streams.observation import CloseReason, Image, InspectionId, MissingReason, Observation


class Station:
    """The pieces and sensors of one station. The `take_*` methods raise Finding for a record that cannot be used;
    `is_replay` marks one that a predecessor had accepted: it is not late."""

    def __init__(
        self,
        line: str,
        name: str,
        shared: ShardContext,
        clock_ns: int | None,
        floor_ns: int | None = None,
        contents: Contents | None = None,
    ) -> None:
        """`clock_ns` is what a predecessor's clock had reached; without one nothing enters before `floor_ns`. The last
        recordings that it judged, and chunks that it used, are known by `contents`."""
        self.line, self.name = line, name
        self.used_ns = 0 if clock_ns is None else clock_ns + _ns(shared.settings.dedup_horizon_s)
        """When the log took the newest record that names the station; a predecessor's is taken to have lagged."""
        self._floor_ns = floor_ns
        self.clock = StationClock(shared.time, clock_ns, _ns(shared.settings.dedup_horizon_s))
        self.open: dict[InspectionId, Piece] = {}
        self.closed: dict[InspectionId, Piece] = {}
        """Handed over, but without a published verdict."""
        self.num_bytes = 0
        """Of images and traces in open pieces, and of traces that wait."""
        self.closed_bytes = 0
        """Of those in pieces that are closed and not handed over yet."""
        self._shared, self._settings = shared, shared.settings
        self._sensors = shared.recipes.sensors(line, name)
        self._sources = shared.recipes.cameras(line, name) | self._sensors.keys() | {EVENTS}
        self.source_clocks = SourceClocks((line, name), self._sources, shared.settings, shared.metrics)
        self._streams: dict[str, SensorStream] = {}
        self._waiting: list[Trace] = []
        pieces, self._chunk_contents = split(contents or {})
        self.frozen = FrozenDetector(pieces)
        self._ids = Ids(line, name, shared, self.closed)

    @property
    def is_blank(self) -> bool:
        return not (self.open or self.closed or self._waiting or self._streams or self.clock.has_begun)

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a piece without a verdict nor anything that one may still need."""
        return not (self.open or self.closed or self._waiting or any(map(len, self._streams.values())))

    @property
    def horizon_ns(self) -> int | None:
        """Event time before which nothing enters any more."""
        now_ns = self.clock.now_ns
        return self._floor_ns if now_ns is None else now_ns - _ns(self._settings.dedup_horizon_s)

    @property
    def contents(self) -> Contents:
        """What stands for the last recordings that were judged, and for the last chunks that are not needed any more,
        for a successor."""
        begun = {name: stream.history.settled for name, stream in self._streams.items()}
        return joined(self.frozen.settled, {**self._chunk_contents, **begun})

    def take_frame(self, frame: Frame, *, is_replay: bool) -> None:
        entry = Entry(frame.inspection, frame.product, frame.lot, frame.capture_ns, frame.camera)
        what = image_of(frame.camera, frame.sequence)
        if self._ids.is_judged(
            PieceRecord(frame.inspection, what, frame.capture_ns, frame.product), frame.origin, is_replay=is_replay
        ):
            return
        piece = self._enter(entry, frame.origin, is_replay=is_replay)
        self._add_stamp(frame.origin, frame.camera, frame.capture_ns)
        frame_key, camera = (frame.camera, frame.sequence), piece.camera(frame.camera)
        if piece.spec is None or camera is None or frame.sequence >= camera.num_frames:
            piece.enter_by(frame.capture_ns)
        if piece.spec is None:
            return
        if camera is None:
            raise Finding(
                pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
                f"camera {frame.camera!r} is not named by the recipe of product {piece.product!r}, expected one of "
                f"{[known.name for known in piece.spec.cameras]}: add it to the recipe or rename it at the producer",
            )
        if frame.sequence >= camera.num_frames:
            raise Finding(
                pb.DEAD_LETTER_REASON_INVALID_FIELD,
                f"sequence is {frame.sequence}, expected 0 to {camera.num_frames - 1}: correct num_frames of camera "
                f"{camera.name!r} in the recipe, or the producer",
            )
        if frame_key in piece.captures:
            raise self._ids.doubled(piece, what, frame.capture_ns)
        self._shared.low_pixels.look((self.line, self.name, camera), frame.image)
        self.num_bytes += piece.take_frame(frame, camera)

    def take_event(self, event: Event, *, is_replay: bool) -> None:
        if event.kind is EventKind.LEFT and self._ids.has_closed(event.inspection, event.origin, self._keep):
            return
        what = f"event `{event.kind.value}`"
        product = event.product if what == ENTERED else None
        if self._ids.is_judged(
            PieceRecord(event.inspection, what, event.event_ns, product), event.origin, is_replay=is_replay
        ):
            return
        entry = Entry(event.inspection, event.product, event.lot, event.event_ns, None)
        piece = self._enter(entry, event.origin, is_replay=is_replay)
        self._add_stamp(event.origin, EVENTS, event.event_ns)
        if event.kind in piece.events:
            raise self._ids.doubled(piece, what, event.event_ns)
        piece.take_event(event)

    def take_failed(self, entry: Entry, origin: Origin, why: MissingReason, *, is_replay: bool) -> None:
        """A record that is a dead letter but still says which inspection it belongs to. Raises Finding where it says
        more: that it is too old, or of another part."""
        if entry.event_ns != origin.append_ns and not is_replay:  # else it has no time of its own
            self._ids.check_part(PieceRecord(entry.inspection, "the record", entry.event_ns, entry.product))
        if entry.inspection in self._shared.ledger.verdicts:
            self._shared.ledger.verdicts.extend(entry.inspection, origin)
            return
        if entry.inspection in self.closed:
            self._keep(self.closed[entry.inspection], origin)
            return
        piece = self._enter(entry, origin, is_replay=is_replay)
        if entry.event_ns != origin.append_ns:  # else it has no time of its own, and would show no lag
            self.clock.add_stamp(place(origin), entry.event_ns, origin.append_ns)
        piece.enter_by(entry.event_ns)
        if entry.camera is not None:
            piece.mark_failed(entry.camera, entry.event_ns, why)

    def take_trace(self, trace: Trace, *, is_replay: bool) -> None:
        spec = self._sensor(trace, "piece")
        end_ns = trace.start_ns + round(len(trace.samples) / spec.sample_rate_hz * SECOND_NS)
        self._ids.check_skew(trace.origin, end_ns)
        record = PieceRecord(trace.inspection, trace_of(trace.sensor), trace.start_ns)
        if self._ids.is_judged(record, trace.origin, is_replay=is_replay):
            return
        if trace.inspection in self.open:
            self._adopt(self.open[trace.inspection], trace)
        elif self.horizon_ns is not None and end_ns < self.horizon_ns and not is_replay:
            raise orphan(trace)
        else:
            if len(self._waiting) >= self._settings.max_open_pieces:
                self._give_up_oldest()
            self._waiting.append(trace)
            self._shared.ledger.hold(trace.origin)
        self.num_bytes += trace.samples.nbytes
        self._add_stamp(trace.origin, trace.sensor, end_ns)

    def take_chunk(self, chunk: Chunk, *, is_replay: bool) -> None:
        spec = self._sensor(chunk, "time")
        stream = self._streams.get(chunk.sensor) or SensorStream(
            spec, self._settings.jitter_s, self._chunk_contents.get(chunk.sensor, ())
        )
        end_ns = stream.end_ns(chunk)
        self._ids.check_skew(chunk.origin, end_ns)
        needed_ns = self._needed_ns(chunk.sensor)
        if needed_ns is not None and end_ns <= needed_ns and not is_replay:
            raise Finding(
                pb.DEAD_LETTER_REASON_LATE,
                f"the samples end {(needed_ns - end_ns) / 1e9:.3f} s before any window that is open or may still open: "
                "send them sooner, or raise dedup_horizon_s",
            )
        self._check_room(chunk)
        self._streams[chunk.sensor] = stream
        self._add_stamp(chunk.origin, chunk.sensor, end_ns)
        anchors, num_bytes = stream.num_anchors, stream.num_bytes
        is_new = stream.place(chunk)
        self._shared.held.signal_bytes += stream.num_bytes - num_bytes
        if not is_new:
            if is_replay:  # its samples lay a jitter apart while the anchor was an earlier one
                return
            raise duplicate(f"samples of sensor {chunk.sensor!r} at {chunk.start_ns} ns")
        if stream.num_anchors > anchors:
            self._shared.metrics.anchored(self.line, self.name, chunk.sensor)
            if stream.misfit_ns:
                self.source_clocks.misfit(chunk.sensor, stream.misfit_ns)
        self._shared.ledger.hold(chunk.origin)

    def resolve(self, inspection: InspectionId, frame_key: FrameKey, image: Image | None, detail: str) -> None:
        """A reference was fetched or has failed; what came too late is accounted for already."""
        piece = self.open.get(inspection)
        if piece is None or frame_key not in piece.fetching:
            return
        if image is None:
            self._fail_fetch(piece, frame_key, Finding(pb.DEAD_LETTER_REASON_REFERENCE, detail))
            return
        camera = piece.camera(frame_key[0]) or CameraSpec(frame_key[0])
        self._shared.low_pixels.look((self.line, self.name, camera), image)
        try:
            self.num_bytes += piece.take_image(frame_key, image, camera)
        except Finding as finding:
            self._fail_fetch(piece, frame_key, finding)

    def is_fetching(self, frame: Frame) -> bool:
        """Whether a frame was taken whose image is not there yet."""
        piece = self.open.get(frame.inspection)
        return piece is not None and piece.fetching.get((frame.camera, frame.sequence)) is frame

    def advance(self, now_s: float) -> list[Observation]:
        """The pieces for which nothing more is waited, and those that were closed for lack of room."""
        self.source_clocks.remind(now_s)
        clock_ns = self.clock.now_ns
        if clock_ns is not None:
            moment = Moment(clock_ns, now_s, self._streams, self._settings)
            for piece in list(self.open.values()):
                self._update(piece, moment)
            self._drop_orphans()
        closed = [piece for piece in self.closed.values() if not piece.is_observed]
        observed = [self._observe(piece) for piece in sorted(closed, key=lambda one: (one.entry_ns, one.inspection))]
        self._drop_chunks()
        return observed

    def drop_closed_contents(self) -> None:
        """Lets go of what pieces hold that were closed for lack of room: that is their verdict, whatever they show."""
        for piece in self.closed.values():
            if not piece.is_observed:
                piece.drop_contents()
        self.closed_bytes = 0

    def close_oldest(self) -> None:
        """Makes room: the oldest waiting trace is given up, else the oldest open piece closes as it is."""
        if self._waiting:
            self._give_up_oldest()
        elif self.open:
            self._close(min(self.open.values(), key=lambda piece: piece.entry_ns), CloseReason.STATE_LIMIT)

    def _enter(self, entry: Entry, origin: Origin, *, is_replay: bool) -> Piece:
        """The open piece of an inspection, opened by this record if need be."""
        self._ids.check_skew(origin, entry.event_ns)
        piece = self.open.get(entry.inspection)
        if piece is None:
            if self.horizon_ns is not None and entry.event_ns < self.horizon_ns and not is_replay:
                raise Finding(
                    pb.DEAD_LETTER_REASON_TOO_OLD,
                    f"the record is {(self.horizon_ns - entry.event_ns) / 1e9:.3f} s older than a piece may be to "
                    "enter: send it sooner, or raise dedup_horizon_s",
                )
            piece = self._open(entry)
        self._keep(piece, origin)
        return piece

    def _open(self, entry: Entry) -> Piece:
        if len(self.open) >= self._settings.max_open_pieces:
            self._close(min(self.open.values(), key=lambda piece: piece.entry_ns), CloseReason.STATE_LIMIT)
        spec = self._shared.recipes.assembly(self.line, self.name, entry.product)
        piece = self.open[entry.inspection] = Piece(entry.inspection, entry.product, entry.lot, spec)
        piece.enter_by(entry.event_ns)
        waiting = [trace for trace in self._waiting if trace.inspection == entry.inspection]
        self._waiting = [trace for trace in self._waiting if trace.inspection != entry.inspection]
        for trace in waiting:
            try:
                self._adopt(piece, trace)
            except Finding as finding:
                self._give_up(trace, finding)
        return piece

    def _adopt(self, piece: Piece, trace: Trace) -> None:
        sensor = piece.sensor(trace.sensor)
        if piece.spec is not None and (sensor is None or sensor.bind != "piece"):
            raise Finding(
                pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
                f"sensor {trace.sensor!r} is not named by the recipe of product {piece.product!r}: add it there",
            )
        if trace.sensor in piece.traces:
            raise self._ids.doubled(piece, trace_of(trace.sensor), trace.start_ns)
        self._keep(piece, trace.origin)
        piece.take_trace(trace)

    def _keep(self, piece: Piece, origin: Origin) -> None:
        if len(piece.origins) >= piece.max_records:
            raise too_many_records(piece.inspection, piece.max_records)
        piece.origins.append(origin)
        self._shared.ledger.hold(origin)

    def _give_up_oldest(self) -> None:
        detail = f"too many traces wait at station {self.name!r}: let a piece enter before its traces come"
        self._give_up(self._waiting.pop(0), Finding(pb.DEAD_LETTER_REASON_STATE_LIMIT, detail))

    def _give_up(self, trace: Trace, finding: Finding) -> None:
        """A trace that waited, or was about to be adopted, becomes a dead letter."""
        self.num_bytes -= trace.samples.nbytes
        self._shared.ledger.release(place(trace.origin), trace.origin.offset)
        self._shared.refuse(trace.origin, finding, trace.inspection)

    def _update(self, piece: Piece, moment: Moment) -> None:
        if piece.fetching and piece.fetch_by_s is None:
            piece.fetch_by_s = moment.now_s + self._settings.max_delay_s
        states = source_states(piece, moment)
        for modality in [name for name, state in states.items() if state is not SourceState.WAITING]:
            if modality not in piece.waited:
                piece.waited.add(modality)
                wait_s = (moment.clock_ns - piece.entry_ns) / 1e9
                self._shared.metrics.waited(self.line, self.name, modality, wait_s)
        why = close_reason(piece, states)
        # An event that the log took before the piece's last record may move its window or abort it.
        if why is not None and self._shared.time.has_read(self._shared.pieces, piece.arrival_ns):
            self._close(piece, why)

    def _close(self, piece: Piece, why: CloseReason) -> None:
        if why not in (CloseReason.ABORTED, CloseReason.NO_RECIPE):
            for frame_key in list(piece.fetching):
                self._fail_fetch(piece, frame_key, piece.not_received(frame_key))
        piece.closing = why
        num_bytes = piece.num_bytes
        self.num_bytes, self.closed_bytes = self.num_bytes - num_bytes, self.closed_bytes + num_bytes
        self.closed[piece.inspection] = self.open.pop(piece.inspection)

    def _fail_fetch(self, piece: Piece, frame_key: FrameKey, finding: Finding) -> None:
        frame = piece.fail_fetch(frame_key, is_received=finding.reason == pb.DEAD_LETTER_REASON_WRONG_FORMAT)
        self._shared.refuse(frame.origin, finding, piece.inspection)

    def _observe(self, piece: Piece) -> Observation:
        cuts, newest_ns = {}, {}
        for sensor in piece.spec.sensors if piece.spec else ():
            window, stream = piece.window(sensor), self._streams.get(sensor.name)
            if sensor.bind == "time" and window is not None and stream is not None and stream.newest_ns is not None:
                cuts[sensor.name] = stream.cut(window)
                newest_ns[sensor.name] = stream.newest_ns
        observation = checked(piece.observation(cuts, newest_ns), piece, cuts, self.source_clocks)
        observation, piece.contents = self.frozen.mark(observation, piece.may_repeat)
        self.closed_bytes -= piece.num_bytes
        piece.hand_over()
        return observation

    def _drop_orphans(self) -> None:
        horizon_ns = self.horizon_ns
        for trace in [one for one in self._waiting if horizon_ns is not None and _end_ns(one) < horizon_ns]:
            self._waiting.remove(trace)
            self._give_up(trace, orphan(trace))

    def _drop_chunks(self) -> None:
        for name, stream in self._streams.items():
            needed_ns = self._needed_ns(name)
            if needed_ns is not None:
                num_bytes = stream.num_bytes
                for offset in stream.drop_before(needed_ns):
                    self._shared.ledger.release(self._shared.signals, offset)
                self._shared.held.signal_bytes += stream.num_bytes - num_bytes

    def _needed_ns(self, sensor: str) -> int | None:
        """Event time from which an open piece, or one that can still enter, needs the samples of a sensor."""
        if self.horizon_ns is None:
            return None
        spec = self._sensors[sensor]
        return min([self.horizon_ns + min(0, _ns(spec.start_s)), *self._window_starts(sensor)])

    def _window_starts(self, sensor: str) -> Iterator[int]:
        for piece in (*self.open.values(), *self.closed.values()):
            spec = piece.sensor(sensor)
            if spec is not None:
                window = piece.window(spec)
                yield piece.entry_ns + min(0, _ns(spec.start_s)) if window is None else window.start_ns

    def _sensor(self, item: Chunk | Trace, bind: str) -> SensorSpec:
        """What the recipes say of the sensor that an item comes from."""
        spec = self._sensors.get(item.sensor)
        if spec is None or spec.bind != bind:
            raise Finding(
                pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
                f"sensor {item.sensor!r} bound by {bind} is not named by any recipe of station {self.name!r}: "
                "add it to a recipe, or rename it at the producer",
            )
        actual = (item.kind, item.sample_rate_hz, item.samples.shape[1])
        expected = (spec.kind, spec.sample_rate_hz, spec.num_channels)
        if actual != expected:
            raise Finding(
                pb.DEAD_LETTER_REASON_WRONG_FORMAT,
                f"sensor {item.sensor!r} sent (kind, Hz, channels) {actual}, expected {expected}: "
                "correct the recipe or the sensor",
            )
        return spec

    def _check_room(self, chunk: Chunk) -> None:
        held_bytes, most = self._shared.held.signal_bytes, self._settings.max_signal_bytes
        if held_bytes + chunk.samples.nbytes + SEGMENT_BYTES > most:
            raise too_many_samples(held_bytes, most)

    def _add_stamp(self, origin: Origin, source: str, event_ns: int) -> None:
        self.clock.add_stamp(place(origin), event_ns, origin.append_ns)
        if source in self._sources:  # a producer may name any number of others
            self._shared.metrics.appended(self.line, self.name, source, (origin.append_ns - event_ns) / 1e9)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _end_ns(trace: Trace) -> int:
    return trace.start_ns + round(len(trace.samples) / trace.sample_rate_hz * SECOND_NS)
