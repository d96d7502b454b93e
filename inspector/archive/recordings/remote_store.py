"""Keeps objects in an object store such as S3, through fsspec; a file appears whole or not at all."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs

from inspector.archive.recordings.objects import (
    DIGEST,
    ObjectDamagedError,
    ObjectMissingError,
    ObjectStoreError,
    StoredObject,
    checked,
    digest_of,
    name_of,
)
from streams.references.addresses import PACKAGES, install_hint, scheme_of, shown

RENEW_AFTER_S = 300.0
"""`put` writes an older file again, because object stores renew its date in no other way."""
_MAX_ERROR_CHARS = 500
_DATES = ("LastModified", "created", "mtime")
"""Names of a file's date; one of them is known of every store here."""


class _Files(Protocol):
    """The part of fsspec that is used. `options` may hold `timeout`."""

    def info(self, path: str, **options: float) -> Mapping[str, object]: ...
    def pipe_file(self, path: str, value: bytes, mode: str, **options: float) -> object: ...
    def cat_file(self, path: str, start: int, end: int, **options: float) -> bytes: ...
    def ls(self, path: str, detail: bool, **options: float) -> list[Mapping[str, object]]: ...
    def rm_file(self, path: str) -> None: ...


class RemoteStore:
    """`ObjectStore` behind an address of fsspec. Credentials come from the environment, as for references."""

    def __init__(self, address: str, timeout_s: float = 20.0) -> None:
        """Opens no connection. Raises ObjectStoreError where the package for the address is missing."""
        self._shown = shown(address)
        try:
            files, root = url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as exc:
            hint = install_hint(PACKAGES.get(scheme_of(address), ""))
            raise ObjectStoreError(f"{self._shown} cannot be opened ({exc}): {hint}") from exc
        self._files: _Files = files
        self._root = root.rstrip("/")
        self._options = {"timeout": timeout_s} if isinstance(files, AsyncFileSystem) else {}

    @property
    def name(self) -> str:
        return self._shown

    def put(self, content: bytes) -> str:
        digest = digest_of(content)
        path = self._path(digest)
        with self._translated():
            info = self._info(path)
            if info is not None and info.get("size") == len(content) and _age_s(info) < RENEW_AFTER_S:
                return digest
            try:
                self._files.pipe_file(path, content, mode="create" if info is None else "overwrite", **self._options)
            except OSError as exc:
                if not _is_there(exc):
                    raise
        return digest

    def get(self, digest: str, max_bytes: int) -> bytes:
        path = self._path(digest)
        with self._translated():
            info = self._info(path)
            if info is None:
                raise ObjectMissingError(f"{self.name} has no file {name_of(digest)}")
            size = info.get("size")
            if not isinstance(size, int) or size > max_bytes:
                raise ObjectDamagedError(f"{self.name}/{name_of(digest)} has {size} bytes, expected up to {max_bytes}")
            content = self._files.cat_file(path, start=0, end=size, **self._options) if size else b""
        return checked(digest, content, max_bytes, self.name)

    def remove(self, digest: str, min_age_s: float) -> bool:
        path = self._path(digest)
        with self._translated():
            info = self._info(path)
            if info is None:
                return True
            if _age_s(info) < min_age_s:
                return False
            self._files.rm_file(path)
        return True

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        with self._translated():
            try:
                infos = self._files.ls(f"{self._root}/{prefix}", detail=True, **self._options)
            except FileNotFoundError:
                return
        for info in infos:
            digest = prefix + str(info["name"]).rpartition("/")[2]
            if DIGEST.fullmatch(digest):
                yield StoredObject(digest, _age_s(info))

    def tidy(self, min_age_s: float) -> None:
        """Nothing to do: interrupted writes leave no file."""

    def _path(self, digest: str) -> str:
        return f"{self._root}/{name_of(digest)}"

    def _info(self, path: str) -> Mapping[str, object] | None:
        try:
            return self._files.info(path, **self._options)
        except FileNotFoundError:
            return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ObjectMissingError, ObjectDamagedError):
            raise
        except Exception as exc:  # clients of stores raise any exception
            text = " ".join(str(exc).split())[:_MAX_ERROR_CHARS]
            raise ObjectStoreError(
                f"{self._shown} cannot be used ({type(exc).__name__}: {text}): check the address, the store and the "
                "access rights"
            ) from exc


def _is_there(exc: OSError) -> bool:
    """Whether another process was faster: a refused condition, under the name that the client gives it."""
    return isinstance(exc, FileExistsError) or "PreconditionFailed" in str(exc) or "pre-condition" in str(exc).lower()


def _age_s(info: Mapping[str, object]) -> float:
    date = next((info[name] for name in _DATES if name in info), None)
    if isinstance(date, datetime):
        return time.time() - date.timestamp()
    return time.time() - date if isinstance(date, float | int) else 0.0
