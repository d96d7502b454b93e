"""Where tests write: in memory where there is enough of it. SQLite, logs and bundles wait for the disk otherwise, some
milliseconds at each commit, and no test looks at what a loss of power leaves."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders in it that only this user may enter
DISK_VARIABLE = "INSPECTOR_TEST_DISK"
"""Names the folder of the disk to the processes of the tests."""
LEAST_FREE_BYTES, LEAST_AVAILABLE_BYTES = 6 * 2**30, 10 * 2**30
"""In memory: tests write up to 3 GB in a run, and what failed is kept. Available: the tests themselves take more."""


def write_to_memory(folder: Path = MEMORY) -> None:
    """For this process and those that it starts, unless TMPDIR names a folder or memory is short."""
    if "TMPDIR" in os.environ or not has_room(folder):
        return
    os.environ[DISK_VARIABLE] = tempfile.gettempdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """An empty folder on the disk, even where tests write to memory."""
    with tempfile.TemporaryDirectory(dir=os.environ.get(DISK_VARIABLE)) as folder:
        yield Path(folder)


def has_room(folder: Path) -> bool:
    """Whether the tests fit into this folder of the memory."""
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
        return False
    return bool(psutil.virtual_memory().available >= LEAST_AVAILABLE_BYTES)
