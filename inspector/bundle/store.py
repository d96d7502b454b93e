"""Stores bundles in the folder that all workers of a line share; finds and removes them by name. Opens no graph.

A bundle's folder is named after its content, so that a stored bundle never changes under a worker.
"""

import errno
import re
import shutil
from pathlib import Path

from inspector.bundle.copying import STAGING_PREFIX, staged_copy
from inspector.bundle.files import cache_folder
from inspector.bundle.leftovers import sweep
from inspector.bundle.load import DIGEST_DIGITS, BundleError, LoadedBundle, load
from inspector.bundle.schema import MANIFEST_NAME

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NAMED = re.compile(rf"\w+(-\w+)*-[A-Za-z0-9._-]{{0,64}}-[0-9a-f]{{{DIGEST_DIGITS}}}", re.ASCII)
"""See `folder_name`."""


class BundleStore:
    """The shared folder of bundles; need not exist until one is put there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, bundle: LoadedBundle) -> str:
        """Copies a bundle unless it is there; returns its name. The copy appears at once; in an earlier copy, damaged
        files are replaced one by one. Raises BundleError."""
        name = folder_name(bundle)
        target = self._folder / name
        _check_whole(bundle)
        sweep(self._folder, STAGING_PREFIX)
        if not self._is_sound(name, bundle.digest):
            try:
                self._copy(bundle, target)
            except OSError as exc:
                raise BundleError(
                    f"{self._folder}: the bundle cannot be copied there ({exc.strerror}); make the folder that "
                    "`[worker] bundles` names writable from here"
                ) from exc
        _check_whole(self.get(name, bundle.digest))
        return name

    def bundles(self) -> dict[str, int]:
        """Bytes of each bundle by its name; other folders are ignored. Raises OSError."""
        if not self._folder.is_dir():
            return {}
        folders = [path for path in self._folder.iterdir() if _NAMED.fullmatch(path.name)]
        return {path.name: _num_bytes(path) for path in folders if path.is_dir() and not path.is_symlink()}

    def remove(self, name: str) -> None:
        """Removes one of `bundles`, with its cache. Raises OSError."""
        shutil.rmtree(self._folder / name)
        shutil.rmtree(cache_folder(self._folder / name), ignore_errors=True)

    def _is_sound(self, name: str, digest: str) -> bool:
        try:
            _check_whole(self.get(name, digest))
        except BundleError:
            return False
        return True

    def _copy(self, bundle: LoadedBundle, target: Path) -> None:
        try:
            with staged_copy(bundle, target) as copy:
                if target.is_dir() and not target.is_symlink():
                    for file in (*bundle.schema.files, MANIFEST_NAME):
                        (copy / file).replace(target / file)
                else:
                    copy.rename(target)
        except OSError as exc:
            if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # else another process stored the same content first
                raise

    def get(self, name: str, digest: str) -> LoadedBundle:
        """The bundle of this name, verified to have this digest. Raises BundleError."""
        if not _PLAIN.fullmatch(name):
            raise BundleError(f"folder name {name!r} is not plain; deploy the bundle again with `inspector deploy`")
        target = self._folder / name
        if target.is_symlink() or not target.is_dir():
            raise BundleError(
                f"{target}: is no folder here; share the folder that `[worker] bundles` names with all workers, or "
                "take the deployment back with `inspector rollback`"
            )
        bundle = load(target)
        if bundle.digest != digest:
            raise BundleError(
                f"{target}: has digest {bundle.digest[:DIGEST_DIGITS]}, deployed was {digest[:DIGEST_DIGITS]}: it was "
                "changed since; remove the folder and deploy the bundle again"
            )
        return bundle


def folder_name(bundle: LoadedBundle) -> str:
    """Readable, safe as a folder name, and unique for its content."""
    version = re.sub(r"[^A-Za-z0-9._-]", "_", bundle.schema.version)[:64]
    return f"{bundle.schema.name}-{version}-{bundle.digest[:DIGEST_DIGITS]}"


def _num_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _check_whole(bundle: LoadedBundle) -> None:
    """Checks compiled files too, which `load` leaves unchecked. Raises BundleError."""
    if faults := list(filter(None, map(bundle.file_fault, bundle.schema.files))):
        raise BundleError("\n".join(f"bundle {bundle.folder}: {fault}" for fault in faults))
