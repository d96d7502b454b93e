"""Keeps objects in a folder: written aside, flushed, then renamed, so that a name always leads to a whole file."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from inspector.access.durable_files import sync_folder
from inspector.archive.recordings.objects import (
    DIGEST,
    ObjectMissingError,
    ObjectStoreError,
    ObjectStoreFullError,
    StoredObject,
    checked,
    digest_of,
    name_of,
)

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
"""Rights of new folders and files: recordings show people, and products before their sale."""
_NEW = "new"
"""Folder of files that are being written."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStore:
    """`ObjectStore` in a folder of this machine."""

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        """Creates the folder at the first write."""
        self._folder, self._min_free_bytes = folder, min_free_bytes

    @property
    def name(self) -> str:
        return str(self._folder)

    def put(self, content: bytes) -> str:
        digest = digest_of(content)
        path = self._folder / name_of(digest)
        with self._translated():
            if self._renewed(path, len(content)):
                return digest
            self._write(path, content)
        return digest

    def get(self, digest: str, max_bytes: int) -> bytes:
        with self._translated():
            try:
                with (self._folder / name_of(digest)).open("rb") as file:
                    content = file.read(max_bytes + 1)
            except FileNotFoundError as exc:
                raise ObjectMissingError(f"{self.name} has no file {name_of(digest)}") from exc
        return checked(digest, content, max_bytes, self.name)

    def remove(self, digest: str, min_age_s: float) -> bool:
        path = self._folder / name_of(digest)
        with self._translated(), suppress(FileNotFoundError):
            if _age_s(path) < min_age_s:
                return False
            return self._removed_aside(path, min_age_s)
        return True

    def _removed_aside(self, path: Path, min_age_s: float) -> bool:
        """Moves the file away before its age counts: `put` may renew it until then, and writes it again afterwards."""
        aside = self._folder / _NEW / uuid4().hex
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
        if _age_s(aside) < min_age_s:
            aside.replace(path)  # the same content, even if another process has written it meanwhile
            return False
        aside.unlink()
        return True

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        now_s = time.time()
        with self._translated(), suppress(FileNotFoundError), os.scandir(self._folder / prefix) as entries:
            for entry in entries:
                digest = prefix + entry.name
                if DIGEST.fullmatch(digest):
                    yield StoredObject(digest, now_s - entry.stat().st_mtime)

    def tidy(self, min_age_s: float) -> None:
        now_s = time.time()
        with self._translated(), suppress(FileNotFoundError), os.scandir(self._folder / _NEW) as entries:
            for entry in entries:
                if now_s - entry.stat().st_mtime >= min_age_s:
                    os.unlink(entry.path)

    def _renewed(self, path: Path, size: int) -> bool:
        """Whether the file is there, whole; it counts as new then."""
        try:
            if path.stat().st_size != size:
                return False
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _write(self, path: Path, content: bytes) -> None:
        new = self._folder / _NEW / uuid4().hex
        for folder in (self._folder, new.parent):
            folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._check_room(len(content))
        try:
            with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if not path.parent.exists():
                path.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
                sync_folder(self._folder)
            new.replace(path)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
        sync_folder(path.parent)

    def _check_room(self, num_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes - num_bytes < self._min_free_bytes:
            raise ObjectStoreFullError(
                f"{self.name}: {free_bytes} bytes are free on its disk, at least {self._min_free_bytes} are left to "
                "the log: free some, keep fewer recordings (table [keep] of the recipes), or lower min_free_bytes"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if exc.errno in _FULL:
                raise ObjectStoreFullError(f"{self.name}: the disk is full ({exc.strerror}): free some space") from exc
            raise ObjectStoreError(
                f"{self.name} cannot be used ({exc.strerror or exc}): check the disk and the rights on the folder"
            ) from exc


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime
