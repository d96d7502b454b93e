"""Boxes and maps of a framed picture, carried back to the camera's picture."""

import numpy as np

from inspector.framing.placement import Placement, inverse, joined, mapped, moved, scaled

SHIFTED = Placement(moved(20, 10), 40, 30)


def test_a_box_of_a_region_lies_where_the_region_lies() -> None:
    corners = SHIFTED.corners(0, 0, 40, 30)
    assert corners.min(0).tolist() == [20, 10]
    assert corners.max(0).tolist() == [60, 40]


def test_a_map_is_drawn_at_its_place_and_nowhere_else() -> None:
    drawn = SHIFTED.over_picture(np.ones((3, 4), np.float32), (100, 80), (100, 80))
    assert drawn.shape == (80, 100)
    assert drawn[10:40, 20:60].min() == 1
    assert drawn.sum() == 30 * 40


def test_nothing_is_drawn_outside_of_the_region() -> None:
    inside = np.zeros((30, 40), np.uint8)
    inside[:15] = 255
    placement = Placement(moved(20, 10), 40, 30, inside)
    drawn = placement.over_picture(np.ones((6, 8), np.float32), (100, 80), (100, 80))
    assert drawn[10:25, 20:60].min() > 0
    assert drawn[25:].sum() == 0
    assert placement.inside_of((6, 8))[:3].all()
    assert not placement.inside_of((6, 8))[3:].any()


def test_a_map_of_a_turned_piece_is_turned_back() -> None:
    quarter = np.array([[0.0, -1.0, 39.0], [1.0, 0.0, 0.0]])
    relevance = np.zeros((40, 40), np.float32)
    relevance[0, 0:10] = 1
    drawn = Placement(quarter, 40, 40).over_picture(relevance, (40, 40), (40, 40))
    assert drawn[:10, 39].min() > 0.9
    assert drawn[:, :38].max() < 0.1


def test_affine_maps_join_and_invert() -> None:
    turn = np.array([[0.0, -1.0, 3.0], [1.0, 0.0, 4.0]])
    points = np.array([[1.0, 2.0], [5.0, 7.0]])
    np.testing.assert_allclose(mapped(joined(inverse(turn), turn), points), points)


def test_a_map_between_shrunk_pictures_holds_for_whole_ones() -> None:
    whole = scaled(moved(3, -2), 0.25)
    np.testing.assert_allclose(whole, moved(12, -8))
    half_turn = np.array([[-1.0, 0.0, 9.0], [0.0, -1.0, 9.0]])  # of a picture of 10 px around its middle
    np.testing.assert_allclose(scaled(half_turn, 0.5), [[-1, 0, 19], [0, -1, 19]], atol=1e-12)
