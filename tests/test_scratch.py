"""Tests write to memory where there is enough of it, and to a disk that is named."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests import scratch


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for the memory, with room, in a process that has chosen none."""
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setenv(scratch.DISK_VARIABLE, "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "LEAST_FREE_BYTES", 0)
    monkeypatch.setattr(scratch, "LEAST_AVAILABLE_BYTES", 10)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10))
    return tmp_path


def test_memory_with_room_is_taken(chosen: Path) -> None:
    scratch.write_to_memory(chosen)
    assert tempfile.gettempdir() == str(chosen)


def test_the_disk_is_still_there(chosen: Path) -> None:
    disk = tempfile.gettempdir()
    scratch.write_to_memory(chosen)
    with scratch.folder_on_disk() as folder:
        assert str(folder.parent) == disk != str(chosen)
    assert not folder.exists()


def test_a_folder_that_is_named_stays(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(chosen.parent))
    scratch.write_to_memory(chosen)
    assert tempfile.gettempdir() == str(chosen.parent)


@pytest.mark.parametrize("limit", ["LEAST_FREE_BYTES", "LEAST_AVAILABLE_BYTES"])
def test_where_memory_is_short_tests_write_to_the_disk(
    chosen: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(scratch, limit, 2**60)
    scratch.write_to_memory(chosen)
    assert tempfile.gettempdir() != str(chosen)


def test_without_such_a_folder_tests_write_to_the_disk(chosen: Path) -> None:
    scratch.write_to_memory(chosen / "none")
    assert tempfile.gettempdir() != str(chosen / "none")
