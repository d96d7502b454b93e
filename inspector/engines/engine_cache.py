"""Keeps engines that TensorRT built on this machine's GPU: the same graph is not built twice. Builds and runs none.

An entry is the SHA-256 of its own name and of the engine, then the engine, in one file: one rename puts both there.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from inspector.engines.device import Device

log = logging.getLogger("inspector.engines")

_DIGEST_BYTES = 32
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

    Whoever can alter an engine there can alter its hash too, and TensorRT trusts what it deserialises.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as exc:
        log.warning("Cache of engines %s cannot be used (%s): they are built anew; see --cache.", folder, exc.strerror)
        return None
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        log.warning("Cache of engines %s may be written by others: they are built anew; chmod 700, or --cache.", folder)
        return None
    return folder


def entry_path(cache: Path, graph: bytes, batches: Sequence[int], compiler: str, device: Device) -> Path:
    """By graph, which says its precision itself, batch sizes, version, GPU and driver."""
    content, sizes = hashlib.sha256(graph).hexdigest(), ",".join(map(str, batches))
    key = "\n".join((_FORM, content, sizes, compiler, device.name, device.capability, device.driver))
    return cache / f"{hashlib.sha256(key.encode()).hexdigest()}.engine"


def take_engine(entry: Path) -> bytes | None:
    """None where there is none, or none that is whole."""
    try:
        content = entry.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("Engine %s cannot be read (%s): it is built anew.", entry, exc.strerror)
        return None
    engine = content[_DIGEST_BYTES:]
    if _digest(entry, engine) != content[:_DIGEST_BYTES]:
        log.warning("Engine %s is altered or truncated: it is built anew.", entry)
        return None
    return engine


def keep_engine(entry: Path, engine: bytes) -> None:
    """Whole or not at all; where it cannot be written, the next time costs what this one did, and nothing else."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=entry.parent) as scratch:
            unfinished = Path(scratch, entry.name)
            unfinished.touch(mode=0o600)
            unfinished.write_bytes(_digest(entry, engine) + engine)
            unfinished.replace(entry)
    except OSError as exc:
        log.warning("Engine %s cannot be kept (%s): it is built anew the next time.", entry, exc.strerror)


def _digest(entry: Path, engine: bytes) -> bytes:
    return hashlib.sha256(entry.name.encode() + engine).digest()
