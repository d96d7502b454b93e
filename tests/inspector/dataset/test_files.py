"""Every image is the same to training, evaluation and the line, or refused by all of them for one reason."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset.files import read_image, read_source
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow
from inspector.evaluation.observations import observe
from inspector.gateway.request import observation_of
from inspector.replay.pieces import ManifestPieces
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import AssemblySpec, BitDepth, CameraSpec
from streams.observation import Image
from tests.image_parts import interlaced
from tests.inspector.dataset.sample_files import image_file, oriented
from tests.malformed import png_of

GREY = np.random.default_rng(5).integers(0, 256, (12, 20), dtype=np.uint8)
COLOUR = np.random.default_rng(6).integers(0, 256, (12, 20, 3), dtype=np.uint8)
TWELVE = GREY.astype(np.uint16) << 4
JPEG = image_file(".jpg", GREY)
PNG = image_file(".png", GREY)

READ: dict[str, tuple[bytes, BitDepth | None]] = {
    "grey.png": (PNG, None),
    "colour.png": (image_file(".png", COLOUR), None),
    "16.png": (image_file(".png", TWELVE), None),
    "12.png": (image_file(".png", TWELVE), 12),
    "8 in 16.png": (image_file(".png", GREY.astype(np.uint16)), 8),
    "interlaced.png": (interlaced(COLOUR), None),
    "onebit.png": (png_of(16, 2, zlib.compress(b"\0\xaa\x55\0\x0f\xf0"), depth=1), None),
    "grey.jpg": (JPEG, None),
    "colour.JPEG": (image_file(".jpg", COLOUR), None),
    "turned.jpg": (oriented(JPEG, 6), None),
    "mirrored.jpg": (oriented(JPEG, 2, "<"), None),
}
REFUSED: dict[str, tuple[bytes, BitDepth | None, str]] = {
    "rgba.png": (image_file(".png", np.dstack([COLOUR, GREY])), None, "without alpha"),
    "png.jpg": (PNG, None, "check `format`"),
    "jpeg.png": (JPEG, None, "check `format`"),
    "cut.png": (PNG[:-20], None, "send it again"),
    "cut.jpg": (JPEG[:-20], None, "no end (ffd9)"),
    "bright.png": (image_file(".png", TWELVE + np.uint16(4000)), 12, "expected at most 4095"),
    "8.png": (PNG, 12, "has 8 bits per value, but bit_depth says 12 bits in 16"),
    "wide.png": (png_of(32_769, 1, zlib.compress(bytes(32_770))), None, "32768 px a side"),
}


def row(name: str, depth: BitDepth | None) -> PieceRow:
    return PieceRow(piece_id="p", split="test", images=(ImageRow(camera="top", path=name, bit_depth=depth),))


class Book:
    def __init__(self, depth: BitDepth | None) -> None:
        self._depth = depth

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec:
        return AssemblySpec((CameraSpec("top", bit_depth=self._depth),))


def on_the_line(folder: Path, name: str, depth: BitDepth | None) -> Image:
    """What replay publishes, as `Inspect` decodes it."""
    (shot,) = ManifestPieces(folder, [row(name, depth)]).piece(0).shots
    pixels = pb.ImagePixels(format=shot.format, data=shot.data)
    inspection = pb.Inspection(line="l", station="s", piece_id="p")
    request = InspectRequest(inspection=inspection, product="p", frames=[pb.CameraFrame(camera="top", pixels=pixels)])
    return observation_of(request, Book(depth), Limits(), 1).views["top"].images[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", READ)
def test_all_readers_see_the_same_pixels(tmp_path: Path, name: str) -> None:
    content, depth = READ[name]
    (tmp_path / name).write_bytes(content)
    trained = read_source(tmp_path, row(name, depth).images[0])
    evaluated = observe(tmp_path, row(name, depth)).views["top"].images[0]
    seen = on_the_line(tmp_path, name, depth)
    assert isinstance(trained, np.ndarray)
    assert trained.dtype == evaluated.dtype == seen.dtype
    assert trained.shape == evaluated.shape == seen.shape
    assert trained.tobytes() == evaluated.tobytes() == seen.tobytes()


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_line_refuses_all_refuse_for_its_reason(tmp_path: Path, name: str) -> None:
    content, depth, message = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError) as on_line:
        on_the_line(tmp_path, name, depth)
    with pytest.raises(ManifestError) as in_training:
        read_source(tmp_path, row(name, depth).images[0])
    assert message in on_line.value.detail
    assert str(in_training.value) == f"{tmp_path / name}: {on_line.value.detail.removeprefix('camera top: ')}"


@pytest.mark.parametrize("name", ["grey.webp", "grey.gif", "grey"])
def test_files_that_no_line_sends_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PNG)
    with pytest.raises(ManifestError, match=rf"{name}: is no \.png, \.jpg, \.jpeg, \.tif, \.tiff, \.bmp"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["grey.tif", "grey.tiff", "grey.bmp"])
def test_tiff_and_bmp_are_read_as_the_line_reads_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(image_file(Path(name).suffix, GREY))
    np.testing.assert_array_equal(read_image(tmp_path / name), GREY)
    (tmp_path / name).write_bytes(PNG)
    with pytest.raises(ManifestError, match=r"expected a (TIFF|BMP) file"):
        read_image(tmp_path / name)


def test_an_orientation_turns_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(oriented(JPEG, 6))
    turned = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    assert turned is not None
    assert turned.shape == GREY.shape[::-1]
    assert read_image(tmp_path / "a.jpg").shape == GREY.shape


def test_a_cmyk_jpeg_is_refused(tmp_path: Path) -> None:
    frame = JPEG.index(b"\xff\xc0")
    components = struct.pack("B", 4) + b"".join(bytes([n, 0x11, 0]) for n in range(1, 5))
    head = JPEG[frame + 4 : frame + 9]
    cmyk = JPEG[:frame] + b"\xff\xc0" + struct.pack(">H", 2 + 5 + 13) + head + components + JPEG[frame + 13 :]
    (tmp_path / "cmyk.jpg").write_bytes(cmyk)
    with pytest.raises(ManifestError, match=r"cmyk\.jpg: .*4 components"):
        read_image(tmp_path / "cmyk.jpg")


def test_a_missing_image_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"gone\.png: does not exist"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ManifestError, match=r"write / for \\ in the manifest"):
        read_image(tmp_path / "img\\x.png")
