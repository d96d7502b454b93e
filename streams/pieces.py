"""Gathers the records of one piece and says what they make of each camera and sensor. Knows no clock and no log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_REFERENCE, DEAD_LETTER_REASON_TOO_SLOW
from streams.addresses import shown
from streams.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.clips import SECOND_NS, Cut, Window
from streams.items import Event, EventKind, Frame, Origin, Trace
from streams.limits import Finding
from streams.observation import Absence, Clip, Closing, Image, InspectionId, Observation, State, View

EVENTS = "events"
"""What the piece events of a station are called beside its cameras and sensors."""
Shot = tuple[str, int]
"""Camera and sequence: what tells the images of a piece apart."""


@dataclass(slots=True, eq=False)
class Piece:
    """An inspection that has entered and is not published yet."""

    inspection: InspectionId
    product: str
    lot: str
    spec: AssemblySpec | None
    origins: list[Origin] = field(default_factory=list)
    """Every record that the inspection was made of or entered by."""
    images: dict[Shot, Image] = field(default_factory=dict)
    captures: dict[Shot, int] = field(default_factory=dict)
    fetching: dict[Shot, Frame] = field(default_factory=dict)
    """Frames whose image is being fetched or decoded."""
    lost: dict[tuple[str, int], Absence] = field(default_factory=dict)
    """Camera and capture of frames that are of no use, and why; the same frame doubled counts once."""
    traces: dict[str, Trace] = field(default_factory=dict)
    events: dict[EventKind, int] = field(default_factory=dict)
    others_ns: int | None = None
    """Least event time of records that only made the inspection enter."""
    fetch_by_s: float | None = None
    delays: dict[str, int] = field(default_factory=dict)
    """From event to append in ns, the lowest of each camera, and of `events` once it has entered by one."""
    waited: set[str] = field(default_factory=set)
    """Modalities that nothing more is waited for."""
    closing: Closing | None = None
    is_observed: bool = False

    @property
    def entry_ns(self) -> int:
        """The `entered` event, or else the first capture, or else what made it enter."""
        if EventKind.ENTERED in self.events:
            return self.events[EventKind.ENTERED]
        if self.captures:
            return min(self.captures.values())
        known = [*self.events.values(), *([] if self.others_ns is None else [self.others_ns])]
        return min(known)

    @property
    def num_bytes(self) -> int:
        images = sum(image.nbytes for image in self.images.values())
        return images + sum(trace.samples.nbytes for trace in self.traces.values())

    @property
    def max_records(self) -> int:
        """How many records may belong to the piece: each that is expected, some of them doubled or of no use."""
        spec = self.spec or AssemblySpec(cameras=())
        num_expected = sum(camera.num_frames for camera in spec.cameras) + len(spec.sensors) + len(EventKind)
        return 4 * num_expected + 16

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
        return sum(shot[0] == camera for shot in self.images)

    def num_lost(self, camera: str) -> int:
        return sum(known == camera for known, _ in self.lost)

    def is_fetching(self, camera: str) -> bool:
        return any(shot[0] == camera for shot in self.fetching)

    def is_decoding(self, camera: str) -> bool:
        """Whether an image of the camera is being decoded: it is there, so nobody gives up waiting for it."""
        return any(shot[0] == camera and frame.reference is None for shot, frame in self.fetching.items())

    def take_frame(self, frame: Frame) -> None:
        shot = (frame.camera, frame.sequence)
        self.captures[shot] = frame.capture_ns
        delay_ns = frame.origin.append_ns - frame.capture_ns
        self.delays[frame.camera] = min(delay_ns, self.delays.get(frame.camera, delay_ns))
        if frame.image is not None:
            self.images[shot] = frame.image
        else:
            self.fetching[shot] = frame

    def take_event(self, event: Event) -> None:
        self.events[event.kind] = event.event_ns
        if event.kind is EventKind.ENTERED:
            self.delays[EVENTS] = event.origin.append_ns - event.event_ns

    def lose(self, camera: str, capture_ns: int, why: Absence) -> None:
        self.lost[camera, capture_ns] = why

    def enter_by(self, event_ns: int) -> None:
        """A record without further use made the inspection enter."""
        self.others_ns = event_ns if self.others_ns is None else min(self.others_ns, event_ns)

    def not_come(self, shot: Shot) -> Finding:
        """Why a frame that is still being fetched or decoded is given up."""
        reference = self.fetching[shot].reference
        if reference is None:
            detail = "the image was not decoded when the piece had to close: send fewer, or raise max_open_bytes"
            return Finding(DEAD_LETTER_REASON_TOO_SLOW, detail)
        detail = f"{shown(reference.uri)} had not come when the piece closed: check its store, or raise max_delay_s"
        return Finding(DEAD_LETTER_REASON_REFERENCE, detail)

    def fail_fetch(self, shot: Shot) -> Frame:
        """An image that did not come: the frame is lost, its place is free for another."""
        frame = self.fetching.pop(shot)
        self.enter_by(self.captures.pop(shot))
        why = Absence.UNDECODABLE if frame.reference is None else Absence.REFERENCE
        self.lose(frame.camera, frame.capture_ns, why)
        return frame

    def anchor_ns(self, sensor: SensorSpec, *, camera_done: bool) -> int | None:
        """Event time that the sensor's window is relative to, once it is known."""
        if sensor.anchor == "entered":
            return self.entry_ns
        if (sensor.anchor, 0) in self.captures:
            return self.captures[sensor.anchor, 0]
        others = [capture_ns for (camera, _), capture_ns in self.captures.items() if camera == sensor.anchor]
        return min(others) if others and camera_done else None

    def anchor_source(self, sensor: SensorSpec) -> str:
        """Whose stamp the sensor's window is relative to."""
        if sensor.anchor != "entered":
            return sensor.anchor
        if EventKind.ENTERED in self.events or not self.captures:
            return EVENTS
        return min(self.captures, key=lambda shot: self.captures[shot])[0]

    def window(self, sensor: SensorSpec, *, camera_done: bool = True) -> Window | None:
        anchor_ns = self.anchor_ns(sensor, camera_done=camera_done)
        if anchor_ns is None:
            return None
        return Window(anchor_ns + round(sensor.start_s * SECOND_NS), anchor_ns + round(sensor.end_s * SECOND_NS))

    def observation(self, cuts: Mapping[str, Cut], newest_ns: Mapping[str, int]) -> Observation:
        """Everything there is; `cuts` holds time-bound clips, `newest_ns` the end of each sensor's data."""
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
        )

    def hand_over(self) -> None:
        """The observation has what was seen and heard; only the accounts are kept until the verdict is out."""
        self.is_observed = True
        self.drop_contents()

    def drop_contents(self) -> None:
        """Nobody will look at images and traces any more."""
        self.images.clear()
        self.traces.clear()
        self.fetching.clear()

    def _view(self, camera: CameraSpec) -> View:
        images = tuple(self.images[shot] for shot in sorted(self.images) if shot[0] == camera.name)
        coverage = min(1.0, len(images) / camera.num_frames)
        if coverage == 1.0:
            return View(camera.name, images, State.PRESENT)
        lost = [why for (known, _), why in sorted(self.lost.items(), key=itemgetter(0)) if known == camera.name]
        otherwise = Absence.COVERAGE if images else Absence.NOT_RECEIVED
        return View(camera.name, images, State.MISSING, lost[0] if lost else otherwise, coverage)

    def _trace(self, sensor: SensorSpec) -> Clip:
        trace = self.traces.get(sensor.name)
        if trace is None:
            return _absent(sensor, Absence.NOT_RECEIVED)
        rate_hz = trace.sample_rate_hz
        return Clip(sensor.name, sensor.kind, trace.samples, rate_hz, State.PRESENT, first_ns=trace.start_ns)

    def _clip(self, sensor: SensorSpec, cuts: Mapping[str, Cut], newest_ns: Mapping[str, int]) -> Clip:
        window, cut = self.window(sensor), cuts.get(sensor.name)
        if window is None:
            return _absent(sensor, Absence.NO_ANCHOR)
        if cut is None or cut.samples is None:
            is_stale = newest_ns.get(sensor.name, window.start_ns + 1) <= window.start_ns
            return _absent(sensor, Absence.NOT_RECEIVED, State.STALE if is_stale else State.MISSING)
        if cut.coverage < sensor.min_coverage:
            return _absent(sensor, Absence.COVERAGE, coverage=cut.coverage)
        rate_hz = sensor.sample_rate_hz
        return Clip(
            sensor.name, sensor.kind, cut.samples, rate_hz, State.PRESENT, coverage=cut.coverage, first_ns=cut.first_ns
        )


def _absent(sensor: SensorSpec, why: Absence, state: State = State.MISSING, coverage: float = 0.0) -> Clip:
    return Clip(sensor.name, sensor.kind, None, sensor.sample_rate_hz, state, why, coverage)
