"""Reads and writes files with a SHA-256 header, written atomically by one rename."""

import hashlib
import tempfile
from pathlib import Path

from inspector.bundle.files import replacing
from inspector.bundle.leftovers import sweep

_DIGEST_BYTES = 32
UNFINISHED = ".unfinished-"


class DamagedError(ValueError):
    """A file is altered, truncated, or not the one that it is called."""


def read_sealed(path: Path, name: str = "") -> bytes:
    """`name` as it was written. Raises OSError, DamagedError."""
    content = path.read_bytes()
    payload = content[_DIGEST_BYTES:]
    if _digest(payload, name) != content[:_DIGEST_BYTES]:
        raise DamagedError(f"{path} is altered or truncated")
    return payload


def write_sealed(path: Path, content: bytes, name: str = "", mode: int = 0o666) -> None:
    """Whole or not at all; `mode` within the umask. Raises OSError."""
    sweep(path.parent, UNFINISHED)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent) as scratch:
        unfinished = Path(scratch, path.name)
        unfinished.touch(mode=mode)
        with replacing(path, unfinished) as file:
            file.write(_digest(content, name) + content)


def _digest(content: bytes, name: str) -> bytes:
    return hashlib.sha256(name.encode() + content).digest()
