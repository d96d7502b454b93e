"""Turns arrays and files of one piece into the request that the gateway's `Inspect` takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.api.files import InputError as InputError
from inspector.api.files import RawImage, SignalFile
from inspector.dataset.files import read_image_file
from inspector.dataset.manifest import ManifestError
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from streams.decode.kinds import SENSOR_KINDS
from streams.join.assembly import AssemblySpec, SensorSpec

ChannelOrder = Literal["bgr", "rgb"]
Array = NDArray[np.generic]
ImageInput = Array | bytes | str | Path | RawImage
"""Pixels (height, width) of uint8 or uint16, or (height, width, 3) of uint8; a PNG, JPEG, TIFF or BMP file, or its
bytes; or raw pixels with their packing."""
SignalInput = tuple[Array, float] | str | Path | SignalFile
"""Samples (num_samples,) or (num_samples, num_channels) of int16 or float, full scale 1.0, with their rate in hertz; or
a WAV, FLAC, NumPy, CSV or TDMS file."""

LINE, STATION, ANY_PRODUCT = "python", "python", "part"
"""Where pieces come from that no line sent. Recipes are applied whatever line and station they name."""
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": pb.PIXEL_FORMAT_PNG,
    b"\xff\xd8\xff": pb.PIXEL_FORMAT_JPEG,
    b"II*\0": pb.PIXEL_FORMAT_TIFF,
    b"MM\0*": pb.PIXEL_FORMAT_TIFF,
    b"BM": pb.PIXEL_FORMAT_BMP,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """The recordings of one piece."""

    images: Mapping[str, ImageInput | Sequence[ImageInput]] = field(default_factory=dict)
    """By camera: one image, or a list of them in the order in which they were taken."""
    signals: Mapping[str, SignalInput] = field(default_factory=dict)
    """By sensor."""
    piece_id: str = ""
    """Appears in the verdict."""
    product: str = ""
    """Chooses the recipe where it names a product."""


def request_of(piece: Piece, spec: AssemblySpec, product: str, channel_order: ChannelOrder) -> InspectRequest:
    """`product` is that of pieces that name none. Raises InputError."""
    sensors = {sensor.name: sensor for sensor in spec.sensors}
    return InspectRequest(
        inspection=pb.Inspection(line=LINE, station=STATION, piece_id=piece.piece_id or "piece"),
        product=piece.product or product,
        frames=[
            pb.CameraFrame(camera=camera, sequence=sequence, pixels=_pixels(camera, image, channel_order))
            for camera, images in piece.images.items()
            for sequence, image in enumerate(_as_list(images))
        ],
        signals=[_clip(name, signal, sensors) for name, signal in piece.signals.items()],
    )


def _as_list(images: ImageInput | Sequence[ImageInput]) -> Sequence[ImageInput]:
    return images if isinstance(images, list | tuple) else [images]  # type: ignore[list-item]  # an array is a Sequence to mypy


def _pixels(camera: str, image: ImageInput, channel_order: ChannelOrder) -> pb.ImagePixels:
    if isinstance(image, RawImage):
        return image.message(camera)
    if isinstance(image, str | Path):
        try:
            pixel_format, data = read_image_file(Path(image))
        except ManifestError as exc:
            raise InputError(f"camera {camera}: {exc}") from exc
        return pb.ImagePixels(format=pixel_format, data=data)
    if isinstance(image, bytes):
        for signature, file_format in _SIGNATURES.items():
            if image.startswith(signature):
                return pb.ImagePixels(format=file_format, data=image)
        raise InputError(
            f"camera {camera}: the bytes are no PNG, JPEG, TIFF or BMP file; pass pixels as an array, "
            "or RawImage(data, pixels, width_px, height_px)"
        )
    return _raw_pixels(camera, np.asarray(image), channel_order)


def _raw_pixels(camera: str, image: Array, channel_order: ChannelOrder) -> pb.ImagePixels:
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    colour = image.ndim == 3 and image.shape[2] == 3
    if colour and image.dtype == np.uint8:
        pixel_format = pb.PIXEL_FORMAT_BGR8
        image = image if channel_order == "bgr" else image[:, :, ::-1]
    elif image.ndim == 2 and image.dtype == np.uint8:
        pixel_format = pb.PIXEL_FORMAT_MONO8
    elif image.ndim == 2 and image.dtype == np.uint16:
        pixel_format = pb.PIXEL_FORMAT_MONO16
        image = image.astype("<u2")
    else:
        raise InputError(
            f"camera {camera}: an array of shape {image.shape} and type {image.dtype}, expected uint8 or uint16 "
            "(height, width) or uint8 (height, width, 3); do not scale to 0..1 and do not swap the axes"
        )
    height_px, width_px = image.shape[:2]
    return pb.ImagePixels(format=pixel_format, width_px=width_px, height_px=height_px, data=image.tobytes())


def _clip(name: str, signal: SignalInput, sensors: Mapping[str, SensorSpec]) -> SignalClip:
    sensor = sensors.get(name)
    if sensor is None:
        known = ", ".join(sorted(sensors)) or "none"
        raise InputError(f"sensor {name!r} is not in the recipe; it has: {known}")
    samples, sample_rate_hz = _samples(sensor, signal)
    is_int16 = samples.dtype == np.int16
    message = pb.Samples(
        format=pb.SAMPLE_FORMAT_S16LE if is_int16 else pb.SAMPLE_FORMAT_F32LE,
        sample_rate_hz=sample_rate_hz,
        num_channels=samples.shape[1],
        data=samples.astype("<i2" if is_int16 else "<f4").tobytes(),
    )
    return SignalClip(sensor=name, kind=SENSOR_KINDS[sensor.kind].number, samples=message)


def _samples(sensor: SensorSpec, signal: SignalInput) -> tuple[Array, float]:
    """Samples (num_samples, num_channels) and their rate."""
    if isinstance(signal, str | Path):
        signal = SignalFile(signal)
    if isinstance(signal, SignalFile):
        recording = signal.read(sensor)
        return recording.samples, recording.sample_rate_hz
    values, sample_rate_hz = signal
    samples = np.asarray(values)
    samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
    if samples.ndim != 2 or samples.size == 0 or not (samples.dtype == np.int16 or samples.dtype.kind == "f"):
        raise InputError(
            f"sensor {sensor.name}: an array of shape {samples.shape} and type {samples.dtype}, expected int16 or "
            "float of full scale 1.0, (num_samples,) or (num_samples, num_channels)"
        )
    return samples, float(sample_rate_hz)
