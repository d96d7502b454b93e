"""Scores of heat maps against their definitions, on maps small enough to work out by hand."""

import numpy as np
import pytest

from inspector.evaluation.explanations.localisation import (
    CHANCE_OF_PRO,
    TOLERANCE_PX,
    centred,
    chance,
    edges,
    localise,
    per_region_overlap,
    pointing,
)

pytestmark = pytest.mark.train
SIDE = 64


def marked(*squares: tuple[int, int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Squares by top, left and side."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for top, left, side in squares:
        mask[top : top + side, left : left + side] = True
    return mask


TWO = marked((4, 4, 20), (40, 40, 5))
GOOD = marked()


def test_a_map_that_is_the_mask_scores_full_and_its_opposite_nothing() -> None:
    best = localise([TWO.astype(np.float32), np.zeros_like(TWO, np.float32)], [TWO, GOOD], ["a", "b"], seed=0)
    worst = localise([(~TWO).astype(np.float32), np.ones_like(TWO, np.float32)], [TWO, GOOD], ["a", "b"], seed=0)
    assert (best.pooled_auroc, best.image_auroc.mean, best.pro, best.pointing) == pytest.approx((1, 1, 1, 1))
    assert (worst.pooled_auroc, worst.image_auroc.mean, worst.pro) == pytest.approx((0, 0, 0))


def test_a_map_that_says_nothing_is_at_chance() -> None:
    flat = np.full((SIDE, SIDE), 0.3, np.float32)
    result = localise([flat], [TWO], ["a"], seed=0)
    against = chance([TWO, GOOD])
    assert (result.pooled_auroc, result.pro) == pytest.approx((0.5, CHANCE_OF_PRO))
    assert result.pointing == pytest.approx(against.pointing)
    assert against.images == 1
    assert against.mask_share == pytest.approx(425 / SIDE**2)


def test_regions_count_alike_whatever_their_size() -> None:
    small, large = marked((40, 40, 5)), marked((4, 4, 20))
    assert per_region_overlap([small.astype(np.float32)], [TWO]) == pytest.approx(
        per_region_overlap([large.astype(np.float32)], [TWO]), abs=0.01
    )
    assert per_region_overlap([large.astype(np.float32)], [TWO]) == pytest.approx(0.5 + 0.5 * CHANCE_OF_PRO, abs=0.01)


def test_spots_left_by_compression_are_no_region() -> None:
    spotted = TWO | marked((60, 2, 3))
    assert per_region_overlap([TWO.astype(np.float32)], [spotted]) == pytest.approx(1)


@pytest.mark.parametrize(("away_px", "hit"), [(0, 1), (TOLERANCE_PX, 1), (TOLERANCE_PX + 1, 0)])
def test_a_pointer_hits_within_the_tolerance(away_px: int, hit: float) -> None:
    map_ = np.zeros((SIDE, SIDE), np.float32)
    map_[10, 23 + away_px] = 1
    assert pointing(map_, marked((4, 4, 20))) == hit


def test_a_plateau_hits_by_the_share_of_it_that_does() -> None:
    map_ = np.zeros((SIDE, SIDE), np.float32)
    map_[10, 10] = map_[10, 60] = map_[60, 60] = map_[60, 10] = 1
    assert pointing(map_, marked((4, 4, 20))) == 0.25


def test_baselines_know_the_middle_and_the_edges() -> None:
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[:, SIDE // 4 :] = 200
    assert centred(TWO).argmax() in (31 * SIDE + 31, 31 * SIDE + 32, 32 * SIDE + 31, 32 * SIDE + 32)
    assert abs(edges(image)[SIDE // 2].argmax() - SIDE // 4) <= 1
