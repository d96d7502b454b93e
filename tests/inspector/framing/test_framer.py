"""The one reader of framed pictures: what lies outside does not count, and what cannot be framed is refused."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.bundle.framing import Framing
from inspector.bundle.schema import Modality
from inspector.framing.framer import Framer, framers
from inspector.framing.placement import Placement
from inspector.framing.png import png_text
from inspector.framing.refusal import Refusal
from streams.observation import MissingReason

TRIANGLE = (((10.0, 10.0), (50.0, 10.0), (10.0, 40.0)),)


def framing(**change: object) -> Framing:
    return Framing.model_validate({"width_px": 64, "height_px": 48, "region": TRIANGLE, **change})


def placed(framer: Framer, image: np.ndarray) -> Placement:
    placement = framer.place(image)
    assert isinstance(placement, Placement)
    return placement


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_outside_of_the_region_change_nothing(
    shape: tuple[int, ...], dtype: type[np.uint8] | type[np.uint16]
) -> None:
    rng = np.random.default_rng(0)
    image: NDArray[Any] = rng.integers(0, 200, shape).astype(dtype)
    framer = Framer(framing())
    inside = np.zeros((48, 64), bool)
    rows, cols = np.mgrid[0:48, 0:64]
    inside[(rows > 10) & (cols > 10) & ((cols - 10) / 40 + (rows - 10) / 30 < 0.95)] = True
    other: NDArray[Any] = rng.integers(0, 255, shape).astype(dtype)
    far = (rows < 9) | (cols < 9) | ((cols - 10) / 40 + (rows - 10) / 30 > 1.1)
    outside = far[..., np.newaxis] if image.ndim == 3 else far
    changed: NDArray[Any] = np.where(outside, other, image).astype(dtype)
    framed = framer.frame(image)
    assert not isinstance(framed, Refusal)
    assert framed.dtype == dtype
    again = framer.frame(changed)
    assert not isinstance(again, Refusal)
    np.testing.assert_array_equal(framed, again)
    touched = image.copy()
    touched[12, 12] = 255
    third = framer.frame(touched)
    assert not isinstance(third, Refusal)
    assert not np.array_equal(framed, third)


def test_what_is_hidden_takes_the_mean_of_the_region_so_a_covered_lens_still_gives_one_value() -> None:
    framed = Framer(framing()).frame(np.full((48, 64), 7, np.uint8))
    assert not isinstance(framed, Refusal)
    assert np.unique(framed).tolist() == [7]


def test_a_mask_and_a_polygon_around_the_same_pixels_are_the_same() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 30:50] = 255
    square = (((30.0, 10.0), (50.0, 10.0), (50.0, 20.0), (30.0, 20.0)),)
    by_polygon, by_mask = Framer(framing(region=square)), Framer(framing(region=(), mask_png=png_text(mask)))
    for framer in (by_polygon, by_mask):
        framed = framer.frame(image)
        assert not isinstance(framed, Refusal)
        np.testing.assert_array_equal(framed, image[10:20, 30:50])


def test_several_polygons_share_one_picture() -> None:
    squares = tuple(((x, 5.0), (x + 5, 5.0), (x + 5, 10.0), (x, 10.0)) for x in (5.0, 40.0))
    framer = Framer(framing(region=squares))
    assert framer.size_px == (40, 5)
    image = np.zeros((48, 64), np.uint8)
    image[5:10, 5:10], image[5:10, 40:45] = 10, 30
    framed = framer.frame(image)
    assert not isinstance(framed, Refusal)
    assert framed[2, 20] == 20


def test_a_picture_of_another_size_is_refused() -> None:
    refusal = Framer(framing()).place(np.zeros((48, 63), np.uint8))
    assert isinstance(refusal, Refusal)
    assert refusal.absence is MissingReason.FORMAT
    assert "63 x 48 px" in refusal.detail


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"region": (((100.0, 0.0), (120.0, 0.0), (100.0, 9.0)),)}, "no pixel inside"),
        ({"region": (), "mask_png": png_text(np.zeros((48, 64), np.uint8))}, "no pixel inside"),
        ({"region": (), "mask_png": png_text(np.ones((48, 60), np.uint8))}, "60 x 48"),
        ({"region": (), "mask_png": "!"}, "base64"),
        ({"region": (), "mask_png": "abcd"}, "no PNG"),
    ],
)
def test_a_framing_that_contradicts_itself_names_the_camera(change: dict[str, object], finding: str) -> None:
    modality = Modality(name="top", kind="image", framing=framing(**change))
    with pytest.raises(ValueError, match=finding) as caught:
        framers([modality])
    assert "camera top" in str(caught.value)


def test_a_defects_mask_is_cut_as_its_picture_is() -> None:
    framer = Framer(framing())
    image = np.zeros((48, 64), np.uint8)
    mask = np.zeros((48, 64), bool)
    mask[12:15, 12:16], mask[40:44, 50:60] = True, True
    cut = framer.cut_mask(mask, placed(framer, image))
    assert cut.shape == (framer.size_px[1], framer.size_px[0])
    assert cut.sum() == 12
