"""Finds the camera or sensor of a record in the recipes."""

from collections.abc import Mapping

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Frame, Trace
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec


def known_camera(spec: AssemblySpec, frame: Frame, product: str) -> CameraSpec:
    """The camera of a frame. Raises RecordError if the recipe names no such camera, or fewer frames of it."""
    camera = next((camera for camera in spec.cameras if camera.name == frame.camera), None)
    if camera is None:
        raise RecordError(
            pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
            f"camera {frame.camera!r} is not named by the recipe of product {product!r}, expected one of "
            f"{[known.name for known in spec.cameras]}: add it to the recipe or rename it at the producer",
        )
    if frame.sequence >= camera.num_frames:
        raise RecordError(
            pb.DEAD_LETTER_REASON_INVALID_FIELD,
            f"sequence is {frame.sequence}, expected 0 to {camera.num_frames - 1}: correct num_frames of camera "
            f"{camera.name!r} in the recipe, or the producer",
        )
    return camera


def known_sensor(sensors: Mapping[str, SensorSpec], item: Chunk | Trace, bind: str, station: str) -> SensorSpec:
    """The sensor of an item, bound by time or piece. Raises RecordError if no recipe names it, or with another form."""
    spec = sensors.get(item.sensor)
    if spec is None or spec.bind != bind:
        raise RecordError(
            pb.DEAD_LETTER_REASON_UNKNOWN_SENSOR,
            f"sensor {item.sensor!r} bound by {bind} is not named by any recipe of station {station!r}: "
            "add it to a recipe, or rename it at the producer",
        )
    actual = (item.kind, item.sample_rate_hz, item.samples.shape[1])
    expected = (spec.kind, spec.sample_rate_hz, spec.num_channels)
    if actual != expected:
        raise RecordError(
            pb.DEAD_LETTER_REASON_WRONG_FORMAT,
            f"sensor {item.sensor!r} sent (kind, Hz, channels) {actual}, expected {expected}: "
            "correct the recipe or the sensor",
        )
    return spec
