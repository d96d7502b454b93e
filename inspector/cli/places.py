"""Tries the places that a command writes to at its end, so that a wrong one is told before the work."""

import errno
import os
import tempfile
from pathlib import Path


def require_writable(*places: Path | None) -> None:
    """Makes the folders above what is to be written; None is no place. Raises OSError that names the place."""
    for place in places:
        if place is not None:
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=place.parent):
                    pass
            except OSError as exc:
                raise OSError(exc.errno, exc.strerror, str(place)) from exc


def require_writable_file(*files: Path | None) -> None:
    """Also refuses a folder. Raises OSError that names the place."""
    for file in files:
        if file is not None and file.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    require_writable(*files)
