"""The smallest visible defect, and the tiles by which a smaller one is seen."""

import pytest

from inspector.bundle.schema import MAX_NETWORK_PX, ImageInput
from inspector.framing.tables import TilesTable
from inspector.framing.visible import MAX_TILES, TilingError, side_px, tiling, visible_px

SIZES = [(5000, 4000), (2592, 1944), (2048, 20000), (20000, 2048), (640, 480), (100, 90)]


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("defect_px", [6, 10, 30])
def test_the_defect_that_was_asked_for_is_seen(size_px: tuple[int, int], defect_px: float) -> None:
    tiles = tiling(size_px, TilesTable(smallest_defect_px=defect_px))
    form = ImageInput(
        tile_height_px=tiles.height_px, tile_width_px=tiles.width_px, rows=tiles.rows, cols=tiles.cols, num_channels=1
    )
    assert side_px(size_px, form) <= defect_px
    assert max(tiles.rows, tiles.cols) <= MAX_TILES


def test_more_pixels_than_a_network_can_take_are_refused_with_what_is_possible() -> None:
    with pytest.raises(TilingError, match=f"more than {MAX_NETWORK_PX}; ask for a defect of 4 px or more"):
        tiling((5000, 4000), TilesTable(smallest_defect_px=3))
    assert tiling((5000, 4000), TilesTable(smallest_defect_px=4)).rows > 1


def test_rows_and_columns_may_be_given() -> None:
    assert tiling((5000, 4000), TilesTable(rows=2, cols=3, side_px=64)) == (2, 3, 64, 64)


def test_a_shrunk_picture_hides_small_defects_and_an_enlarged_one_shows_no_more_than_it_has() -> None:
    assert visible_px((5000, 4000), (320, 320)) == pytest.approx(46.875)
    assert visible_px((100, 90), (320, 320)) == 3


def test_tiles_say_how_many() -> None:
    for wrong in ({}, {"rows": 2}, {"smallest_defect_px": 9, "rows": 2, "cols": 2}):
        with pytest.raises(ValueError, match="says not how many tiles"):
            TilesTable.model_validate(wrong)


def test_a_form_of_input_larger_than_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        ImageInput(tile_height_px=4096, tile_width_px=4096, rows=2, cols=1)
