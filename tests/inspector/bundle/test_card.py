"""A section is put into a bundle's model card, and the bundle is whole before, meanwhile and after."""

import json
from pathlib import Path

import pytest

from inspector.bundle import card as card_module
from inspector.bundle import load as load_module
from inspector.bundle.card import with_section, write_section
from inspector.bundle.load import BundleError, load
from tests.bundles import edit_manifest, write_toy_bundle
from tests.crashes import crash_at


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("# Toy\n", "# Toy\n\n## Measured\n\nnew\n"),
        ("# Toy\n\n## Measured\n\n### old\n\nold\n", "# Toy\n\n## Measured\n\nnew\n"),
        ("# Toy\n\n## Measured\nold\n\n## Data\n\n5\n", "# Toy\n\n## Data\n\n5\n\n## Measured\n\nnew\n"),
        ("# Toy\n\n## Measured by eye\n\n1\n", "# Toy\n\n## Measured by eye\n\n1\n\n## Measured\n\nnew\n"),
    ],
)
def test_a_card_has_a_section_once(card: str, expected: str) -> None:
    assert with_section(card, "Measured", "new\n") == expected
    assert with_section(expected, "Measured", "new") == expected


def test_a_measured_bundle_is_the_same_bundle_with_another_card(tmp_path: Path) -> None:
    manifest = json.loads((write_toy_bundle(tmp_path) / "bundle.json").read_text())
    del manifest["certificate"]  # As a version wrote it that knew of none.
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    before = load(tmp_path)
    graphs = {name: (tmp_path / name).read_bytes() for name in before.schema.files if name != "model_card.md"}
    write_section(before, "Measured", "first")
    write_section(before, "Measured", "second")
    after = load(tmp_path)
    assert after.model_card == "# Toy\n\n## Measured\n\nsecond\n"
    assert json.loads((tmp_path / "bundle.json").read_text()) == manifest | {"files": after.schema.files}
    changed = {name for name, digest in after.schema.files.items() if before.schema.files[name] != digest}
    assert changed == {"model_card.md"}
    assert graphs == {name: (tmp_path / name).read_bytes() for name in graphs}
    assert {path.name for path in tmp_path.iterdir()} == {"bundle.json", *before.schema.files}


def test_a_bundle_without_a_card_gets_one(tmp_path: Path) -> None:
    files = dict(load(write_toy_bundle(tmp_path)).schema.files)
    del files["model_card.md"]
    (tmp_path / "model_card.md").unlink()
    edit_manifest(tmp_path, {"files": files})
    write_section(load(tmp_path), "Measured", "new")
    assert load(tmp_path).model_card == "# toy 1\n\n## Measured\n\nnew\n"


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_crash_leaves_a_bundle_that_loads_and_can_be_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    before = load(write_toy_bundle(tmp_path))
    with crash_at(last, card_module, monkeypatch):
        write_section(before, "Measured", "first")
    after = load(tmp_path)
    assert after.schema.experts == before.schema.experts
    assert after.model_card == ("# Toy\n" if last == 0 else "")
    write_section(after, "Measured", "second")
    assert load(tmp_path).model_card == "# Toy\n\n## Measured\n\nsecond\n"


def test_a_bundle_that_is_measured_while_a_service_loads_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    contents = load_module._contents
    measured: list[bool] = []

    def measured_meanwhile(*arguments):
        if not measured:
            measured.append(True)
            write_section(bundle, "Measured", "new")
        return contents(*arguments)

    monkeypatch.setattr(load_module, "_contents", measured_meanwhile)
    assert load(tmp_path).model_card == "# Toy\n\n## Measured\n\nnew\n"


def test_the_card_of_a_bundle_that_took_the_place_of_the_measured_one_is_left_alone(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    edit_manifest(tmp_path, {"version": "2"})
    with pytest.raises(BundleError, match="another bundle was put there meanwhile"):
        write_section(bundle, "Measured", "of version 1")
    assert load(tmp_path).model_card == "# Toy\n"


def test_a_card_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    bundle = load(write_toy_bundle(tmp_path))
    (tmp_path / "bundle.json.part").mkdir()
    with pytest.raises(BundleError, match=r"its card cannot be written \(Is a directory\); make the folder writable"):
        write_section(bundle, "Measured", "new")
    assert load(tmp_path).model_card == "# Toy\n"
