"""Pictures larger than a record are removed after their time, and nothing else is."""

import os
from pathlib import Path

import pytest

from inspector.sources.large_files import LOOK_S, LargeFiles
from inspector.sources.pictures import FrameContent, PictureError
from tests.inspector.sources.places import target

HOUR_S = 3600.0


class Clock:
    """Seconds since 1970, as told."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def stored(files: LargeFiles, data: bytes, written_s: float) -> Path:
    path = Path(files.store(data, "png").removeprefix("file://"))
    os.utime(path, (written_s, written_s))
    return path


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_files_are_removed_after_their_time_and_strangers_stay(tmp_path: Path, scheme: str) -> None:
    clock = Clock(100 * HOUR_S)
    files = LargeFiles(f"{scheme}{tmp_path}", keep_s=24 * HOUR_S, clock=clock)
    old, young = stored(files, b"old", 75 * HOUR_S), stored(files, b"young", 77 * HOUR_S)
    stranger = tmp_path / "reference.png"
    stranger.write_bytes(b"mine")
    os.utime(stranger, (0, 0))
    clock.now_s += LOOK_S
    files.store(b"new", "png")
    assert [old.exists(), young.exists(), stranger.exists()] == [False, True, True]


def test_a_folder_is_looked_through_once_in_ten_minutes(tmp_path: Path) -> None:
    clock = Clock(100 * HOUR_S)
    files = LargeFiles(str(tmp_path), keep_s=24 * HOUR_S, clock=clock)
    old = stored(files, b"old", 0)
    clock.now_s += LOOK_S - 1
    files.store(b"new", "png")
    assert old.exists()


def test_without_a_time_nothing_is_removed(tmp_path: Path) -> None:
    clock = Clock(100 * HOUR_S)
    files = LargeFiles(str(tmp_path), clock=clock)
    old = stored(files, b"old", 0)
    clock.now_s += 1000 * HOUR_S
    files.store(b"new", "png")
    assert old.exists()


def test_a_time_without_a_folder_is_refused() -> None:
    with pytest.raises(PictureError, match="name their folder"):
        FrameContent(target(), None, 3600.0)
