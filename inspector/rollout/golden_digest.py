"""Computes the digests of a golden set: of its manifest and of every file that it names."""

import hashlib
from pathlib import Path

from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest

MAX_FILES = 100_000
MAX_BYTES = 16 * 2**30
"""A worker hashes the set at its start: 1 to 2 s per GiB. A larger set is judged again instead."""
_CHUNK_BYTES = 2**20


class GoldenDigestError(ValueError):
    """A golden set without a digest; the message says why and what to do."""


def manifest_digest(golden: Path | None) -> str:
    """Digest of the manifest alone; of one that cannot be read, the error."""
    try:
        return "" if golden is None else hashlib.sha256(golden.read_bytes()).hexdigest()
    except OSError as exc:
        return str(exc)


def files_digest(golden: Path) -> str:
    """Digest of all files that the manifest names, by name and content. Raises GoldenDigestError for a set that cannot
    be read or is larger than `MAX_FILES` and `MAX_BYTES`."""
    try:
        names = sorted({name for row in read_manifest(golden) for name in _names(row)})
        if len(names) > MAX_FILES:
            raise GoldenDigestError(f"{golden} names {len(names)} files, expected at most {MAX_FILES}: name fewer")
        return _digest(golden, names)
    except (ManifestError, OSError) as exc:
        raise GoldenDigestError(f"the files of {golden} cannot be read ({exc}): restore them") from exc


def _digest(golden: Path, names: list[str]) -> str:
    whole, left_bytes = hashlib.sha256(), MAX_BYTES
    for name in names:
        path = golden.parent / name
        if not path.is_file():
            raise GoldenDigestError(f"{path}, which {golden} names, is no file: restore it or leave its piece out")
        content, num_bytes = _hash(path, left_bytes)
        left_bytes -= num_bytes
        if left_bytes < 0:
            raise GoldenDigestError(f"the files of {golden} have more than {MAX_BYTES} bytes: name fewer")
        whole.update(f"{len(name.encode())}:{name}{content}".encode())
    return whole.hexdigest()


def _hash(path: Path, most_bytes: int) -> tuple[str, int]:
    """Digest and size of a file; stops reading where it is too large."""
    content, num_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while num_bytes <= most_bytes and (chunk := file.read(_CHUNK_BYTES)):
            content.update(chunk)
            num_bytes += len(chunk)
    return content.hexdigest(), num_bytes


def _names(row: PieceRow) -> set[str]:
    paths = {image.path for image in row.images} | {signal.path for signal in row.signals}
    return paths if row.mask is None else paths | {row.mask}
