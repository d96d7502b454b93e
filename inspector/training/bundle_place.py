"""Tries the folder of a bundle before the work that fills it. Does not import torch."""

import tempfile
from pathlib import Path

from inspector.bundle.schema import MANIFEST_NAME
from inspector.training.errors import ExportError


def require_place(folder: Path) -> None:
    """Before hours of training: whether a bundle can be written there. Raises ExportError, OSError."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST_NAME).exists():
        raise ExportError(f"{folder} contains files that are no bundle: name a new or empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as exc:
        raise ExportError(
            f"{folder.parent} cannot be written ({exc.strerror}): name another folder, or give this user the right"
        ) from exc
