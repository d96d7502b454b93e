"""PNG with an alpha channel: read where it hides nothing, refused where it does."""

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import ImagePixels, PixelFormat
from streams.decode.images import decode_file, decode_pixels, image_size
from streams.decode.limits import Limits, RecordError
from tests.streams.decode.png_writer import grey_alpha_png

RNG = np.random.default_rng(8)
PNG = PixelFormat.PIXEL_FORMAT_PNG


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_opaque_alpha_channel_is_dropped(kind: type[np.unsignedinteger]) -> None:
    most = np.iinfo(kind).max
    colour = RNG.integers(0, most, (9, 7, 3)).astype(kind)
    data = cv2.imencode(".png", np.dstack([colour, np.full((9, 7), most, kind)]))[1].tobytes()
    decoded = decode_file(data, PNG, Limits())
    np.testing.assert_array_equal(decoded, colour)
    assert decoded.dtype == kind
    assert decoded.flags.c_contiguous
    assert image_size(ImagePixels(format=PNG, data=data), Limits()) >= decoded.nbytes


def test_grey_with_an_opaque_alpha_channel_is_grey() -> None:
    grey = RNG.integers(0, 256, (9, 7), np.uint8)
    np.testing.assert_array_equal(decode_file(grey_alpha_png(grey, 255), PNG, Limits()), grey)


def test_transparent_pixels_are_refused_with_their_number() -> None:
    alpha = np.full((9, 7), 255, np.uint8)
    alpha[2, 3:5] = 254
    data = cv2.imencode(".png", np.dstack([np.zeros((9, 7, 3), np.uint8), alpha]))[1].tobytes()
    with pytest.raises(RecordError, match=r"2 of 63 pixels are transparent \(alpha\).*without alpha"):
        decode_pixels(ImagePixels(format=PNG, data=data), Limits())
    with pytest.raises(RecordError, match="63 of 63 pixels are transparent"):
        decode_file(grey_alpha_png(np.zeros((9, 7), np.uint8), 0), PNG, Limits())
