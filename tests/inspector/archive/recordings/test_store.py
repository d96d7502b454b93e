"""The object store keeps each content once, whole, and under a name that proves it."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import fsspec
import pytest

from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.recordings.objects import (
    ObjectDamagedError,
    ObjectMissingError,
    ObjectStore,
    ObjectStoreError,
    ObjectStoreFullError,
    name_of,
)
from inspector.archive.recordings.remote_store import RemoteStore
from inspector.archive.recordings.settings import RecordingSettings
from inspector.archive.recordings.store import open_store

CONTENT = b"a picture"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ABSENT = "00" * 32


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
        return
    yield RemoteStore("memory://bucket/recordings")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def test_a_content_is_kept_once_and_read_back(store: ObjectStore) -> None:
    assert store.put(CONTENT) == store.put(CONTENT) == DIGEST
    assert store.get(DIGEST, 100) == CONTENT
    assert [file.digest for file in store.listed(DIGEST[:2])] == [DIGEST]
    assert list(store.listed("ee")) == []


def test_an_empty_content_is_kept(store: ObjectStore) -> None:
    assert store.get(store.put(b""), 100) == b""


def test_reading_is_bounded_and_says_what_is_missing(store: ObjectStore) -> None:
    store.put(CONTENT)
    with pytest.raises(ObjectDamagedError, match="bytes"):
        store.get(DIGEST, len(CONTENT) - 1)
    with pytest.raises(ObjectMissingError, match="has no file 00/0000"):
        store.get(ABSENT, 100)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_no_other_name_is_looked_up(store: ObjectStore, name: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256 in hex"):
        store.get(name, 100)


def test_a_file_is_removed_once_it_is_old_enough(store: ObjectStore) -> None:
    store.put(CONTENT)
    assert not store.remove(DIGEST, 3600)
    assert store.get(DIGEST, 100) == CONTENT
    assert store.remove(DIGEST, 0)
    assert store.remove(DIGEST, 0)
    assert list(store.listed(DIGEST[:2])) == []


def age(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_asking_for_a_file_makes_it_young_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(CONTENT)
    age(tmp_path, 7200)
    assert next(iter(store.listed(DIGEST[:2]))).age_s > 7000
    store.put(CONTENT)
    assert not store.remove(DIGEST, 3600)


def test_a_damaged_file_is_noticed_and_a_cut_one_written_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(CONTENT)
    path = tmp_path / name_of(DIGEST)
    path.write_bytes(b"A picture")
    with pytest.raises(ObjectDamagedError, match="is damaged"):
        store.get(DIGEST, 100)
    path.write_bytes(b"a pic")
    store.put(CONTENT)
    assert store.get(DIGEST, 100) == CONTENT


class Usage(NamedTuple):
    free: int


def test_space_is_left_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path, min_free_bytes=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000 + len(CONTENT)))
    store.put(CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000))
    with pytest.raises(ObjectStoreFullError, match=r"1000 bytes are free .*, at least 1000 are left to the log"):
        store.put(b"another")
    assert store.put(CONTENT) == DIGEST


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, ObjectStoreFullError), (errno.EIO, ObjectStoreError)])
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    store = FolderStore(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind):
        store.put(CONTENT)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ObjectStoreError, match="cannot be used"):
        FolderStore(tmp_path / "file").put(CONTENT)


def test_what_a_crash_left_is_tidied_up(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(CONTENT)
    left = tmp_path / "new" / "cut"
    left.write_bytes(b"half")
    store.tidy(3600)
    assert left.exists()
    store.tidy(0)
    assert not left.exists()
    assert store.get(DIGEST, 100) == CONTENT


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("recordings", lambda folder: str(folder / "recordings")),
        ("/srv/kept", lambda folder: "/srv/kept"),
        ("s3://bucket/kept", lambda folder: "s3://bucket/kept"),
    ],
)
def test_the_settings_name_a_folder_or_an_address(tmp_path: Path, place: str, expected: Callable[[Path], str]) -> None:
    assert open_store(RecordingSettings(store=place), tmp_path).name == expected(tmp_path)


def test_a_file_that_is_asked_for_while_it_is_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "store")
    digest = store.put(CONTENT)
    (path,) = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
    os.utime(path, (1, 1))
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        assert store.put(CONTENT) == digest
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert not store.remove(digest, 3600)
    assert store.get(digest, 100) == CONTENT
