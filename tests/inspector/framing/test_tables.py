"""The keys of region, mask, alignment and tiles, in a training configuration and in a recipe."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.framing.resolve import FramingError, resolved
from inspector.framing.tables import AlignTable, CameraFraming
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipes import load_recipe
from inspector.training.config import TrainConfig, TrainConfigError, read_train_config
from tests.inspector.framing.scenes import HEIGHT_PX, WIDTH_PX, scene
from tests.texts import camera_recipe_text

SIZE = (WIDTH_PX, HEIGHT_PX)
SQUARE = "[[10, 10], [50, 10], [50, 40], [10, 40]]"
KEYS = f"""
region = {SQUARE}
[{{table}}.align]
reference = "ref.png"
max_shift_px = 20
[{{table}}.tiles]
smallest_defect_px = 10
"""
RECIPE = camera_recipe_text("b", name="disc")


def config(folder: Path, text: str) -> TrainConfig:
    (folder / "train.toml").write_text(text)
    return read_train_config(folder / "train.toml")


def test_training_configuration_and_recipe_have_the_same_keys(tmp_path: Path) -> None:
    trained = config(tmp_path, "[cameras.top]" + KEYS.format(table="cameras.top")).cameras["top"]
    (tmp_path / "recipe.toml").write_text(RECIPE + KEYS.format(table="cameras"))
    (camera,) = load_recipe(tmp_path / "recipe.toml").recipe.cameras
    assert camera.model_dump(include=set(CameraFraming.model_fields)) == trained.model_dump()
    assert trained.region == (((10, 10), (50, 10), (50, 40), (10, 40)),)
    assert trained.align is not None
    assert trained.align.reference == tmp_path / "ref.png"


def test_several_polygons_are_a_list_of_them(tmp_path: Path) -> None:
    camera = config(tmp_path, f"[cameras.top]\nregion = [{SQUARE}, {SQUARE}]\n").cameras["top"]
    assert len(camera.region) == 2


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("region = [[1, 1], [2, 2]]", "at least 3"),
        ("region = [[1, 1], [2, 2], [3, 3]]", "has no area"),
        ('region = [[1, 1], [2, 2], [3, "x"]]', "valid number"),
        (f'region = {SQUARE}\nmask = "m.png"', "remove one of them"),
        ("regoin = []", "regoin.*is not a known key; did you mean 'region'"),
        ("[cameras.top.tiles]\nrows = 2", "give smallest_defect_px, or both rows and cols"),
        ("[cameras.top.align]\nmax_turn_deg = 90", "less than or equal to 45"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(tmp_path: Path, text: str, finding: str) -> None:
    with pytest.raises(TrainConfigError, match=finding):
        config(tmp_path, "[cameras.top]\n" + text)
    (tmp_path / "recipe.toml").write_text(RECIPE + text.replace("cameras.top", "cameras"))
    with pytest.raises(ConfigError, match=finding):
        load_recipe(tmp_path / "recipe.toml")


def test_a_reference_is_kept_small(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "ref.png"), cv2.resize(scene(), (1600, 1200)))
    table = CameraFraming(align=AlignTable(reference=tmp_path / "ref.png"))
    framing = resolved(table, (1600, 1200), None)
    assert framing is not None
    assert framing.align is not None
    assert framing.align.max_shift_px == 80
    assert len(framing.model_dump_json()) < 200_000


def test_a_reference_of_twelve_bits_is_read_as_its_camera_says(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "ref.png"), scene().astype(np.uint16) * 16)
    framing = resolved(CameraFraming(align=AlignTable(reference=tmp_path / "ref.png")), SIZE, 12)
    assert framing is not None


@pytest.mark.parametrize(
    ("name", "pixels", "finding"),
    [
        ("mask.png", None, "cannot be read"),
        ("mask.gif", None, "is no .png"),
        ("mask.png", np.ones((9, 9), np.uint8), "has 9 x 9 px and the camera's pictures 320 x 240"),
        ("mask.png", np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8), "no pixel inside"),
        ("mask.png", b"no png", "mask.png: "),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(tmp_path: Path, name: str, pixels: object, finding: str) -> None:
    path = tmp_path / name
    if isinstance(pixels, np.ndarray):
        cv2.imwrite(str(path), pixels)
    elif isinstance(pixels, bytes):
        path.write_bytes(pixels)
    with pytest.raises(FramingError, match=finding):
        resolved(CameraFraming(mask=path), SIZE, None)


@pytest.mark.parametrize("corner", [(WIDTH_PX + 1.0, 10.0), (10.0, HEIGHT_PX + 1.0), (-1.0, 10.0)])
def test_a_region_with_a_corner_outside_of_the_pictures_is_refused(corner: tuple[float, float]) -> None:
    table = CameraFraming(region=(((10.0, 10.0), (50.0, 10.0), (50.0, 40.0), corner),))
    with pytest.raises(FramingError, match=f"lies outside of the camera's pictures of {WIDTH_PX} x {HEIGHT_PX} px"):
        resolved(table, SIZE, None)


def test_a_region_may_end_at_the_edge_of_the_pictures() -> None:
    edge = ((0.0, 0.0), (float(WIDTH_PX), 0.0), (float(WIDTH_PX), float(HEIGHT_PX)), (0.0, float(HEIGHT_PX)))
    assert resolved(CameraFraming(region=(edge,)), SIZE, None) is not None


def test_a_flat_reference_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "ref.png"), np.full((HEIGHT_PX, WIDTH_PX), 90, np.uint8))
    with pytest.raises(FramingError, match="flat"):
        resolved(CameraFraming(align=AlignTable(reference=tmp_path / "ref.png")), SIZE, None)


def test_tiles_alone_frame_nothing() -> None:
    assert resolved(CameraFraming.model_validate({"tiles": {"rows": 2, "cols": 2}}), SIZE, None) is None
