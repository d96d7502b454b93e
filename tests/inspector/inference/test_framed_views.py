"""Framed pictures of pieces: kept within a number of bytes, and equal when they are cut again."""

import numpy as np

from inspector.bundle.framing import Framing
from inspector.framing.framer import Framer
from inspector.inference.framed_views import FramedViews
from streams.observation import MissingReason, State, View
from tests.bundles import piece

SQUARE = (((4.0, 4.0), (20.0, 4.0), (20.0, 20.0), (4.0, 20.0)),)


def views(max_bytes: int = 2**20) -> FramedViews:
    return FramedViews({"top": Framer(Framing(width_px=32, height_px=24, region=SQUARE))}, max_bytes)


def of_images(*images: np.ndarray) -> View:
    return View("top", images, State.PRESENT)


def test_experts_see_the_region_and_the_piece_keeps_its_pictures() -> None:
    framed, image = views(), np.random.default_rng(0).integers(0, 255, (24, 32)).astype(np.uint8)
    (placed,) = framed.placed([piece(of_images(image))])
    assert placed.views["top"].images == (image,)
    np.testing.assert_array_equal(framed.image(0, "top", 0, image), image[4:20, 4:20])
    placement = framed.placement(0, "top", 0)
    assert placement is not None
    assert placement.corners(0, 0, 16, 16).min(0).tolist() == [4, 4]


def test_no_more_bytes_are_kept_than_allowed_and_what_was_dropped_is_cut_again() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (24, 32)).astype(np.uint8) for _ in range(5)]
    framed = views(max_bytes=2 * 16 * 16)
    framed.placed([piece(of_images(*images))])
    first = [framed.image(0, "top", index, image) for index, image in enumerate(images)]
    assert framed.kept_bytes == 2 * 16 * 16
    again = [framed.image(0, "top", index, image) for index, image in enumerate(images)]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_picture_larger_than_allowed_is_still_framed() -> None:
    framed, image = views(max_bytes=1), np.ones((24, 32), np.uint8)
    framed.placed([piece(of_images(image))])
    assert framed.image(0, "top", 0, image).shape == (16, 16)


def test_one_of_several_images_that_cannot_be_framed_makes_the_camera_implausible() -> None:
    (placed,) = views().placed([piece(of_images(np.ones((24, 32), np.uint8), np.ones((24, 30), np.uint8)))])
    assert placed.views["top"].state is State.IMPLAUSIBLE
    assert placed.views["top"].absence is MissingReason.FORMAT


def test_a_bundle_without_framing_changes_nothing() -> None:
    pieces = [piece()]
    framed = FramedViews({})
    assert framed.placed(pieces) == pieces
    image = pieces[0].views["top"].images[0]
    assert framed.image(0, "top", 0, image) is image
