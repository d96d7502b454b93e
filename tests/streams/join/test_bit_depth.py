"""Images of 10, 12 or 14 bits in 16: scaled to full scale once, and refused where they cannot be such."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from streams.decode.items import Frame, Item, Origin
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec, BitDepth, CameraSpec, SensorSpec
from streams.join.bit_depth import to_full_scale
from streams.observation import Image, MissingReason, State
from tests.streams.join.join_model import FRAMES, SPEC, Book, Make, frame, reference
from tests.streams.join.join_rig import P, Rig, at_s

TWELVE = replace(SPEC, cameras=(CameraSpec("top", bit_depth=12), CameraSpec("side", 2)))
GOOD = np.array([[0, 1, 2048, 4095]], np.uint16)
TOO_BRIGHT = np.array([[0, 4096]], np.uint16)
EIGHT_BITS = np.array([[0, 255]], np.uint8)


class TwelveBits(Book):
    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return TWELVE if product == "good" else None

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {}


def shot(image: Image) -> Make:
    def make(origin: Origin) -> Item:
        item = frame(P, "top", 0, at_s(0))(origin)
        assert isinstance(item, Frame)
        return replace(item, image=image)

    return make


@pytest.mark.parametrize("depth", [10, 12, 14])
def test_every_value_becomes_its_share_of_full_scale(depth: BitDepth) -> None:
    values = np.arange(2**depth, dtype=np.uint16)[None]
    scaled = to_full_scale(values, depth)
    assert scaled.dtype == np.uint16
    assert (scaled[0, 0], scaled[0, -1]) == (0, 65535)
    assert np.abs(scaled / 65535 - values / (2**depth - 1)).max() <= 0.5 / 65535
    assert np.unique(scaled).size == values.size


@pytest.mark.parametrize(("depth", "dtype"), [(None, np.uint8), (None, np.uint16), (8, np.uint8), (16, np.uint16)])
def test_what_fills_its_type_is_not_touched(depth: BitDepth | None, dtype: type[np.uint8] | type[np.uint16]) -> None:
    image: Image = np.zeros((1, 2), dtype)  # type: ignore[assignment]  # one of both types
    image[0, 1] = np.iinfo(dtype).max
    assert to_full_scale(image, depth) is image


def test_eight_bits_in_sixteen_are_the_same_as_eight() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_full_scale(image.astype(np.uint16), 8), image)
    assert to_full_scale(image.astype(np.uint16), 8).dtype == np.uint8


@pytest.mark.parametrize(
    ("image", "depth", "message"),
    [
        (TOO_BRIGHT, 12, "a pixel is 4096, expected at most 4095"),
        (GOOD << 4, 12, "shifted up to fill 16 bits have bit_depth = 16"),
        (np.array([[1024]], np.uint16), 10, "expected at most 1023"),
        (np.array([[16384]], np.uint16), 14, "expected at most 16383"),
        (np.array([[256]], np.uint16), 8, "expected at most 255"),
        (EIGHT_BITS, 12, "has 8 bits per value, but bit_depth says 12 bits in 16"),
        (EIGHT_BITS, 16, "has 8 bits per value, but bit_depth says 16 bits in 16"),
    ],
)
def test_pixels_that_the_camera_cannot_give_are_refused(image: Image, depth: BitDepth, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        to_full_scale(image, depth)


def test_the_join_hands_on_images_at_full_scale() -> None:
    rig = Rig(book=TwelveBits())
    rig.put(FRAMES, 0.0, shot(GOOD))
    (piece,) = rig.pass_s(3.0)
    assert np.array_equal(piece.views["top"].images[0], to_full_scale(GOOD, 12))


@pytest.mark.parametrize("image", [TOO_BRIGHT, EIGHT_BITS])
def test_an_image_of_another_bit_depth_is_one_dead_letter_and_its_camera_missing(image: Image) -> None:
    rig = Rig(book=TwelveBits())
    rig.put(FRAMES, 0.0, shot(image))
    (piece,) = rig.pass_s(3.0)
    (letter,) = rig.join.rejected()
    assert "camera top: " in letter.detail
    assert "bit_depth" in letter.detail
    assert (piece.views["top"].state, piece.views["top"].absence) == (State.MISSING, MissingReason.UNDECODABLE)


def test_a_good_frame_takes_the_place_of_one_of_another_bit_depth() -> None:
    rig = Rig(book=TwelveBits())
    rig.put(FRAMES, 0.0, shot(TOO_BRIGHT))
    rig.put(FRAMES, 0.1, shot(GOOD))
    (piece,) = rig.pass_s(3.0)
    assert piece.views["top"].state is State.PRESENT
    assert rig.reasons() == ["WRONG_FORMAT"]


@pytest.mark.parametrize(("image", "state"), [(GOOD, State.PRESENT), (TOO_BRIGHT, State.MISSING)])
def test_a_fetched_image_is_held_to_the_same(image: Image, state: State) -> None:
    rig = Rig(book=TwelveBits())
    rig.put(FRAMES, 0.0, reference(P, "top", 0, at_s(0), "x"))
    rig.join.resolve(P, "top", 0, image)
    (piece,) = rig.pass_s(3.0)
    assert piece.views["top"].state is state
    assert rig.reasons() == ([] if state is State.PRESENT else ["WRONG_FORMAT"])
