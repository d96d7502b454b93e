"""Bundles are found by folder, zip file, fsspec address and hub name; what is no bundle is refused within bounds."""

import io
import itertools
import zipfile
from pathlib import Path

import fsspec
import pytest

from inspector.api import address as address_module
from inspector.api.address import AddressError, Budget, local_bundle
from inspector.bundle.load import BundleError, load
from tests.bundles import write_toy_bundle


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy_bundle(tmp_path / "toy")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def zipped(folder: Path, prefix: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, prefix + path.name)
    return data.getvalue()


def test_a_folder_is_used_where_it_lies(toy: Path, cache: Path) -> None:
    assert local_bundle(toy, cache) == toy.resolve()
    assert not cache.exists()


@pytest.mark.parametrize("prefix", ["", "disc/"])
def test_a_zip_file_is_unpacked_once(toy: Path, cache: Path, tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "disc.zip"
    file.write_bytes(zipped(toy, prefix))
    folders = {local_bundle(file, cache), local_bundle(str(file), cache)}
    (folder,) = folders
    assert load(folder).digest == load(toy).digest
    assert [path.name for path in cache.iterdir()] == [folder.name], "nothing else is left there"


@pytest.mark.parametrize("name", ["bundles/disc", "bundles/disc/", "bundles/disc.zip"])
def test_an_fsspec_address_is_fetched(toy: Path, cache: Path, name: str) -> None:
    store = fsspec.filesystem("memory")
    if name.endswith(".zip"):
        store.pipe(f"/{name}", zipped(toy))
    else:
        for path in toy.iterdir():
            store.pipe(f"/{name.rstrip('/')}/{path.name}", path.read_bytes())
    try:
        assert load(local_bundle(f"memory://{name}", cache)).digest == load(toy).digest
    finally:
        store.rm("/bundles", recursive=True)


def test_what_is_altered_on_the_way_is_refused(toy: Path, cache: Path, tmp_path: Path) -> None:
    expert = next(toy.glob("*.onnx"))
    expert.write_bytes(expert.read_bytes() + b"\0")
    (tmp_path / "disc.zip").write_bytes(zipped(toy))
    with pytest.raises(BundleError, match=expert.name):
        local_bundle(tmp_path / "disc.zip", cache)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("no/such/folder", "no such folder or file"),
        ("memory://nothing/here", "cannot be read"),
        ("memory://nothing/here.zip", "cannot be read"),
        ("nosuchscheme://x/y", "nosuchscheme"),
    ],
)
def test_an_address_without_a_bundle_is_refused(cache: Path, address: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        local_bundle(address, cache)


def test_a_file_that_is_no_zip_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "disc.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(AddressError, match="no readable zip file"):
        local_bundle(tmp_path / "disc.zip", cache)


def test_a_zip_writes_nothing_outside_of_its_folder(toy: Path, cache: Path, tmp_path: Path) -> None:
    data = io.BytesIO(zipped(toy))
    with zipfile.ZipFile(data, "a") as archive:
        for name in ("../outside", "/tmp/outside", "deeper/outside", "..\\outside"):  # noqa: S108 - a name in a zip
            archive.writestr(name, b"x")
    (tmp_path / "disc.zip").write_bytes(data.getvalue())
    folder = local_bundle(tmp_path / "disc.zip", cache)
    assert not list(tmp_path.rglob("*outside*"))
    assert load(folder).digest == load(toy).digest


def test_two_bundles_in_one_zip_are_refused(toy: Path, cache: Path, tmp_path: Path) -> None:
    data = io.BytesIO(zipped(toy))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("other/bundle.json", b"{}")
    (tmp_path / "disc.zip").write_bytes(data.getvalue())
    with pytest.raises(AddressError, match=r"2 files bundle\.json"):
        local_bundle(tmp_path / "disc.zip", cache)


def test_a_bomb_ends_at_its_bound(toy: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "MAX_BUNDLE_BYTES", 2**20)
    data = io.BytesIO(zipped(toy))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large.onnx", bytes(8 * 2**20))
    assert len(data.getvalue()) < 2**20
    (tmp_path / "disc.zip").write_bytes(data.getvalue())
    with pytest.raises(AddressError, match=r"large\.onnx is larger than a bundle may be"):
        local_bundle(tmp_path / "disc.zip", cache)


def test_too_many_entries_are_refused(cache: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "disc.zip", "w") as archive:
        for number in range(1025):
            archive.writestr(f"{number}", b"")
    with pytest.raises(AddressError, match="1025 entries"):
        local_bundle(tmp_path / "disc.zip", cache)


def test_a_source_that_does_not_end_is_left_after_its_time(tmp_path: Path) -> None:
    class Trickle(io.RawIOBase):
        blocks = itertools.repeat(b"x")

        def read(self, size: int = -1) -> bytes:
            return next(self.blocks)

    with pytest.raises(AddressError, match=r"did not send its files within 0\.05 s"):
        Budget("s3://slow", timeout_s=0.05).copy(Trickle(), tmp_path / "file")  # type: ignore[arg-type]


def test_a_manifest_that_names_files_elsewhere_is_refused(toy: Path, cache: Path) -> None:
    store = fsspec.filesystem("memory")
    name = next(toy.glob("*.onnx")).name
    manifest = (toy / "bundle.json").read_text().replace(name, f"../{name}")
    store.pipe("/evil/bundle.json", manifest.encode())
    try:
        with pytest.raises(AddressError, match=r"outside of its folder|no bundle's manifest"):
            local_bundle("memory://evil", cache)
    finally:
        store.rm("/evil", recursive=True)


class Hub:
    """A stand-in for the Hugging Face hub, which cannot be reached here: hands out one folder as a snapshot."""

    def __init__(self, snapshot: Path) -> None:
        self.snapshot = snapshot
        self.calls: list[tuple[str, str | None]] = []

    def snapshot_download(self, repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        self.calls.append((repository, revision))
        return str(self.snapshot)


def test_a_hub_name_is_fetched_through_huggingface_hub(
    toy: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(toy)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
    assert load(local_bundle("hf://plant/disc@v2", cache)).digest == load(toy).digest
    hub.snapshot = tmp_path / "empty"
    hub.snapshot.mkdir()
    with pytest.raises(AddressError, match=r"has no bundle\.json"):
        local_bundle("hf://plant/other", cache)
    assert hub.calls == [("plant/disc", "v2"), ("plant/other", None)]


def test_the_hub_without_its_package_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(AddressError, match=r"pip install 'inspector\[hub\]'"):
        local_bundle("hf://plant/disc", cache)
