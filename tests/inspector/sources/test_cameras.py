"""A piece for each trigger: its event, and pictures that were taken afterwards. A video file is the camera here."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inspector.sources.cameras import CameraStation
from inspector.sources.newest import Camera, CameraAwayError, Follower
from inspector.sources.pictures import FrameContent
from inspector.sources.triggers import Numbered, Trigger, at_rhythm
from inspector.sources.video import video_file
from streams.decode.items import Event, Frame
from streams.embedded import EmbeddedLog
from streams.join.assembly import AssemblySpec, CameraSpec
from tests.inspector.sources.places import items, publishing, target, write_video


def triggers(*pieces: str) -> Iterator[Trigger]:
    for piece in pieces:
        yield Trigger(piece, "", time.time_ns())


def away() -> Camera:
    raise CameraAwayError("no such camera")


def test_pieces_have_an_event_and_a_picture_taken_after_it(tmp_path: Path, log: EmbeddedLog) -> None:
    opener = video_file(write_video(tmp_path / "v.avi", 40), again=True)
    with Follower("v", opener) as follower, publishing(log) as publisher:
        station = CameraStation(target(), publisher, FrameContent(target(), None), {"top": follower}, wait_s=60.0)
        counts = station.run(triggers("p1", "p2", "p3"), threading.Event())
    assert str(counts) == "3 pieces, 3 pictures"
    found = items(log)
    events = {item.inspection.piece_id: item for item in found if isinstance(item, Event)}
    frames = {item.inspection.piece_id: item for item in found if isinstance(item, Frame)}
    assert events.keys() == frames.keys() == {"p1", "p2", "p3"}
    for piece, frame in frames.items():
        assert (frame.camera, frame.sequence, frame.product) == ("top", 0, "disc")
        assert frame.capture_ns - events[piece].event_ns >= 0
    pictures = [frame.image for frame in frames.values()]
    assert all(image is not None and image.shape == (48, 64, 3) for image in pictures)


def test_a_camera_that_takes_several_pictures_gives_different_ones(tmp_path: Path, log: EmbeddedLog) -> None:
    spec = AssemblySpec((CameraSpec("top", num_frames=3),))
    opener = video_file(write_video(tmp_path / "v.avi", 60), again=True)
    with Follower("v", opener) as follower, publishing(log) as publisher:
        station = CameraStation(target(spec), publisher, FrameContent(target(spec), None), {"top": follower}, 60.0)
        station.run(triggers("p1"), threading.Event())
    frames = [item for item in items(log) if isinstance(item, Frame)]
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    assert len({frame.capture_ns for frame in frames}) == 3
    first, second = frames[0].image, frames[1].image
    assert first is not None
    assert second is not None
    assert not np.array_equal(first, second)


def test_a_camera_that_is_away_leaves_its_picture_out_and_the_piece_enters(
    log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    """The service then says REVIEW, for a required camera."""
    with caplog.at_level(logging.WARNING), Follower("camera 9", away) as follower, publishing(log) as publisher:
        station = CameraStation(target(), publisher, FrameContent(target(), None), {"top": follower}, wait_s=0.01)
        counts = station.run(triggers("p1", "p2"), threading.Event())
    assert (counts.pieces, counts.pictures, counts.missing) == (2, 0, 2)
    assert [type(item) for item in items(log)] == [Event, Event]
    assert caplog.text.count("took no picture within 0.01 s") == 1


def test_ids_that_cannot_be_and_pictures_that_are_too_large_are_counted_and_said(
    tmp_path: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    small = target(max_record_bytes=4100)
    opener = video_file(write_video(tmp_path / "v.avi", 40), again=True)
    with caplog.at_level(logging.WARNING), Follower("v", opener) as follower, publishing(log) as publisher:
        station = CameraStation(small, publisher, FrameContent(small, None), {"top": follower}, wait_s=60.0)
        counts = station.run(triggers("a\tb", "p1"), threading.Event())
    assert (counts.pieces, counts.pictures, counts.refused) == (1, 0, 2)
    assert "cannot be the id of a piece" in caplog.text
    assert "name a folder for large ones with --large-to" in caplog.text


def test_the_end_of_the_video_ends_the_source(tmp_path: Path, log: EmbeddedLog) -> None:
    stop = threading.Event()
    with Follower("v", video_file(write_video(tmp_path / "v.avi", 5))) as follower, publishing(log) as publisher:
        station = CameraStation(target(), publisher, FrameContent(target(), None), {"top": follower}, wait_s=60.0)
        counts = station.run(at_rhythm(0.02, stop, Numbered()), stop)
    assert counts.pieces >= 1
    assert not stop.is_set()


def test_the_source_ends_after_the_wanted_count(tmp_path: Path, log: EmbeddedLog) -> None:
    opener = video_file(write_video(tmp_path / "v.avi", 20), again=True)
    with Follower("v", opener) as follower, publishing(log) as publisher:
        station = CameraStation(target(), publisher, FrameContent(target(), None), {"top": follower}, wait_s=60.0)
        assert station.run(triggers("p1", "p2", "p3"), threading.Event(), most=2).pieces == 2
