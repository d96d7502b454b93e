"""`check` says which part of each camera's pictures is judged, and the smallest defect that the bundle sees."""

from pathlib import Path

import pytest

from inspector.bundle.framing import Framing
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, ImageInput, PictureFormat, Plausibility, Range
from inspector.diagnostics.record_lines import record_lines
from inspector.diagnostics.starter import Starter, recipe_text
from inspector.diagnostics.visible_lines import visible_lines
from tests.bundles import MODALITIES, toy_recipe, write_toy_bundle
from tests.inspector.framing.scenes import aligned

LARGE = Framing(width_px=5000, height_px=4000, region=(((0.0, 0.0), (4000.0, 0.0), (4000.0, 4000.0), (0.0, 4000.0)),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy_bundle(tmp_path / "toy")


def changed(folder: Path, form: ImageInput | None = None, **top: object) -> Bundle:
    schema = load(folder).schema
    experts = tuple(
        expert.model_copy(update={"input": form}) if form and expert.name == "top-full" else expert
        for expert in schema.experts
    )
    return schema.model_copy(
        update={"modalities": (MODALITIES[0].model_copy(update=top), MODALITIES[1]), "experts": experts}
    )


def lines(folder: Path, bundle: Bundle) -> str:
    return "\n".join(visible_lines(toy_recipe(folder), bundle))


def test_a_large_picture_on_a_small_input_is_warned_of(folder: Path) -> None:
    form = ImageInput(tile_height_px=320, tile_width_px=320)
    text = lines(folder, changed(folder, form, framing=LARGE))
    assert "a region of its pictures is judged; pictures of 5000 x 4000 px" in text
    assert "about 38 px of the camera's picture (4000 x 4000 px judged, by top-full)" in text
    assert "WARNING, smaller defects may be lost; train with [cameras.top.tiles] smallest_defect_px" in text


def test_with_tiles_it_is_not(folder: Path) -> None:
    form = ImageInput(tile_height_px=400, tile_width_px=400, rows=4, cols=4)
    text = lines(folder, changed(folder, form, framing=LARGE))
    assert "about 8 px" in text
    assert "WARNING" not in text


def test_without_a_region_the_size_of_the_training_pictures_counts(folder: Path) -> None:
    known = PictureFormat(
        height_px=Range(low=96, high=96), width_px=Range(low=128, high=128), aspect=Range(), depths=("uint8",),
        channels=(1,),
    )  # fmt: skip
    limits = Plausibility(recordings=1, groups=1, figures={}, picture=known)
    form = ImageInput(tile_height_px=96, tile_width_px=96)
    assert "about 4 px of the camera's picture (128 x 96 px" in lines(
        folder, changed(folder, form, plausibility=limits)
    )


def test_an_unknown_size_is_said(folder: Path) -> None:
    assert "smallest visible defect unknown" in lines(folder, changed(folder))


def test_alignment_is_said_with_its_limits_and_a_starter_recipe_leaves_it_to_the_bundle(folder: Path) -> None:
    bundle = changed(folder, framing=aligned())
    assert "aligned within 24 px and 5 degrees" in lines(folder, bundle)
    assert "stand in the bundle, as trained" in recipe_text(bundle, folder, folder.parent, Starter())


def test_a_camera_whose_raw_pixels_do_not_fit_into_a_record_is_named_with_the_ways_out(folder: Path) -> None:
    bundle = changed(folder, framing=LARGE)
    (line,) = record_lines(toy_recipe(folder), bundle, 8 * 2**20)
    assert "camera top: raw pixels of 5000 x 4000 px take 19.1 MiB at least, a record 8.0 MiB at most: send" in line
    assert "raise max_record_bytes, or send references ([references] allowed_prefixes)" in line
    assert list(record_lines(toy_recipe(folder), bundle, 20 * 2**20)) == []
