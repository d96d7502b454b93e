"""Collects the records of one piece and builds its observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_REFERENCE, DEAD_LETTER_REASON_TOO_SLOW
from streams.decode.items import Event, EventKind, Frame, Origin, Trace
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.join.bit_depth import scaled
from streams.join.clips import SECOND_NS, Cut, Window
from streams.join.frozen import Contents
from streams.join.one_part import ENTERED, Part, image_of, trace_of
from streams.join.source_clock import Delays
from streams.join.whole import absent, clip_of, view_of
from streams.observation import Clip, CloseReason, Image, InspectionId, MissingReason, Observation, Span, State, View
from streams.references.addresses import shown

EVENTS = "events"
"""The name of a station's piece events as a source, next to its cameras and sensors."""
FrameKey = tuple[str, int]
"""Camera and sequence: identifies an image of a piece."""


@dataclass(slots=True, eq=False)
class Piece:
    """An inspection that has entered and has no published verdict yet."""

    inspection: InspectionId
    product: str
    lot: str
    spec: AssemblySpec | None
    number: int = 0
    """Counts the pieces of the station in order of opening."""
    origins: list[Origin] = field(default_factory=list)
    """Every record of the inspection."""
    images: dict[FrameKey, Image] = field(default_factory=dict)
    captures: dict[FrameKey, int] = field(default_factory=dict)
    offsets: dict[FrameKey, int] = field(default_factory=dict)
    """Offset of each accepted frame."""
    fetching: dict[FrameKey, Frame] = field(default_factory=dict)
    """Frames with an image that is being fetched or decoded."""
    failed: dict[tuple[str, int], MissingReason] = field(default_factory=dict)
    """Unusable frames by camera and capture time, and why; a duplicated frame counts once."""
    traces: dict[str, Trace] = field(default_factory=dict)
    traces_ns: dict[str, int] = field(default_factory=dict)
    """Start of each trace."""
    events: dict[EventKind, int] = field(default_factory=dict)
    others_ns: int | None = None
    """Earliest event time of records that only made the inspection enter."""
    opened_by: str = EVENTS
    """The source whose record made the inspection enter, unless it was a camera: events, or the sensor of a trace."""
    fetch_by_s: float | None = None
    delays: dict[str, Delays] = field(default_factory=dict)
    """Of the frame of each camera with the lowest, and of `events` after an `entered` event."""
    waited: set[str] = field(default_factory=set)
    """Modalities whose wait has ended."""
    closing: CloseReason | None = None
    is_observed: bool = False
    is_read_twice: bool = False
    """Records of another part arrived under the same id."""
    contents: Contents = field(default_factory=dict)
    """Digests of its recordings, once it is observed."""

    @property
    def entry_ns(self) -> int:
        """The `entered` event, else the first capture, else the earliest other record, such as the end of a trace."""
        if EventKind.ENTERED in self.events:
            return self.events[EventKind.ENTERED]
        if self.captures:
            return min(self.captures.values())
        return min([*self.events.values(), *([] if self.others_ns is None else [self.others_ns])])

    @property
    def part(self) -> Part:
        """The data that distinguishes this part from another one with the same id."""
        times = {image_of(*frame_key): capture_ns for frame_key, capture_ns in self.captures.items()}
        times |= {trace_of(sensor): start_ns for sensor, start_ns in self.traces_ns.items()}
        if EventKind.ENTERED in self.events:
            times[ENTERED] = self.events[EventKind.ENTERED]
        return Part(self.entry_ns, times)

    @property
    def num_bytes(self) -> int:
        images = sum(image.nbytes for image in self.images.values())
        return images + sum(trace.samples.nbytes for trace in self.traces.values())

    @property
    def max_records(self) -> int:
        """Limit for the piece's records: the expected ones, with room for duplicates and unusable ones."""
        spec = self.spec or AssemblySpec(cameras=())
        num_expected = sum(camera.num_frames for camera in spec.cameras) + len(spec.sensors) + len(EventKind)
        return 4 * num_expected + 16

    @property
    def may_repeat(self) -> frozenset[str]:
        """Cameras and sensors whose recordings may equal earlier ones."""
        spec = self.spec or AssemblySpec(cameras=())
        cameras = {camera.name for camera in spec.cameras if camera.may_repeat}
        return frozenset(cameras | {sensor.name for sensor in spec.sensors if sensor.may_repeat})

    @property
    def append_ns(self) -> int:
        return min(origin.append_ns for origin in self.origins)

    @property
    def arrival_ns(self) -> int:
        return max(origin.append_ns for origin in self.origins)

    def camera(self, name: str) -> CameraSpec | None:
        return next((camera for camera in self.spec.cameras if camera.name == name), None) if self.spec else None

    def sensor(self, name: str) -> SensorSpec | None:
        return next((sensor for sensor in self.spec.sensors if sensor.name == name), None) if self.spec else None

    def num_images(self, camera: str) -> int:
        return sum(frame_key[0] == camera for frame_key in self.images)

    def num_failed(self, camera: str) -> int:
        return sum(name == camera for name, _ in self.failed)

    def is_fetching(self, camera: str) -> bool:
        return any(frame_key[0] == camera for frame_key in self.fetching)

    def is_decoding(self, camera: str) -> bool:
        """Whether an image of the camera is being decoded. It has arrived, so the piece waits for it without a
        limit."""
        return any(frame_key[0] == camera and frame.reference is None for frame_key, frame in self.fetching.items())

    def take_frame(self, frame: Frame, camera: CameraSpec) -> int:
        """Returns the image's size in bytes. Raises RecordError if it does not match the camera's settings."""
        frame_key = (frame.camera, frame.sequence)
        if frame.image is None:
            self._capture(frame)
            self.fetching[frame_key] = frame
            return 0
        try:
            image = scaled(frame.image, camera)
        except RecordError:
            self.enter_by(frame.capture_ns)
            self.mark_failed(frame.camera, frame.capture_ns, MissingReason.UNDECODABLE)
            raise
        self._capture(frame)
        self.images[frame_key] = image
        return image.nbytes

    def _capture(self, frame: Frame) -> None:
        frame_key = (frame.camera, frame.sequence)
        self.captures[frame_key], self.offsets[frame_key] = frame.capture_ns, frame.origin.offset
        delays = _delays(frame.origin, frame.capture_ns)
        self.delays[frame.camera] = min(delays, self.delays.get(frame.camera, delays))

    def take_image(self, frame_key: FrameKey, image: Image, camera: CameraSpec) -> int:
        """Like `take_frame`, for an image that was being fetched or decoded."""
        image = scaled(image, camera)
        del self.fetching[frame_key]
        self.images[frame_key] = image
        return image.nbytes

    def take_event(self, event: Event) -> None:
        self.events[event.kind] = event.event_ns
        if event.kind is EventKind.ENTERED:
            self.delays[EVENTS] = _delays(event.origin, event.event_ns)

    def take_trace(self, trace: Trace) -> None:
        self.traces[trace.sensor], self.traces_ns[trace.sensor] = trace, trace.start_ns

    def mark_failed(self, camera: str, capture_ns: int, why: MissingReason) -> None:
        self.failed[camera, capture_ns] = why

    def enter_by(self, event_ns: int) -> None:
        """An otherwise unused record made the inspection enter."""
        self.others_ns = event_ns if self.others_ns is None else min(self.others_ns, event_ns)

    def not_received(self, frame_key: FrameKey) -> RecordError:
        """The error for a frame that is still being fetched or decoded when the piece closes."""
        reference = self.fetching[frame_key].reference
        if reference is None:
            detail = (
                "the image was not decoded in time, the piece had to close: send fewer images, or raise max_open_bytes"
            )
            return RecordError(DEAD_LETTER_REASON_TOO_SLOW, detail)
        detail = f"{shown(reference.uri)} had not arrived when the piece closed: check its store, or raise max_delay_s"
        return RecordError(DEAD_LETTER_REASON_REFERENCE, detail)

    def fail_fetch(self, frame_key: FrameKey, *, is_received: bool = False) -> Frame:
        """Marks a frame as failed that was not received or is unusable; another frame may take its place."""
        frame = self.fetching.pop(frame_key)
        self.enter_by(self.captures.pop(frame_key))
        del self.offsets[frame_key]
        why = MissingReason.UNDECODABLE if is_received or frame.reference is None else MissingReason.REFERENCE
        self.mark_failed(frame.camera, frame.capture_ns, why)
        return frame

    def anchor_ns(self, sensor: SensorSpec, *, camera_done: bool) -> int | None:
        """Event time of the sensor's anchor; None while unknown."""
        if sensor.anchor == "entered":
            return self.entry_ns
        if (sensor.anchor, 0) in self.captures:
            return self.captures[sensor.anchor, 0]
        others = [capture_ns for (camera, _), capture_ns in self.captures.items() if camera == sensor.anchor]
        return min(others) if others and camera_done else None

    def anchor_source(self, sensor: SensorSpec) -> str:
        """The source whose stamp is the sensor's anchor."""
        if sensor.anchor != "entered":
            return sensor.anchor
        if EventKind.ENTERED in self.events:
            return EVENTS
        if not self.captures:
            return self.opened_by
        return min(self.captures, key=lambda frame_key: self.captures[frame_key])[0]

    def window(self, sensor: SensorSpec, *, camera_done: bool = True) -> Window | None:
        anchor_ns = self.anchor_ns(sensor, camera_done=camera_done)
        if anchor_ns is None:
            return None
        return Window(anchor_ns + round(sensor.start_s * SECOND_NS), anchor_ns + round(sensor.end_s * SECOND_NS))

    def observation(self, cuts: Mapping[str, Cut], newest_ns: Mapping[str, int]) -> Observation:
        """The observation of a closed piece; `cuts` are the time-bound clips, `newest_ns` the end of each sensor's
        data."""
        if self.closing is None:
            raise AssertionError("only closed pieces are observed")
        spec = self.spec or AssemblySpec(cameras=())
        return Observation(
            inspection=self.inspection,
            product=self.product,
            lot=self.lot,
            closing=self.closing,
            views={camera.name: self._view(camera) for camera in spec.cameras},
            clips={
                sensor.name: self._trace(sensor) if sensor.bind == "piece" else self._clip(sensor, cuts, newest_ns)
                for sensor in spec.sensors
            },
            entry_ns=self.entry_ns,
            capture_ns=max(self.captures.values(), default=self.entry_ns),
            append_ns=self.append_ns,
            arrival_ns=max([self.arrival_ns, *(cut.arrival_ns for cut in cuts.values())]),
            partition=self.origins[0].partition,
            is_read_twice=self.is_read_twice or self._mixes_parts,
        )

    @property
    def _mixes_parts(self) -> bool:
        """Whether a camera with all its images has a failed frame too far away in time to be of the same part."""
        spec = self.spec or AssemblySpec(cameras=())
        span_ns = round(spec.capture_span_s * SECOND_NS)
        complete = {camera.name for camera in spec.cameras if self.num_images(camera.name) >= camera.num_frames}
        return any(
            camera in complete and camera == other and abs(failed_ns - capture_ns) > span_ns
            for camera, failed_ns in self.failed
            for (other, _), capture_ns in self.captures.items()
        )

    def hand_over(self) -> None:
        """Drops the recordings, which the observation holds; keeps the bookkeeping until the verdict is published."""
        self.is_observed = True
        self.drop_contents()

    def drop_contents(self) -> None:
        """Drops images and traces, which are not needed any more."""
        self.images.clear()
        self.traces.clear()
        self.fetching.clear()

    def _view(self, camera: CameraSpec) -> View:
        frame_keys = [frame_key for frame_key in sorted(self.images) if frame_key[0] == camera.name]
        images = tuple(self.images[frame_key] for frame_key in frame_keys)
        offsets = tuple(self.offsets[frame_key] for frame_key in frame_keys)
        failed = [why for (name, _), why in sorted(self.failed.items(), key=itemgetter(0)) if name == camera.name]
        return view_of(camera, images, failed[0] if failed else None, offsets)

    def _trace(self, sensor: SensorSpec) -> Clip:
        trace = self.traces.get(sensor.name)
        if trace is None:
            return absent(sensor, MissingReason.NOT_RECEIVED)
        span = Span(0, "", 0, len(trace.samples), (trace.origin.offset,))
        return clip_of(sensor, trace.samples, 1.0, trace.start_ns, (span,))

    def _clip(self, sensor: SensorSpec, cuts: Mapping[str, Cut], newest_ns: Mapping[str, int]) -> Clip:
        window, cut = self.window(sensor), cuts.get(sensor.name)
        if window is None:
            return absent(sensor, MissingReason.NO_ANCHOR)
        if cut is None or cut.samples is None:
            is_stale = newest_ns.get(sensor.name, window.start_ns + 1) <= window.start_ns
            return absent(sensor, MissingReason.NOT_RECEIVED, State.STALE if is_stale else State.MISSING)
        clip = clip_of(sensor, cut.samples, cut.coverage, cut.first_ns, cut.spans)
        if cut.equals_ns is None or sensor.may_repeat or clip.state is not State.PRESENT:
            return clip
        apart_s = (window.start_ns - cut.equals_ns) / 1e9
        detail = f"its samples equal those {apart_s:.1f} s earlier: is the sensor frozen, or does a buffer repeat?"
        return replace(clip, state=State.IMPLAUSIBLE, absence=MissingReason.FROZEN, detail=detail)


def _delays(origin: Origin, event_ns: int) -> Delays:
    delay_ns = origin.append_ns - event_ns
    return Delays(delay_ns, delay_ns, origin.append_ns)
