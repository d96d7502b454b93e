"""Alignment with a reference: found within limits, refused beyond them, and bounded in work."""

import re
from collections import Counter

import cv2
import numpy as np
import pytest

from inspector.bundle.framing import Alignment, Framing
from inspector.framing import alignment
from inspector.framing.alignment import MAX_STEPS, MAX_TURNS, Aligner, Limits, shrunk
from inspector.framing.framer import Framer
from inspector.framing.placement import Placement, joined, mapped, moved
from inspector.framing.png import png_text
from inspector.framing.refusal import Refusal
from streams.observation import MissingReason
from tests.inspector.framing.scenes import HEIGHT_PX, REGION, WIDTH_PX, aligned, scene

MOVES = [(0, 0, 0), (15, -12, 2), (-20, 8, -4.5), (5, 18, 4.5)]


@pytest.mark.parametrize("region", [False, True])
@pytest.mark.parametrize(("dx", "dy", "turn"), MOVES)
def test_a_shifted_and_turned_piece_is_laid_over_the_reference(dx: float, dy: float, turn: float, region: bool) -> None:
    framer = Framer(aligned(region))
    placement = framer.place(scene(dx, dy, turn))
    assert isinstance(placement, Placement), placement
    left, top = REGION[0][0] if region else (0.0, 0.0)
    corners = np.array(REGION[0])
    turned = cv2.getRotationMatrix2D((WIDTH_PX / 2 - 0.5, HEIGHT_PX / 2 - 0.5), -turn, 1.0)
    expected = joined(moved(dx, dy), np.asarray(turned, np.float64))
    found = mapped(placement.to_picture, corners - (left, top))
    assert np.abs(found - mapped(expected, corners)).max() < 2
    cut = framer.cut(scene(dx, dy, turn), placement)
    middle = cut[placement.height_px // 2, placement.width_px // 2]
    assert abs(float(middle) - 150) < 25


@pytest.mark.parametrize(
    ("picture", "finding"),
    [
        (scene(60, 0), "px off the reference|correlation"),
        (scene(0, 0, 25), "turned by|correlation"),
        (np.full((HEIGHT_PX, WIDTH_PX), 90, np.uint8), "cannot be aligned|correlation"),
        (np.random.default_rng(0).integers(0, 255, (HEIGHT_PX, WIDTH_PX)).astype(np.uint8), "correlation"),
    ],
    ids=["too far", "turned too far", "no piece", "noise"],
)
def test_a_piece_that_cannot_be_aligned_is_refused(picture: np.ndarray, finding: str) -> None:
    refusal = Framer(aligned()).place(picture)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.absence is MissingReason.ALIGNMENT
    assert re.search(finding, refusal.detail)
    assert "right piece" in refusal.detail


def test_a_region_that_leaves_the_picture_is_refused() -> None:
    framing = aligned(max_shift_px=60).model_copy(update={"region": (((75.0, 2.0), (245.0, 2.0), (245.0, 180.0)),)})
    refusal = Framer(framing).place(scene(0, -30))
    assert isinstance(refusal, Refusal)
    assert "outside of the picture" in refusal.detail


def test_pixels_farther_outside_than_a_piece_may_lie_change_no_alignment() -> None:
    framer, picture = Framer(aligned(region=True)), scene(6, -5, 1)
    changed = picture.copy()
    changed[:30], changed[-30:], changed[:, :40], changed[:, -40:] = 255, 0, 200, 255
    first, second = framer.place(picture), framer.place(changed)
    assert isinstance(first, Placement)
    assert isinstance(second, Placement)
    np.testing.assert_array_equal(first.to_picture, second.to_picture)
    np.testing.assert_array_equal(framer.cut(picture, first), framer.cut(changed, second))


def test_a_region_without_features_is_aligned_by_what_lies_around_it() -> None:
    plain = ((((100.0, 120.0), (150.0, 120.0), (150.0, 150.0), (100.0, 150.0))),)
    framing = aligned().model_copy(update={"region": plain})
    with pytest.raises(ValueError, match="around_px"):
        Framer(framing.model_copy(update={"align": _noiseless(framing)}))
    assert framing.align is not None
    wide = framing.model_copy(update={"align": framing.align.model_copy(update={"around_px": 50.0})})
    placement = Framer(wide).place(scene(12, -6, 0))
    assert isinstance(placement, Placement), placement
    np.testing.assert_allclose(placement.corners(0, 0, 50, 30)[0], [112, 114], atol=1.5)


def _noiseless(framing: Framing) -> Alignment:
    assert framing.align is not None
    smooth = cv2.medianBlur(scene(seed=0), 9)
    return framing.align.model_copy(update={"reference_png": png_text(shrunk(np.asarray(smooth, np.uint8)))})


def test_light_may_differ_from_the_references() -> None:
    darker = (scene(8, 4, 1) * 0.5 + 10).astype(np.uint8)
    assert isinstance(Framer(aligned()).place(darker), Placement)


def test_pictures_of_16_bits_are_aligned_too() -> None:
    assert isinstance(Framer(aligned()).place(scene(8, 4, 1).astype(np.uint16) * 257), Placement)


def test_a_flat_reference_is_refused() -> None:
    flat = np.full((240, 320), 90, np.uint8)
    with pytest.raises(ValueError, match="flat"):
        Aligner(flat, 320, None, Limits(10, 5))


def test_the_search_ends_after_a_number_of_steps_whatever_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound in time: its steps on pictures of at most 320 px, not a clock, so that replays decide alike."""
    calls: Counter[str] = Counter()
    search, climb = cv2.matchTemplate, cv2.findTransformECC

    def counted_search(*arguments: object) -> object:
        calls["search"] += 1
        return search(*arguments)  # type: ignore[call-overload]

    def counted_climb(*arguments: object) -> object:
        calls["climb"] += 1
        assert arguments[4][1] == MAX_STEPS  # type: ignore[index]
        assert max(arguments[0].shape) <= alignment.FINE_PX  # type: ignore[attr-defined]
        return climb(*arguments)  # type: ignore[call-overload]

    monkeypatch.setattr(cv2, "matchTemplate", counted_search)
    monkeypatch.setattr(cv2, "findTransformECC", counted_climb)
    Framer(aligned(max_turn_deg=45)).place(scene(3, 3, 30))
    assert 20 < calls["search"] <= MAX_TURNS
    assert 1 <= calls["climb"] <= 3
