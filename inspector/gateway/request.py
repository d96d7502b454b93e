"""Turns an `Inspect` request into an observation, or raises the reason why it is unusable."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from protos.inspection.v1.records_pb2 import CameraFrame, DeadLetterReason
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from streams.decode.images import decode_pixels
from streams.decode.kinds import KINDS
from streams.decode.limits import Limits, RecordError, check_name, check_text, check_time, invalid
from streams.decode.samples import decode_samples
from streams.join.assembly import AssemblySpec, CameraSpec, RecipeBook, SensorSpec
from streams.join.bit_depth import scaled
from streams.join.whole import Sound, WholePiece, check_format, clips_of, views_of, window_length, wrong_format
from streams.observation import Clip, CloseReason, Image, InspectionId, Observation, View


def observation_of(request: InspectRequest, recipes: RecipeBook, limits: Limits, now_ns: int) -> Observation:
    """The observation in the request; without views and clips if no recipe matches. Raises RecordError."""
    inspection = inspection_of(request)
    product = check_text("product", request.product)
    spec = recipes.assembly(inspection.line, inspection.station, product)
    views: Mapping[str, View] = {}
    clips: Mapping[str, Clip] = {}
    if spec is not None:
        piece = WholePiece(_images(request, spec, limits), _sounds(request, spec, limits))
        views, clips = views_of(spec, piece), clips_of(spec, piece)
    captures = [check_time("capture_ns", frame.capture_ns) for frame in request.frames if frame.capture_ns] or [now_ns]
    return Observation(
        inspection,
        product,
        lot=next((check_text("lot", frame.lot) for frame in request.frames if frame.lot), ""),
        closing=CloseReason.NO_RECIPE if spec is None else CloseReason.COMPLETE,
        views=views,
        clips=clips,
        entry_ns=min(captures),
        capture_ns=max(captures),
        append_ns=now_ns,
        arrival_ns=now_ns,
    )


def inspection_of(request: InspectRequest) -> InspectionId:
    """Raises RecordError."""
    named = request.inspection
    line, station = check_name("line", named.line), check_name("station", named.station)
    return InspectionId(line, station, check_text("piece_id", named.piece_id), named.pass_number)


def _images(request: InspectRequest, spec: AssemblySpec, limits: Limits) -> dict[str, list[Image]]:
    """By camera, in order of sequence. All images of one request share the memory limit of one image, so that many
    small decompression bombs fail like a large one."""
    cameras = {camera.name: camera for camera in spec.cameras}
    images: dict[str, dict[int, Image]] = defaultdict(dict)
    left_bytes = limits.max_image_bytes
    for frame in request.frames:
        _check_frame(frame, request, cameras, images)
        image = decode_pixels(frame.pixels, replace(limits, max_image_bytes=left_bytes))
        left_bytes -= image.nbytes
        images[frame.camera][frame.sequence] = scaled(image, cameras[frame.camera])
    return {camera: [known[sequence] for sequence in sorted(known)] for camera, known in images.items()}


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


def _sounds(request: InspectRequest, spec: AssemblySpec, limits: Limits) -> dict[str, Sound]:
    sensors = {sensor.name: sensor for sensor in spec.sensors}
    sounds: dict[str, Sound] = {}
    for signal in request.signals:
        if signal.sensor not in sensors:
            raise _unknown("sensor", signal.sensor, sensors)
        if signal.sensor in sounds:
            raise _duplicate(f"sensor {signal.sensor} comes twice, expected one recording: drop one")
        sounds[signal.sensor] = _sound(signal, sensors[signal.sensor], limits)
    return sounds


def _sound(signal: SignalClip, sensor: SensorSpec, limits: Limits) -> Sound:
    samples = decode_samples(signal.samples, limits)
    if (kind := KINDS.get(signal.kind)) is None:
        raise wrong_format(f"sensor {sensor.name}: kind is {signal.kind}, expected {sensor.kind} as in the recipe")
    sound = Sound(kind, samples, signal.samples.sample_rate_hz)
    check_format(sensor, sound)
    if sensor.bind == "time" and len(samples) > (expected := window_length(sensor)):
        raise wrong_format(
            f"sensor {sensor.name}: {len(samples)} samples, expected {expected} for the recipe's window of "
            f"{sensor.end_s - sensor.start_s:g} s: cut the recording to the window"
        )
    return sound


def _unknown(what: str, name: str, known: Mapping[str, object]) -> RecordError:
    expected = ", ".join(sorted(known)) or "none"
    return RecordError(
        DeadLetterReason.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
        f"{what} is {name[:60]!r}, expected one of the recipe's ({expected}): correct the name",
    )


def _duplicate(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_DUPLICATE, detail)


def _misaddressed(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_MISADDRESSED, detail)
