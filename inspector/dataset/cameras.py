"""Checks one image of a data set, and what the images of a camera have in common."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from encoders.front_end import Image
from inspector.dataset.files import read_image, read_image_file, read_row_image
from inspector.dataset.forms import Form
from inspector.dataset.manifest import ImageRow, ManifestError
from inspector.dataset.orientation import AS_STORED, orientation
from inspector.dataset.raw_images import RAW_SUFFIXES
from streams.decode.image_headers import Header
from streams.decode.images import read_file
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import BitDepth
from streams.join.low_pixels import advice, is_sign, likely_bit_depth

_MAX_DECODED = 50
"""16-bit images of a camera that are searched for bits that it never uses."""


@dataclass(slots=True)
class SurveyedCamera:
    """Sums over the images of one camera."""

    num_images: int = 0
    turned: Counter[int] = field(default_factory=Counter)
    turned_file: Path | None = None
    depths: list[BitDepth | None] = field(default_factory=list)
    """The fewest bits of each 16-bit image decoded that is not black."""
    num_black: int = 0
    forms: list[Form] = field(default_factory=list)

    def warnings(self, name: str) -> Iterator[str]:
        if self.turned:
            values = ", ".join(str(value) for value in sorted(self.turned))
            yield (
                f"camera {name}: {self.turned.total()} of {self.num_images} images have an EXIF orientation "
                f"({values}, the last: {self.turned_file}): pixels are used as stored, here and on the line; if they "
                "were labelled or masked as turned, turn the pixels and save them without EXIF"
            )
        depths = [depth for depth in self.depths if depth is not None]
        if depths and len(depths) == len(self.depths):
            depth = max(depths)
            if is_sign(depth, len(depths)):
                yield advice(name, depth)

    def is_open(self) -> bool:
        """Whether one more 16-bit image can tell how many bits the camera has."""
        return None not in self.depths and len(self.depths) + self.num_black < _MAX_DECODED


def check_image(root: Path, image: ImageRow, piece_id: str, camera: SurveyedCamera) -> None:
    """Raises ManifestError for a file that the line would refuse, as far as its bytes tell before decoding. With a bit
    depth it is decoded, as a pixel may exceed that; and so are alpha, which may hide a pixel, TIFF and raw rows."""
    path = root / image.path
    camera.num_images += 1
    if image.pixels is not None or path.suffix.lower() in RAW_SUFFIXES:
        camera.forms.append(Form.of_image(piece_id, image.path, _header_of(read_row_image(root, image))))
        return
    data, header = _header(path)
    if (turned := orientation(data)) != AS_STORED:
        camera.turned[turned] += 1
        camera.turned_file = path
    if image.bit_depth not in (None, 8 * header.bytes_per_value) or header.has_alpha or _is_tiff(path):
        read_image(path, image.bit_depth)
    elif header.bytes_per_value == 2 and image.bit_depth is None and camera.is_open():
        decoded = read_image(path)
        if decoded.any():
            camera.depths.append(likely_bit_depth(decoded))
        else:
            camera.num_black += 1
    camera.forms.append(Form.of_image(piece_id, image.path, header))


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _header_of(image: Image) -> Header:
    channels = 1 if image.ndim == 2 else image.shape[2]
    return Header(image.shape[1], image.shape[0], channels, image.itemsize)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels, not decoded. Raises ManifestError."""
    _, header = _header(path)
    return header.height_px, header.width_px


def row_size(root: Path, image: ImageRow) -> tuple[int, int]:
    """Height and width in pixels. Raises ManifestError."""
    raw = (root / image.path).suffix.lower() in RAW_SUFFIXES
    return (image.height_px or 0, image.width_px or 0) if raw else image_size(root / image.path)


def _header(path: Path) -> tuple[bytes, Header]:
    form, data = read_image_file(path)
    try:
        return data, read_file(data, form, Limits()).header
    except RecordError as error:
        raise ManifestError(f"{path}: {error.detail}") from error
