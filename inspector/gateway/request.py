"""Turns an `Inspect` request into an observation, or says why it cannot be used. Knows no model and no log."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from protos.inspection.v1.records_pb2 import CameraFrame, DeadLetterReason, SignalKind
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from streams.assembly import AssemblySpec, CameraSpec, RecipeBook, SensorSpec
from streams.bit_depth import scaled
from streams.images import decode_pixels
from streams.limits import Finding, Limits, check_name, check_text, check_time, invalid
from streams.observation import Absence, Clip, Closing, Image, InspectionId, Observation, State, View
from streams.samples import decode_samples

_KINDS = {
    SignalKind.SIGNAL_KIND_AUDIO: "audio",
    SignalKind.SIGNAL_KIND_VIBRATION: "vibration",
    SignalKind.SIGNAL_KIND_TRACE: "trace",
}


def observation_of(request: InspectRequest, recipes: RecipeBook, limits: Limits, now_ns: int) -> Observation:
    """What the request shows of its piece; without a recipe, a piece that nothing is known of. Raises Finding."""
    inspection = inspection_of(request)
    product = check_text("product", request.product)
    spec = recipes.assembly(inspection.line, inspection.station, product)
    views: Mapping[str, View] = {}
    clips: Mapping[str, Clip] = {}
    if spec is not None:
        views, clips = _views(request, spec, limits), _clips(request, spec, limits)
    captures = [check_time("capture_ns", frame.capture_ns) for frame in request.frames if frame.capture_ns] or [now_ns]
    return Observation(
        inspection,
        product,
        lot=next((check_text("lot", frame.lot) for frame in request.frames if frame.lot), ""),
        closing=Closing.NO_RECIPE if spec is None else Closing.COMPLETE,
        views=views,
        clips=clips,
        entry_ns=min(captures),
        capture_ns=max(captures),
        append_ns=now_ns,
        arrival_ns=now_ns,
    )


def inspection_of(request: InspectRequest) -> InspectionId:
    """Raises Finding."""
    named = request.inspection
    line, station = check_name("line", named.line), check_name("station", named.station)
    return InspectionId(line, station, check_text("piece_id", named.piece_id), named.pass_number)


def _views(request: InspectRequest, spec: AssemblySpec, limits: Limits) -> dict[str, View]:
    """The images of one request together may take what one image may, so that many small bombs fail like one."""
    cameras = {camera.name: camera for camera in spec.cameras}
    images: dict[str, dict[int, Image]] = defaultdict(dict)
    left_bytes = limits.max_image_bytes
    for frame in request.frames:
        _check_frame(frame, request, cameras, images)
        image = decode_pixels(frame.pixels, replace(limits, max_image_bytes=left_bytes))
        left_bytes -= image.nbytes
        images[frame.camera][frame.sequence] = scaled(image, cameras[frame.camera])
    return {name: _view(camera, images[name]) for name, camera in cameras.items()}


def _check_frame(
    frame: CameraFrame,
    request: InspectRequest,
    cameras: Mapping[str, CameraSpec],
    images: Mapping[str, Mapping[int, Image]],
) -> None:
    if frame.HasField("inspection") and frame.inspection != request.inspection:
        raise _misaddressed("a frame names another inspection than the request: leave it empty or make them equal")
    if frame.product not in {"", request.product}:
        raise _misaddressed(f"a frame names product {frame.product[:60]!r}, the request {request.product[:60]!r}")
    if frame.camera not in cameras:
        raise _unknown("camera", frame.camera, cameras)
    if frame.sequence >= (num_frames := cameras[frame.camera].num_frames):
        raise invalid(f"camera {frame.camera}: sequence is {frame.sequence}, expected 0 to {num_frames - 1}")
    if frame.sequence in images.get(frame.camera, {}):
        raise _duplicate(f"camera {frame.camera}: sequence {frame.sequence} comes twice, expected once: drop one")
    if frame.WhichOneof("content") != "pixels":
        raise invalid(f"camera {frame.camera}: no pixels, expected them inline: references are not resolved here")


def _view(camera: CameraSpec, images: Mapping[int, Image]) -> View:
    ordered = tuple(images[sequence] for sequence in sorted(images))
    coverage = len(ordered) / camera.num_frames
    if coverage == 1.0:
        return View(camera.name, ordered, State.PRESENT)
    absence = Absence.COVERAGE if ordered else Absence.NOT_RECEIVED
    return View(camera.name, ordered, State.MISSING, absence, coverage)


def _clips(request: InspectRequest, spec: AssemblySpec, limits: Limits) -> dict[str, Clip]:
    sensors = {sensor.name: sensor for sensor in spec.sensors}
    clips: dict[str, Clip] = {}
    for signal in request.signals:
        if signal.sensor not in sensors:
            raise _unknown("sensor", signal.sensor, sensors)
        if signal.sensor in clips:
            raise _duplicate(f"sensor {signal.sensor} comes twice, expected one recording: drop one")
        clips[signal.sensor] = _clip(signal, sensors[signal.sensor], limits)
    absent = {name: _absent(sensor) for name, sensor in sensors.items() if name not in clips}
    return clips | absent


def _clip(signal: SignalClip, sensor: SensorSpec, limits: Limits) -> Clip:
    samples = decode_samples(signal.samples, limits)
    _check_form(signal, sensor)
    if sensor.bind == "piece":
        return Clip(sensor.name, sensor.kind, samples, sensor.sample_rate_hz, State.PRESENT)
    expected = round((sensor.end_s - sensor.start_s) * sensor.sample_rate_hz)
    if len(samples) > expected:
        raise _wrong(
            f"sensor {sensor.name}: {len(samples)} samples, expected {expected} for the recipe's window of "
            f"{sensor.end_s - sensor.start_s:g} s: cut the recording to the window"
        )
    coverage = len(samples) / expected
    if coverage < sensor.min_coverage:
        return _absent(sensor, Absence.COVERAGE, coverage)
    return Clip(sensor.name, sensor.kind, samples, sensor.sample_rate_hz, State.PRESENT, coverage=coverage)


def _check_form(signal: SignalClip, sensor: SensorSpec) -> None:
    rate_hz, channels = signal.samples.sample_rate_hz, signal.samples.num_channels
    if _KINDS.get(signal.kind) != sensor.kind:
        raise _wrong(f"sensor {sensor.name}: kind is {signal.kind}, expected {sensor.kind} as in the recipe")
    if rate_hz != sensor.sample_rate_hz:
        raise _wrong(f"sensor {sensor.name}: {rate_hz:g} Hz, expected {sensor.sample_rate_hz:g} Hz: resample it")
    if channels != sensor.num_channels:
        raise _wrong(f"sensor {sensor.name}: {channels} channels, expected {sensor.num_channels}: send the recipe's")


def _absent(sensor: SensorSpec, absence: Absence = Absence.NOT_RECEIVED, coverage: float = 0.0) -> Clip:
    return Clip(sensor.name, sensor.kind, None, sensor.sample_rate_hz, State.MISSING, absence, coverage)


def _unknown(what: str, name: str, known: Mapping[str, object]) -> Finding:
    expected = ", ".join(sorted(known)) or "none"
    return Finding(
        DeadLetterReason.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
        f"{what} is {name[:60]!r}, expected one of the recipe's ({expected}): correct the name",
    )


def _duplicate(detail: str) -> Finding:
    return Finding(DeadLetterReason.DEAD_LETTER_REASON_DUPLICATE, detail)


def _wrong(detail: str) -> Finding:
    return Finding(DeadLetterReason.DEAD_LETTER_REASON_WRONG_FORMAT, detail)


def _misaddressed(detail: str) -> Finding:
    return Finding(DeadLetterReason.DEAD_LETTER_REASON_MISADDRESSED, detail)
