"""Keeps engines that TensorRT built on this machine's GPU: the same graph is not built twice. Builds and runs none.

An entry is sealed with its own name: one that was moved under another's is noticed.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from inspector.engines.sealed_file import DamagedError, read_sealed, write_sealed
from inspector.engines.tensorrt.device import Device

log = logging.getLogger("inspector.engines")

_FORM = "1"
"""Counted up when `build` asks something else of TensorRT: older entries are not found then."""


def usual_cache() -> Path | None:
    """In the user's cache folder; None where the user has no home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        log.warning("This user has no home folder to keep engines of tensorrt in; name one with --cache.")
        return None
    return base / "inspector" / "tensorrt"


def open_cache(folder: Path) -> Path | None:
    """Makes it where it is not. None, and a warning, where it cannot be had, or where others than its user may write.

    Any user who can alter an engine there can alter its hash too, and TensorRT trusts what it deserialises.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as exc:
        log.warning(
            "Engine cache %s cannot be used (%s): all engines are built again; choose another folder with --cache.",
            folder,
            exc.strerror,
        )
        return None
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        log.warning(
            "Engine cache %s is writable by other users: all engines are built again; chmod 700, or --cache.", folder
        )
        return None
    return folder


def entry_path(cache: Path, graph: bytes, batches: Sequence[int], compiler: str, device: Device) -> Path:
    """By graph (which includes its precision), batch sizes, version, GPU and driver."""
    content, sizes = hashlib.sha256(graph).hexdigest(), ",".join(map(str, batches))
    key = "\n".join((_FORM, content, sizes, compiler, device.name, device.capability, device.driver))
    return cache / f"{hashlib.sha256(key.encode()).hexdigest()}.engine"


def take_engine(entry: Path) -> bytes | None:
    """None where there is none, or none that is whole."""
    try:
        return read_sealed(entry, entry.name)
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("Engine %s cannot be read (%s): it is built again.", entry, exc.strerror)
    except DamagedError:
        log.warning("Engine %s is altered or truncated: it is built again.", entry)
    return None


def keep_engine(entry: Path, engine: bytes) -> None:
    """Writes atomically; where it cannot be written, the next run builds the engine again."""
    try:
        write_sealed(entry, engine, entry.name, mode=0o600)
    except OSError as exc:
        log.warning("Engine %s cannot be kept (%s): the next run builds it again.", entry, exc.strerror)
