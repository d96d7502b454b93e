"""Replaces files, each whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inspector.bundle.schema import MANIFEST_NAME, Bundle


def write_manifest(folder: Path, schema: Bundle) -> None:
    """Writes only keys that are set, so that the version that wrote the bundle can still read it."""
    text = schema.model_dump_json(indent=2, exclude_unset=True) + "\n"
    replace_file(folder / MANIFEST_NAME, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """All of it or nothing, also when the power fails."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, part: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write, `part`, that takes the place of `path` once it is on disk; on an error `path` stays as it was.

    By default `part` is `path` with `.part` appended. Raises OSError.
    """
    part = part or path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def cache_folder(bundle: Path) -> Path:
    """Folder for this machine's results about a bundle, next to it: all files of the bundle itself are hashed."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.cache")
