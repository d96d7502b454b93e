"""Raw rows and mosaics in a manifest: the image that the line would make of them."""

from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.files import read_row_image, row_pixels
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, write_manifest
from inspector.dataset.survey import survey
from inspector.replay.pieces import ManifestPieces
from streams.decode.images import decode_pixels
from streams.decode.limits import Limits
from tests.inspector.dataset.sample_files import image_file

MOSAIC = np.random.default_rng(1).integers(0, 256, (6, 8), np.uint8)
GREY12 = np.random.default_rng(2).integers(0, 4096, (6, 8)).astype(np.uint16)


def row(path: str, pixels: str | None = None, **sides: int) -> ImageRow:
    return ImageRow.model_validate({"camera": "top", "path": path, "pixels": pixels, **sides})


def test_a_mosaic_is_the_same_from_a_raw_file_and_from_a_grey_image(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(MOSAIC.tobytes())
    (tmp_path / "a.png").write_bytes(image_file(".png", MOSAIC))
    raw = row("a.raw", "BAYER_RG8", width_px=8, height_px=6)
    image = read_row_image(tmp_path, raw)
    assert image.shape == (6, 8, 3)
    np.testing.assert_array_equal(image, read_row_image(tmp_path, row("a.png", "BAYER_RG8")))
    np.testing.assert_array_equal(image, decode_pixels(row_pixels(tmp_path, raw), Limits()))
    assert read_row_image(tmp_path, row("a.png")).ndim == 2


def test_the_bit_depth_scales_raw_rows(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(GREY12.astype("<u2").tobytes())
    scaled = read_row_image(tmp_path, row("a.bin", "MONO16", width_px=8, height_px=6, bit_depth=12))
    np.testing.assert_allclose(scaled, GREY12 * (65535 / 4095), atol=0.51)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (row("a.raw", "MONO8"), "has no header; give pixels, width_px and height_px"),
        (row("a.raw", "MONO8", width_px=9, height_px=6), "as MONO8: 48 bytes of pixels, expected 54"),
        (row("a.raw", "NV12", width_px=8, height_px=6), "as NV12: 48 bytes of pixels, expected 72"),
        (row("a.png", "MONO8"), "pixels = MONO8 is for .raw and .bin files"),
        (row("colour.png", "BAYER_RG8"), "or a mosaic"),
        (row("gone.raw", "MONO8", width_px=8, height_px=6), "does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_file_and_line(tmp_path: Path, image: ImageRow, message: str) -> None:
    (tmp_path / "a.raw").write_bytes(MOSAIC.tobytes())
    (tmp_path / "a.png").write_bytes(image_file(".png", MOSAIC))
    (tmp_path / "colour.png").write_bytes(image_file(".png", np.dstack([MOSAIC] * 3)))
    rows = [PieceRow(piece_id="p", split="train", images=(image,))]
    write_manifest(tmp_path / "m.jsonl", rows)
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: piece p: ") as caught:
        survey(tmp_path / "m.jsonl", rows)
    assert message in str(caught.value)


def test_replay_sends_what_the_camera_would_have_sent(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(MOSAIC.tobytes())
    image = row("a.raw", "BAYER_GB8", width_px=8, height_px=6)
    piece = ManifestPieces(tmp_path, [PieceRow(piece_id="p", split="train", images=(image,))]).piece(0)
    (shot,) = piece.shots
    assert (shot.width_px, shot.height_px, shot.data) == (8, 6, MOSAIC.tobytes())


def test_alpha_that_hides_pixels_and_damaged_tiff_are_found_by_the_survey(tmp_path: Path) -> None:
    (tmp_path / "alpha.png").write_bytes(image_file(".png", np.dstack([MOSAIC] * 4)))
    tiff = bytearray(image_file(".tif", MOSAIC))
    (tmp_path / "opaque.png").write_bytes(image_file(".png", np.dstack([*[MOSAIC] * 3, np.full_like(MOSAIC, 255)])))
    (tmp_path / "a.tif").write_bytes(tiff[: len(tiff) // 2])
    rows = [
        PieceRow(piece_id=name, split="train", images=(row(name),)) for name in ("alpha.png", "opaque.png", "a.tif")
    ]
    write_manifest(tmp_path / "m.jsonl", rows)
    with pytest.raises(ManifestError) as caught:
        survey(tmp_path / "m.jsonl", rows)
    assert "2 file(s) cannot be read" in str(caught.value)
    assert "m.jsonl:1: piece alpha.png: " in str(caught.value)
    assert "pixels are transparent" in str(caught.value)
