"""Copies a bundle into a staging folder, from which the caller moves it to its place at once."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.bundle.load import LoadedBundle
from inspector.bundle.schema import MANIFEST_NAME

STAGING_PREFIX = ".arriving-"
"""Prefix of staging folders; only a crash leaves one."""


@contextmanager
def staged_copy(bundle: LoadedBundle, target: Path) -> Iterator[Path]:
    """A copy on the target's disk, to be renamed into its place; files that stay in it are deleted afterwards.
    Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=target.parent, ignore_cleanup_errors=True) as scratch:
        copy = Path(scratch, "copy")
        copy.mkdir()
        for file in (*bundle.schema.files, MANIFEST_NAME):
            shutil.copyfile(bundle.path(file), copy / file)
            to_disk(copy / file)
        yield copy


def to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
