"""Puts files of a bundle in the place of others, each whole or not at all. Knows nothing of what they hold."""

import os
from pathlib import Path

from inspector.bundle.schema import MANIFEST_NAME, Bundle


def write_manifest(folder: Path, schema: Bundle) -> None:
    """Says no more than it said: the version that wrote it reads it still."""
    text = schema.model_dump_json(indent=2, exclude_unset=True) + "\n"
    replace_file(folder / MANIFEST_NAME, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """All of it or nothing, also when the power fails."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def cache_folder(bundle: Path) -> Path:
    """What this machine found out about a bundle lies beside it, for the bundle itself is hashed whole."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.cache")
