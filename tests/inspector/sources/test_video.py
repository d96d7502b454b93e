"""Streams, files and their addresses. A real RTSP server plays a real file where GStreamer's is installed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from inspector.sources.newest import CameraAwayError, Follower, Picture, VideoEndedError
from inspector.sources.video import shown_url, stream, video_file, with_login
from tests.inspector.sources.places import write_video
from tests.servers.process import ServerProcess, free_port
from tests.servers.rtsp import WHY_MISSING, is_missing, running_rtsp

ENOUGH_S = 90.0


def test_a_file_is_read_picture_by_picture_to_its_end(tmp_path: Path) -> None:
    with closing(video_file(write_video(tmp_path / "v.avi", 6, rate_hz=500.0))()) as camera:
        greys = [float(camera.read().pixels.mean()) for _ in range(6)]
        with pytest.raises(VideoEndedError):
            camera.read()
    assert greys == sorted(greys)


def test_a_file_that_begins_again_never_ends(tmp_path: Path) -> None:
    with closing(video_file(write_video(tmp_path / "v.avi", 3, rate_hz=500.0), again=True)()) as camera:
        stamps = [camera.read().capture_ns for _ in range(8)]
    assert stamps == sorted(stamps)


def test_what_is_no_video_is_away(tmp_path: Path) -> None:
    (tmp_path / "v.avi").write_text("no video")
    with pytest.raises(CameraAwayError, match="is no video that OpenCV reads"):
        video_file(tmp_path / "v.avi")()


def test_user_and_password_go_into_the_address_and_never_into_a_log_line() -> None:
    url = with_login("rtsp://cam:554/a?profile=1", "me@home", "p:w/d")
    assert url == "rtsp://me%40home:p%3Aw%2Fd@cam:554/a?profile=1"
    assert shown_url(url) == "rtsp://cam:554/a?..."
    assert with_login("rtsp://cam/a", None, None) == "rtsp://cam/a"


def test_a_stream_that_nobody_serves_is_away_within_its_limit() -> None:
    with pytest.raises(CameraAwayError, match="does not answer"):
        stream(f"rtsp://127.0.0.1:{free_port()}/a", open_s=2.0, read_s=2.0)()


def test_opencv_writes_nothing_past_the_log() -> None:
    """It has something to say about a stream that nobody serves, as it has about many a picture."""
    program = (
        "import contextlib, sys\n"
        "from inspector.sources.newest import CameraAwayError\n"
        "from inspector.sources.video import quiet, stream\n"
        "if sys.argv[2:]: quiet()\n"
        "with contextlib.suppress(CameraAwayError): stream(sys.argv[1], open_s=2.0, read_s=2.0)()\n"
    )
    said = []
    for words in ([], ["quiet"]):
        command = [sys.executable, "-c", program, f"rtsp://127.0.0.1:{free_port()}/a", *words]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0
        said.append(done.stdout + done.stderr)
    assert "refused" in said[0]
    assert not said[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if is_missing():
        pytest.skip(WHY_MISSING)
    folder = tmp_path_factory.mktemp("rtsp")
    with running_rtsp(write_video(folder / "v.avi", 200, rate_hz=25.0), folder) as server:
        yield server


def test_pictures_of_a_real_rtsp_server_come_and_come_again_after_it_was_killed(server: ServerProcess) -> None:
    with Follower("rtsp", stream(f"rtsp://127.0.0.1:{server.port}/test", open_s=10.0, read_s=3.0)) as follower:
        first = _next(follower, 0)
        assert first.pixels.shape == (48, 64, 3)
        assert first.pixels.dtype == np.uint8
        second = _next(follower, first.capture_ns + 1)
        server.kill()
        server.start()
        third = _next(follower, time.time_ns())
        assert third.capture_ns > second.capture_ns


def _next(follower: Follower, moment_ns: int) -> Picture:
    picture = follower.newest.taken_after(moment_ns, ENOUGH_S)
    assert picture is not None, "the stream plays"
    return picture
