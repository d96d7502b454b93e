"""Pictures become files, and files lie in the record or beside it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from inspector.sources.pictures import ROOM_BYTES, FrameContent, PictureError, encode
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.images import decode_file
from streams.decode.limits import Limits
from tests.inspector.sources.places import target


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_png_keeps_every_bit(dtype: type, shape: tuple[int, ...]) -> None:
    pixels: np.ndarray = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    done = encode(pixels)
    assert np.array_equal(decode_file(done.data, done.format, Limits()), pixels)


def test_jpeg_is_smaller_and_named_as_such() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    done = encode(pixels, 80)
    assert done.format == pb.PIXEL_FORMAT_JPEG
    assert len(done.data) < len(encode(pixels).data)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="cannot be encoded"):
        encode(np.zeros((0, 4), np.uint8))


def noise(side_px: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (side_px, side_px)).astype(np.uint8)


def test_a_picture_that_fits_lies_in_the_record(tmp_path: Path) -> None:
    frame = pb.CameraFrame()
    FrameContent(target(), str(tmp_path)).fill(frame, encode(noise(8)))
    assert frame.WhichOneof("content") == "pixels"
    assert list(tmp_path.iterdir()) == []


def test_a_picture_larger_than_a_record_lies_in_the_folder_under_its_hash(tmp_path: Path) -> None:
    frame, picture = pb.CameraFrame(), encode(noise(120))
    small = target(max_record_bytes=10_000, allowed_prefixes=(f"file://{tmp_path}/",))
    FrameContent(small, f"file://{tmp_path}/new").fill(frame, picture)
    reference, digest = frame.reference, hashlib.sha256(picture.data).digest()
    assert (reference.sha256, reference.size_bytes, reference.format) == (digest, len(picture.data), picture.format)
    stored = tmp_path / "new" / f"{digest.hex()}.png"
    assert reference.uri == f"file://{stored}"
    assert stored.read_bytes() == picture.data


def test_without_a_folder_a_large_picture_is_refused_with_three_ways_out() -> None:
    picture = encode(noise(120))
    with pytest.raises(
        PictureError, match=r"--large-to .*\(cameras: --jpeg 95\), or raise max_record_bytes"
    ) as refused:
        FrameContent(target(max_record_bytes=10_000), None).fill(pb.CameraFrame(), picture)
    assert f"in the service's configuration to {len(picture.data) + ROOM_BYTES} or more" in str(refused.value)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("file:///elsewhere", r"below none of \[references\] allowed_prefixes"),
        ("gopher://x/y", "has the scheme 'gopher'"),
        ("relative/folder", "is not a local folder"),
    ],
)
def test_a_folder_that_the_service_would_not_read_is_refused_at_once(folder: str, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        FrameContent(target(allowed_prefixes=("file:///frames/",)), folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    content = FrameContent(target(max_record_bytes=10_000), str(tmp_path / "file" / "x"))
    with pytest.raises(PictureError, match="cannot be written"):
        content.fill(pb.CameraFrame(), encode(noise(120)))
