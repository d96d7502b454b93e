"""Finds a bundle by its address and keeps a checked copy of one that lies elsewhere."""

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from inspector.bundle.load import CARD_NAME, load
from inspector.bundle.schema import MANIFEST_NAME, Bundle
from inspector.bundle.store import BundleStore
from streams.deadline import Deadline

MAX_BUNDLE_BYTES = 4 * 2**30
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_FILES = 1024
TIMEOUT_S = 600.0
_BLOCK_BYTES = 2**20
_INSTALL_HUB = "install it with: pip install 'inspector[hub]'"


class AddressError(ValueError):
    """There is no usable bundle at an address; the message says why and what to do."""


def local_bundle(address: str | Path, cache: Path | None = None) -> Path:
    """The folder of the bundle: the address itself, or a copy in `cache` that is named after its content.

    Raises AddressError, BundleError.
    """
    text = os.fspath(address)
    path = Path(text)
    if path.is_dir():
        return path.resolve()
    if path.is_file():
        return _stored(cache, lambda folder: _unpack(path, folder))
    scheme = urlsplit(text).scheme
    if "://" not in text or not scheme:
        raise AddressError(f"{text}: no such folder or file; expected a bundle's folder, a .zip of it, or an address")
    fetch = _fetch_from_hub if scheme == "hf" else _fetch
    return _stored(cache, lambda folder: fetch(text, folder))


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/inspector/bundles`, or below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inspector" / "bundles"


def _stored(cache: Path | None, fill: Callable[[Path], None]) -> Path:
    """`fill` puts the bundle's files into an empty folder, which is checked before it enters the cache."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache) as scratch:
        fill(Path(scratch))
        return (cache / BundleStore(cache).put(load(Path(scratch)))).resolve()


def _unpack(file: Path, folder: Path) -> None:
    """The files of a zip that lie next to its manifest, at its top or in one folder; others are left out."""
    try:
        with zipfile.ZipFile(file) as archive:
            if len(members := archive.infolist()) > MAX_FILES:
                raise AddressError(f"{file}: has {len(members)} entries, expected at most {MAX_FILES}")
            manifests = [PurePosixPath(each.filename) for each in members if _is_manifest(each.filename)]
            if len(manifests) != 1:
                raise AddressError(f"{file}: has {len(manifests)} files {MANIFEST_NAME}, expected one: zip one bundle")
            budget = Budget(str(file))
            for each in members:
                name = PurePosixPath(each.filename)
                if name.parent == manifests[0].parent and not each.is_dir():
                    with archive.open(each) as source:
                        budget.copy(cast("BinaryIO", source), folder / name.name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as exc:
        raise AddressError(f"{file}: is no readable zip file ({exc}); copy it again") from exc


def _is_manifest(name: str) -> bool:
    return PurePosixPath(name).name == MANIFEST_NAME and len(PurePosixPath(name).parts) <= 2


def _fetch(address: str, folder: Path) -> None:
    """A zip, or the files that the manifest there names."""
    if urlsplit(address).path.endswith(".zip"):
        with _opened(address) as source, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = Path(scratch, "bundle.zip")
            Budget(address).copy(source, archive)
            _unpack(archive, folder)
        return
    root, budget = address.rstrip("/"), Budget(address)
    with _opened(f"{root}/{MANIFEST_NAME}") as source:
        Budget(address, MAX_MANIFEST_BYTES).copy(source, folder / MANIFEST_NAME)
    for name in _listed(address, folder / MANIFEST_NAME):
        with _opened(f"{root}/{name}") as source:
            budget.copy(source, folder / name)


def _listed(address: str, manifest: Path) -> list[str]:
    """Names of the files next to the manifest; `load` checks the rest. Raises AddressError for other places."""
    try:
        schema = Bundle.model_validate_json(manifest.read_bytes())
    except ValidationError as exc:
        raise AddressError(
            f"{address}/{MANIFEST_NAME}: is no bundle's manifest ({exc.error_count()} problems)"
        ) from exc
    names = sorted({*schema.files, CARD_NAME})
    if len(names) > MAX_FILES or any(PurePosixPath(name).name != name for name in names):
        raise AddressError(f"{address}: its manifest names files outside of its folder, or more than {MAX_FILES}")
    return names


@contextmanager
def _opened(address: str) -> Iterator[BinaryIO]:
    import fsspec

    try:
        with fsspec.open(address, "rb") as source:
            yield source
    except ImportError as exc:
        raise AddressError(f"{address}: needs another package ({exc}); for S3: pip install 'inspector[s3]'") from exc
    except (OSError, ValueError) as exc:
        if isinstance(exc, AddressError):
            raise
        raise AddressError(f"{address}: cannot be read ({type(exc).__name__}: {str(exc)[:300]})") from exc


def _fetch_from_hub(address: str, folder: Path) -> None:
    """hf://organisation/name, with @revision behind it where another than `main` is wanted."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as exc:
        raise AddressError(f"{address}: needs the package huggingface_hub; {_INSTALL_HUB}") from exc
    repository, _, revision = address.removeprefix("hf://").strip("/").partition("@")
    try:
        snapshot = Path(
            snapshot_download(
                repository, revision=revision or None, allow_patterns=["*.json", "*.onnx*", "*.md", "*.zip"]
            )
        )
    except (HfHubHTTPError, HFValidationError, OSError) as exc:
        raise AddressError(f"{address}: cannot be fetched ({type(exc).__name__}: {str(exc)[:300]})") from exc
    budget = Budget(address)
    for name in (
        MANIFEST_NAME,
        *(_listed(address, snapshot / MANIFEST_NAME) if (snapshot / MANIFEST_NAME).is_file() else ()),
    ):
        try:
            with (snapshot / name).open("rb") as source:
                budget.copy(source, folder / name)
        except FileNotFoundError as exc:
            raise AddressError(f"{address}: has no {name}; expected a bundle as `inspector train` writes it") from exc


class Budget:
    """Bounds what one address may send, in bytes and in time."""

    def __init__(self, address: str, max_bytes: int | None = None, timeout_s: float | None = None) -> None:
        self._address = address
        self._left_bytes = MAX_BUNDLE_BYTES if max_bytes is None else max_bytes
        self._timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        self._deadline = Deadline.after(self._timeout_s)

    def copy(self, source: BinaryIO, target: Path) -> None:
        """Raises AddressError."""
        with target.open("wb") as file:
            while block := source.read(_BLOCK_BYTES):
                self._left_bytes -= len(block)
                if self._left_bytes < 0:
                    raise AddressError(f"{self._address}: {target.name} is larger than a bundle may be")
                if self._deadline.is_over:
                    raise AddressError(f"{self._address}: did not send its files within {self._timeout_s:g} s")
                file.write(block)
