"""Checks one image of a data set, and what the images of a camera have in common."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from encoders.front_end import Image
from inspector.dataset.files import read_image, read_image_file, read_row_image
from inspector.dataset.findings import Finding
from inspector.dataset.forms import Form, constant_text
from inspector.dataset.manifest import ImageRow, ManifestError
from inspector.dataset.orientation import AS_STORED, orientation
from inspector.dataset.raw_images import RAW_SUFFIXES
from streams.decode.image_headers import Header
from streams.decode.images import read_file
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import BitDepth
from streams.join.low_pixels import advice, is_sign, likely_bit_depth

_TINY_BYTES, _PIXELS_PER_BYTE = 2048, 50
"""A JPEG of one value has a byte for 70 pixels and more behind its header, a PNG one for some hundred."""
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
    constant: list[Form] = field(default_factory=list)
    """Of the images whose pixels all have one value."""

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
                yield f"{advice(name, depth)}; `inspector data import --bit-depth {depth}` writes it into them"

    def constant_images(self, name: str) -> Iterator[Finding]:
        if self.constant:
            text = constant_text(f"camera {name}", "images", self.constant, self.num_images)
            yield Finding("recordings", text, tuple(form.piece_id for form in self.constant))

    def add(self, form: Form, *, is_constant: bool) -> None:
        self.forms.append(form)
        if is_constant:
            self.constant.append(form)

    def is_open(self) -> bool:
        """Whether one more 16-bit image can tell how many bits the camera has."""
        return None not in self.depths and len(self.depths) + self.num_black < _MAX_DECODED


def check_image(root: Path, image: ImageRow, piece_id: str, camera: SurveyedCamera) -> None:
    """Raises ManifestError for a file that the line would refuse, as far as its bytes tell before decoding. With a bit
    depth it is decoded, as a pixel may exceed that; and so are alpha, which may hide a pixel, TIFF and raw rows."""
    path = root / image.path
    camera.num_images += 1
    if image.pixels is not None or path.suffix.lower() in RAW_SUFFIXES:
        decoded = read_row_image(root, image)
        form = Form.of_image(piece_id, image.path, _header_of(decoded))
        camera.add(form, is_constant=_is_constant(decoded))
        return
    data, header = _header(path)
    if (turned := orientation(data)) != AS_STORED:
        camera.turned[turned] += 1
        camera.turned_file = path
    is_constant = False
    is_read_whole = image.bit_depth not in (None, 8 * header.bytes_per_value) or header.has_alpha or _is_tiff(path)
    if is_read_whole or _may_be_constant(len(data), header):
        is_constant = _is_constant(read_image(path, image.bit_depth))
    if not is_read_whole and header.bytes_per_value == 2 and image.bit_depth is None and camera.is_open():
        decoded = read_image(path)
        if decoded.any():
            camera.depths.append(likely_bit_depth(decoded))
        else:
            camera.num_black += 1
    camera.add(Form.of_image(piece_id, image.path, header), is_constant=is_constant)


def _may_be_constant(num_bytes: int, header: Header) -> bool:
    """Packed files of one value are tiny: few others are decoded. A file as large as its pixels is not packed."""
    num_pixels = header.width_px * header.height_px
    is_packed = num_bytes < num_pixels * header.channels * header.bytes_per_value
    return not is_packed or num_bytes < _TINY_BYTES + num_pixels // _PIXELS_PER_BYTE


def _is_constant(image: Image) -> bool:
    return bool((image == image.reshape(-1, *image.shape[2:])[0]).all())


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
