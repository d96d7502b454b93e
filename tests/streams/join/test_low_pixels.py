"""A camera of 12 bits that is read as if it filled 16 is named, once a minute, and a dim one is not."""

import logging

import numpy as np
import pytest

from streams.join.assembly import CameraSpec
from streams.join.low_pixels import LowPixels, likely_bit_depth
from streams.reminder import MAX_SUBJECTS


def picture(brightest: int) -> np.ndarray:
    return np.array([[0, brightest]], np.uint16)


@pytest.mark.parametrize(
    ("brightest", "depth"),
    [(255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, None), (65535, None)],
)
def test_the_fewest_bits_that_hold_a_picture(brightest: int, depth: int | None) -> None:
    assert likely_bit_depth(picture(brightest)) == depth


@pytest.mark.parametrize(
    ("pictures", "lines"),
    [
        ([picture(4095)] * 2, 0),
        ([picture(4095)] * 3, 1),
        ([picture(0)] * 50, 0),
        ([picture(0), picture(0), picture(4095)], 0),
        ([picture(4000)] * 50, 1),
        ([picture(16383)] * 19, 0),
        ([picture(16383)] * 20, 1),
        ([picture(40000), *[picture(4000)] * 30], 0),
        ([np.array([[255]], np.uint8)] * 30, 0),
    ],
)
def test_low_pictures_are_said_once(pictures: list[np.ndarray], lines: int, caplog: pytest.LogCaptureFixture) -> None:
    watch = LowPixels(monotonic=lambda: 0.0)
    for image in pictures:
        watch.check(("line-1", "s", CameraSpec("top")), image)
    assert len(caplog.records) == lines
    assert all("bits: set bit_depth = 1" in record.getMessage() for record in caplog.records)


def test_the_line_comes_again_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    watch = LowPixels(monotonic=lambda: now_s[0])
    for now_s[0] in (0.0, 0.0, 0.0, 30.0, 59.0, 60.0, 61.0, 121.0):
        watch.check(("line-1", "s", CameraSpec("top")), picture(4095))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert "line-1/s: camera top: the pixels of its 16-bit images never exceed 4095" in caplog.text
    assert "set bit_depth = 12" in caplog.text


def test_a_camera_with_a_bit_depth_is_not_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    LowPixels().check(("line-1", "s", CameraSpec("top", bit_depth=16)), picture(1))
    assert caplog.records == []


def test_no_more_cameras_are_kept_than_lines_are() -> None:
    watch = LowPixels(monotonic=lambda: 0.0)
    for number in range(MAX_SUBJECTS + 50):
        watch.check(("line-1", f"s{number}", CameraSpec("top")), picture(40000))
    assert len(watch._seen) == MAX_SUBJECTS
