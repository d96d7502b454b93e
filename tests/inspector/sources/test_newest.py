"""A camera's thread keeps the newest picture only, and comes back when the camera does."""

import logging
import threading

import numpy as np
import pytest

from inspector.sources.newest import Camera, CameraAwayError, Follower, Newest, Picture, VideoEndedError
from streams.outage import OutagePolicy

AT_ONCE = OutagePolicy(0.001, 0.001, errors=(CameraAwayError,), lost=())
ENOUGH_S = 60.0


def picture(number: int) -> Picture:
    return Picture(np.full((2, 2), number % 256, np.uint8), number)


class Script:
    """A camera that gives these, one after another: pictures by number, or errors."""

    def __init__(self, *steps: int | Exception) -> None:
        self._steps, self.num_closed = list(steps), 0

    def read(self) -> Picture:
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return picture(step)

    def close(self) -> None:
        self.num_closed += 1


def test_only_the_newest_picture_is_kept() -> None:
    newest = Newest()
    for number in range(1, 1001):
        newest.put(picture(number))
    taken = newest.taken_after(1, 0.0)
    assert taken is not None
    assert (taken.capture_ns, newest.num_seen) == (1000, 1000)


def test_a_picture_from_before_the_piece_is_never_given() -> None:
    newest = Newest()
    newest.put(picture(5))
    assert newest.taken_after(6, 0.01) is None


def test_a_waiting_piece_gets_the_picture_as_it_comes() -> None:
    newest = Newest()
    later = threading.Timer(0.05, newest.put, [picture(7)])
    later.start()
    taken = newest.taken_after(6, ENOUGH_S)
    later.join()
    assert taken is not None
    assert taken.capture_ns == 7


def test_the_end_of_a_video_ends_the_wait() -> None:
    with Follower("v", lambda: Script(1, VideoEndedError())) as follower:
        assert follower.newest.taken_after(2, ENOUGH_S) is None
        assert follower.newest.has_ended


def test_a_camera_that_goes_away_is_opened_again_and_both_are_said(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Script(1, CameraAwayError("cable")), Script(2, VideoEndedError())
    openers: list[Exception | Script] = [CameraAwayError("off"), first, CameraAwayError("still off"), second]

    def opens() -> Camera:
        step = openers.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    with caplog.at_level(logging.INFO), Follower("top", opens, AT_ONCE) as follower:
        taken = follower.newest.taken_after(2, ENOUGH_S)
    assert taken is not None
    assert (first.num_closed, second.num_closed, openers) == (1, 1, [])
    assert "top: no pictures (off)" in caplog.text
    assert caplog.text.count("pictures come again") == 2
    assert "top: pictures of 2 x 2 px." in caplog.text


def test_leaving_the_context_ends_the_thread_while_the_camera_is_away() -> None:
    def opens() -> Camera:
        raise CameraAwayError("off")

    with Follower("top", opens, OutagePolicy(100.0, 100.0, errors=(CameraAwayError,), lost=())) as follower:
        pass
    assert follower.newest.has_ended
