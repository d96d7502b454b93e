"""Reads the bytes of a file that a manifest names, or explains why it cannot."""

from pathlib import Path, PureWindowsPath
from stat import S_ISDIR, S_ISREG
from typing import TypeVar

Error = TypeVar("Error", bound=ValueError)


def read_bytes(path: Path, max_bytes: int, error: type[Error]) -> bytes:
    """The whole file. Raises `error` for one that is absent, empty, larger than `max_bytes` or cannot be read."""
    try:
        status = path.stat()
        size = status.st_size
        if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
            raise error(f"{path}: is no regular file but a pipe, socket or device; name the file itself")
        if size > max_bytes:
            raise error(f"{path}: has {size} bytes, expected at most {max_bytes}; crop or cut it")
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise error(f"{path}: does not exist; {_advice(path)}") from exc
    except (OSError, ValueError) as exc:
        if isinstance(exc, error):
            raise
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise error(f"{path}: cannot be read ({reason}); correct the path or the rights of the file") from exc
    if not data:
        raise error(f"{path}: is empty (0 bytes); restore the file or leave the piece out")
    return data


def _advice(path: Path) -> str:
    if "\\" not in str(path):
        return "restore the file or correct its path in the manifest"
    slashes = PureWindowsPath(path).as_posix()
    there = " (which exists)" if Path(slashes).exists() else ""
    return f"write / for \\ in the manifest: {slashes}{there}"
