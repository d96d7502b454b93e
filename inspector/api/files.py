"""Recordings whose file does not say all: raw pixels, mosaics, and signal files with a layout."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from inspector.dataset.files import row_pixels
from inspector.dataset.manifest import ImageRow, ManifestError, RawPixels
from inspector.dataset.recordings import Layout, Recording, RecordingError, read_recording
from protos.inspection.v1.records_pb2 import ImagePixels
from streams.join.assembly import SensorSpec


class InputError(ValueError):
    """A recording cannot be used; the message names it, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class RawImage:
    """Rows of pixels without a header, or a mosaic kept as a grey image, as a manifest's image row describes them."""

    source: str | Path | bytes
    """A .raw or .bin file, or its bytes; for a mosaic also a grey PNG, TIFF or BMP file."""
    pixels: RawPixels
    """How the pixels are packed, such as "BAYER_RG8" or "MONO12P": see the page File formats."""
    width_px: int | None = None
    """Needed without a header, and so is the height."""
    height_px: int | None = None

    def message(self, camera: str) -> ImagePixels:
        """What the camera would have sent. Raises InputError."""
        if not isinstance(self.source, bytes):
            return self._from_file(camera, Path(self.source).absolute())
        if not self.width_px or not self.height_px:
            raise InputError(f"camera {camera}: raw bytes have no header; give width_px and height_px")
        name = self._row(camera, "bytes.raw").pixels
        return ImagePixels(
            format=f"PIXEL_FORMAT_{name}", width_px=self.width_px, height_px=self.height_px, data=self.source
        )

    def _from_file(self, camera: str, path: Path) -> ImagePixels:
        try:
            return row_pixels(path.parent, self._row(camera, path.name))
        except ManifestError as exc:
            raise InputError(f"camera {camera}: {exc}") from exc

    def _row(self, camera: str, name: str) -> ImageRow:
        try:
            return ImageRow(
                camera=camera, path=name, pixels=self.pixels, width_px=self.width_px, height_px=self.height_px
            )
        except ValidationError as exc:
            problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in exc.errors())
            raise InputError(f"camera {camera}: {problems}") from exc


@dataclass(frozen=True, slots=True)
class SignalFile:
    """A file of which channels are to be chosen, or that is the other way round."""

    path: str | Path
    columns: tuple[str, ...] = field(default=())
    """Names of the channels in a CSV or TDMS file; none: all but the time."""
    channels_first: bool = False
    """Whether a NumPy file holds (channels, samples)."""

    def read(self, sensor: SensorSpec) -> Recording:
        """Raises InputError."""
        layout = Layout(tuple(self.columns), self.channels_first)
        try:
            return read_recording(Path(self.path), sensor.sample_rate_hz, sensor.kind, layout)
        except RecordingError as exc:
            raise InputError(f"sensor {sensor.name}: {exc}") from exc
