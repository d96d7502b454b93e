"""Files are found when they are complete: equal in two looks."""

from pathlib import Path

import pytest

from inspector.sources.arrivals import Arrivals, FolderError


def paths(arrivals: Arrivals) -> list[str]:
    return [arrival.path for arrival in arrivals.look()]


def test_a_file_is_complete_in_the_second_look(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_text("a")
    assert paths(arrivals) == []
    assert paths(arrivals) == ["sub/a.png"]


def test_a_file_that_still_grows_is_not_complete(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    for number in range(4):
        with (tmp_path / "a.png").open("a") as file:
            file.write(str(number))
        assert paths(arrivals) == []
    assert paths(arrivals) == ["a.png"]


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    import os

    arrivals = Arrivals(tmp_path)
    for name, second in (("new.png", 9), ("old.png", 1)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (second, second))
    arrivals.look()
    assert paths(arrivals) == ["old.png", "new.png"]


def test_hidden_folders_and_folders_with_the_name_of_a_file_are_none(tmp_path: Path) -> None:
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "a.png").write_text("x")
    (tmp_path / "b.png").mkdir()
    arrivals = Arrivals(tmp_path)
    arrivals.look()
    assert paths(arrivals) == []


def test_too_many_files_are_refused_with_the_way_out(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_text("x")
    assert Arrivals(tmp_path, most=4).look() == []
    with pytest.raises(FolderError, match="--done DIR"):
        Arrivals(tmp_path, most=3).look()


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        Arrivals(tmp_path / "gone").look()
