"""Removes the unfinished files of writers that were killed."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

LEFT_S = 86400.0
"""No write takes so long: its process was killed."""


def sweep(folder: Path, prefix: str) -> None:
    """Removes folders of this prefix that are older than a day. One that cannot be removed only takes disk space."""
    for left_over in folder.glob(f"{prefix}*"):
        with suppress(OSError):
            if time.time() - left_over.lstat().st_mtime > LEFT_S:
                shutil.rmtree(left_over)
