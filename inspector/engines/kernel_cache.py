"""Keeps what TensorRT for RTX compiled for one device beside the bundle: a second start is fast. Runs nothing.

A file is the SHA-256 of the rest, then the rest: what is damaged is dropped before the runtime reads it.
"""

import hashlib
import logging
import os
from pathlib import Path

from inspector.engines.device import Device

log = logging.getLogger("inspector.engines")

_DIGEST_BYTES = 32


def cache_path(engine: Path, sha256: str, device: Device, compiler: str) -> Path:
    """By GPU, driver, version and hash."""
    key = "\n".join((device.name, device.capability, device.driver, compiler, sha256.lower()))
    name = f"{engine.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.kernels"
    return cache_folder(engine.parent) / name


def cache_folder(bundle: Path) -> Path:
    """What this machine found out about a bundle lies beside it, for the bundle itself is hashed whole."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.cache")


def read_cache(path: Path) -> bytes | None:
    """None where there is none, or none that is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("Kernel cache %s cannot be read (%s): this start compiles anew.", path, exc.strerror)
        return None
    blob = content[_DIGEST_BYTES:]
    if hashlib.sha256(blob).digest() != content[:_DIGEST_BYTES]:
        drop_cache(path, "is damaged")
        return None
    return blob


def drop_cache(path: Path, why: str) -> None:
    log.warning("Kernel cache %s %s: it is dropped, and this start compiles anew.", path, why)
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        log.warning("Kernel cache %s cannot be removed (%s).", path, exc.strerror)


def write_cache(path: Path, blob: bytes) -> None:
    """Whole or not at all; a folder that cannot be written costs the next start its time, and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.write_bytes(hashlib.sha256(blob).digest() + blob)
        unfinished.replace(path)
    except OSError as exc:
        log.warning("Kernel cache %s cannot be written (%s): the next start compiles anew.", path, exc.strerror)
