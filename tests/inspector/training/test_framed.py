"""Training reads framed pictures, bounded in bytes, and refuses all at once those that cannot be framed."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from inspector.bundle.framing import Framing
from inspector.bundle.schema import ImageInput, Modality
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, Split
from inspector.framing.tables import CameraFraming, TilesTable
from inspector.training import batches, inputs
from inspector.training.batches import batch_rows, num_parts
from inspector.training.config import ImageExpert, TrainConfigError
from inspector.training.data import examples
from inspector.training.experts.tiled import configured_with_tiles, suggest_tiles, with_tiles
from inspector.training.framed import FramedReader, with_framings
from inspector.training.inputs import prepare
from tests.inspector.framing.scenes import HEIGHT_PX, WIDTH_PX, aligned, scene

pytestmark = pytest.mark.train

SQUARE = (((4.0, 4.0), (20.0, 4.0), (20.0, 20.0), (4.0, 20.0)),)
TOP = Modality(name="top", kind="image")
LARGE = (5000, 4000)


def row(name: str, split: Split = "train", **change: object) -> PieceRow:
    image = ImageRow(camera="top", path=f"{name}.png")
    return PieceRow.model_validate(
        {"piece_id": name, "images": (image,), "label": "nok", "split": split, "groups": {"lot": name}, **change}
    )


def framed(framing: Framing) -> Modality:
    return TOP.model_copy(update={"framing": framing})


def test_a_picture_and_its_mask_are_cut_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (24, 32)).astype(np.uint8), np.zeros((24, 32), np.uint8)
    mask[5:8, 6:9], mask[22:, :] = 255, 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    modality = framed(Framing(width_px=32, height_px=24, region=SQUARE))
    (example,) = examples(tmp_path, [row("a", mask="m.png")], modality, ()).values()
    assert isinstance(example.recording, np.ndarray)
    np.testing.assert_array_equal(example.recording, image[4:20, 4:20])
    assert example.mask is not None
    np.testing.assert_array_equal(example.mask, mask[4:20, 4:20] > 127)


def test_pictures_that_cannot_be_aligned_are_named_together(tmp_path: Path) -> None:
    for name in ("good", "bad-1", "bad-2"):
        flat = np.full((HEIGHT_PX, WIDTH_PX), 90, np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.png"), flat if name.startswith("bad") else scene(5, 5))
    with pytest.raises(ManifestError, match="2 pictures cannot be framed") as caught:
        examples(tmp_path, [row("good"), row("bad-1"), row("bad-2")], framed(aligned()), ())
    assert "bad-1.png" in str(caught.value)
    assert "bad-2.png" in str(caught.value)
    assert "good.png" not in str(caught.value)


def test_more_pictures_than_the_memory_holds_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.ones((24, 32), np.uint8))
    reader = FramedReader(tmp_path, TOP, max_bytes=2 * 24 * 32)
    source = ImageRow(camera="top", path="a.png")
    assert reader.read(source) is not None
    assert reader.read(source) is not None
    with pytest.raises(ManifestError, match="top: the recordings of one split take over"):
        reader.read(source)


def test_a_region_needs_pictures_of_one_size(tmp_path: Path) -> None:
    for name, width in (("a", 32), ("b", 30)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.ones((24, width), np.uint8))
    camera = CameraFraming(region=SQUARE)
    with pytest.raises(ManifestError, match=r"32 x 24 px \(a.png\), 30 x 24 px \(b.png\)"):
        with_framings(tmp_path / "m", [row("a"), row("b", "test")], [TOP], {"top": camera})
    (modality,) = with_framings(tmp_path / "m", [row("a")], [TOP], {"top": camera})
    assert modality.framing == Framing(width_px=32, height_px=24, region=SQUARE)


def test_a_table_of_a_camera_that_the_manifest_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"\[cameras.tpo\], and the cameras of .* are top"):
        with_framings(tmp_path / "m", [row("a")], [TOP], {"tpo": CameraFraming(region=SQUARE)})


def test_without_a_table_a_modality_stays_as_it_is(tmp_path: Path) -> None:
    assert with_framings(tmp_path / "m", [row("a")], [TOP], {}) == (TOP,)


def test_batches_of_large_pictures_are_small_and_others_are_as_before() -> None:
    assert batch_rows(torch.zeros(2, 3, 320, 320), 64) == 64
    assert batch_rows(torch.zeros(1, 1, 1248, 1536), 64) == batches.BATCH_BYTES // (4 * 1248 * 1536)
    assert batch_rows(torch.zeros(1, 1, 4096, 4096).expand(3, 3, -1, -1), 64) == 1
    assert batch_rows(torch.zeros(2, 3, 10**6), 64) == 64
    assert num_parts(torch.zeros(1, 1, 48, 48), 32, 1) == 1
    assert num_parts(torch.zeros(1, 1, 48, 48), 3, 4) == 3
    assert num_parts(torch.zeros(1, 1, 1248, 1536), 32, 1) == 2


def test_more_prepared_pictures_than_the_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_PREPARED_BYTES", 4 * 3 * 64 * 64)
    form = ImageInput(tile_height_px=32, tile_width_px=32, rows=2, cols=2, num_channels=1)
    pictures = [np.ones((8, 8), np.uint8)] * 3
    assert prepare(pictures, form).shape == (3, 1, 64, 64)
    with pytest.raises(ManifestError, match=r"4 pictures of 64 x 64 px take .* fewer tiles"):
        prepare([*pictures, pictures[0]], form)


def expert(**change: object) -> ImageExpert:
    return ImageExpert.model_validate({"name": "top-full", "modality": "top", "scout": False, **change})


def test_tiles_replace_the_views_of_whole_pictures_and_leave_the_scout() -> None:
    scout = expert(name="top-scout", scout=True)
    chosen = with_tiles([scout, expert(height_px=96, width_px=96)], "top", LARGE, TilesTable(smallest_defect_px=10))
    assert chosen[0] == scout
    tiled = chosen[1]
    assert isinstance(tiled, ImageExpert)
    assert (tiled.name, tiled.rows, tiled.cols, tiled.height_px, tiled.width_px) == ("top-tiles", 3, 3, 416, 512)
    assert tiled.encoder == "micro"
    assert with_tiles([scout, expert()], "top", LARGE, None) == [scout, expert()]


def test_a_configured_expert_without_a_size_takes_the_tiles_of_its_camera() -> None:
    table = TilesTable(rows=2, cols=3, side_px=64)
    tiled = configured_with_tiles(expert(), LARGE, table)
    assert isinstance(tiled, ImageExpert)
    assert (tiled.rows, tiled.cols, tiled.width_px) == (2, 3, 64)
    assert configured_with_tiles(expert(rows=1), LARGE, table) == expert(rows=1)
    assert configured_with_tiles(expert(scout=True), LARGE, table) == expert(scout=True)


def test_tiles_beyond_the_memory_name_their_table() -> None:
    with pytest.raises(TrainConfigError, match=r"\[cameras.top.tiles\]: .* ask for a defect of"):
        with_tiles([expert()], "top", LARGE, TilesTable(smallest_defect_px=3))


def test_a_large_picture_is_met_with_a_suggestion_and_an_ordinary_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        suggest_tiles([expert(height_px=320, width_px=320)], "top", (640, 480))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        suggest_tiles([expert(height_px=320, width_px=320)], "top", LARGE)
    assert "smallest visible defect has about 47 px" in caplog.text
    assert "[cameras.top.tiles] with smallest_defect_px = 12" in caplog.text
