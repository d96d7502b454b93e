"""The store that workers share: whole bundles, named by content, and nothing outside of it."""

import errno
import json
import os
import time
from pathlib import Path

import pytest

from inspector.bundle.card import write_section
from inspector.bundle.files import cache_folder
from inspector.bundle.leftovers import LEFT_S
from inspector.bundle.load import BundleError, load
from inspector.bundle.store import BundleStore
from tests.bundles import edit_manifest, write_toy_bundle
from tests.inspector.rollout.test_check_process import with_spoiled_int8


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "bundles")


def test_a_bundle_lies_there_whole_under_its_digest(store: BundleStore, tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path / "toy"))
    name = store.put(bundle)
    assert name == f"toy-1-{bundle.digest[:12]}"
    assert store.get(name, bundle.digest).schema == bundle.schema
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [name]


def test_putting_it_again_changes_nothing(store: BundleStore, tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path / "toy"))
    first = (tmp_path / "bundles" / store.put(bundle) / "bundle.json").stat()
    again = (tmp_path / "bundles" / store.put(bundle) / "bundle.json").stat()
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_what_machines_found_out_about_a_bundle_goes_with_it(store: BundleStore, tmp_path: Path) -> None:
    name = store.put(load(write_toy_bundle(tmp_path / "made")))
    cache_folder(tmp_path / "bundles" / name).mkdir()
    store.remove(name)
    assert not list((tmp_path / "bundles").iterdir())


def test_measuring_does_not_make_another_bundle_of_it(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path)
    before = load(folder)
    write_section(before, "Measured", "all is well")
    assert load(folder).digest == before.digest


@pytest.mark.parametrize("change", [{"version": "2"}, {"policy": {"mode": "dense"}}, {"provenance": {"seed": 1}}])
def test_any_other_change_makes_another_bundle(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write_toy_bundle(tmp_path)
    before = load(folder)
    edit_manifest(folder, change)
    assert load(folder).digest != before.digest


def test_a_version_with_a_path_in_it_stays_on_the_store(store: BundleStore, tmp_path: Path) -> None:
    edit_manifest(folder := write_toy_bundle(tmp_path / "toy"), {"version": "../../2 β"})
    name = store.put(load(folder))
    assert name.startswith("toy-.._.._2__-")
    assert (tmp_path / "bundles" / name / "bundle.json").is_file()


@pytest.mark.parametrize("name", ["../toy", "/etc", "", ".", "..", "a/b", ".hidden"])
def test_nothing_outside_the_store_can_be_named(store: BundleStore, tmp_path: Path, name: str) -> None:
    write_toy_bundle(tmp_path / "toy")
    with pytest.raises(BundleError, match="is not plain"):
        store.get(name, "0" * 64)


def test_a_link_out_of_the_store_is_not_followed(store: BundleStore, tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path / "toy"))
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles/toy-1").symlink_to(tmp_path / "toy")
    with pytest.raises(BundleError, match="is no folder here"):
        store.get("toy-1", bundle.digest)


def test_a_bundle_that_was_changed_on_the_store_is_refused(store: BundleStore, tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path / "toy"))
    name = store.put(bundle)
    manifest = tmp_path / "bundles" / name / "bundle.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "1.1"}))
    with pytest.raises(BundleError, match=r"has digest \w{12}, deployed was \w{12}: it was changed"):
        store.get(name, bundle.digest)
    assert store.put(bundle) == name
    assert store.get(name, bundle.digest).schema == bundle.schema


def test_what_cannot_be_copied_leaves_nothing_behind(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load(write_toy_bundle(tmp_path / "toy"))
    monkeypatch.setattr("inspector.bundle.copying.to_disk", fail_as_full_disk)
    with pytest.raises(BundleError, match="cannot be copied there"):
        store.put(bundle)
    assert list((tmp_path / "bundles").iterdir()) == []


@pytest.mark.parametrize(("age_s", "stays"), [(LEFT_S - 60, True), (LEFT_S + 60, False)])
def test_what_a_crash_left_goes_with_the_next_bundle_a_day_later(
    store: BundleStore, tmp_path: Path, age_s: float, stays: bool
) -> None:
    left = tmp_path / "bundles/.arriving-x"
    (left / "copy").mkdir(parents=True)
    other = tmp_path / "bundles/.other"
    other.mkdir()
    for folder in (left, other):
        os.utime(folder, (time.time() - age_s,) * 2)
    store.put(load(write_toy_bundle(tmp_path / "toy")))
    assert (left.exists(), other.exists()) == (stays, True)


def fail_as_full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("file", ["full.int8.onnx", "head.onnx"])
def test_a_source_that_is_damaged_is_not_copied(store: BundleStore, tmp_path: Path, file: str) -> None:
    bundle = load(with_spoiled_int8(write_toy_bundle(tmp_path / "toy")))
    bundle.path(file).write_bytes(b"half")
    with pytest.raises(BundleError, match=f"file '{file}' has SHA-256"):
        store.put(bundle)
    assert not (tmp_path / "bundles").exists()


@pytest.mark.parametrize("file", ["full.int8.onnx", "head.onnx", "bundle.json"])
def test_what_is_damaged_on_the_store_is_replaced(store: BundleStore, tmp_path: Path, file: str) -> None:
    bundle = load(with_spoiled_int8(write_toy_bundle(tmp_path / "toy")))
    stored = tmp_path / "bundles" / store.put(bundle) / file
    stored.write_bytes(b"half")
    store.put(bundle)
    assert stored.read_bytes() == bundle.path(file).read_bytes()
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [stored.parent.name]
