"""A model card gets the rows and notes about its bundle: rows of the bundle, or of its set."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fusion.scored import Scored
from inspector.bundle.load import load
from inspector.dataset.manifest import Label, PieceRow, write_manifest
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.table import Table
from tests.benchmarks.test_pages import scored
from tests.bundles import write_toy_bundle

cards = pytest.importorskip("tests.benchmarks.evidence.cards", reason="needs the training half")
keeping = pytest.importorskip("tests.benchmarks.evidence.keeping", reason="needs the training half")
page = pytest.importorskip("tests.benchmarks.evidence.page", reason="needs matplotlib")
workshop = pytest.importorskip("tests.benchmarks.evidence.workshop", reason="needs the training half")

pytestmark = pytest.mark.train
DAY = date(2026, 1, 31)
ACCURACY = Table(
    name="accuracy",
    title="Fusion",
    question="Mean over seeds.",
    columns=("set", "score", "accuracy"),
    rows=[("wafer", "fused", "0.9 ± 0.1"), ("cell_tap", "fused", "0.7 ± 0.1")],
    notes=["wafer: goal missed (0.9).", "cell_tap: goal reached (0.7).", "Missed: on wafer the box.", "Alike for all."],
    bundle_rows={"wafer-7": [("wafer", "fused", "0.8")], "cell_tap-7": [("cell_tap", "fused", "0.6")]},
)


def trained(folder: Path, name: str, seed: int) -> Trained:
    """As a workshop leaves it: manifest, bundle, scores."""
    manifest = folder / "data" / f"seed-{seed}" / name / "manifest.jsonl"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    labels: tuple[Label, ...] = ("ok", "nok", "nok")
    rows = [
        PieceRow(piece_id=f"p{index}", label=label, split="test", groups={"image": f"i{index // 2}"})
        for index, label in enumerate(labels)
    ]
    write_manifest(manifest, rows)
    run_folder = folder / "trained" / f"{name}-{seed}"
    scores: Scored = scored()
    bundle = write_toy_bundle(run_folder / "bundle")
    for part in ("calibration", "test"):
        keeping.write_scored(run_folder / f"{part}.npz", scores)
    return Trained(name, seed, manifest, bundle, run_folder / "checkpoint", scores, scores)


def card(bundle: Trained, *tables: Table) -> str:
    cards.write_cards([bundle], tables, DAY)
    text: str = load(bundle.bundle).model_card
    return text


def test_a_card_has_the_bundle_s_own_rows_and_where_they_come_from(tmp_path: Path) -> None:
    text = card(trained(tmp_path, "wafer", 7), ACCURACY)
    assert text.startswith("# Toy\n\n## Measured\n\nBy `make bench` of inspector ")
    assert "on 2026-01-31: split test of `wafer/manifest.jsonl`" in text
    assert "3 pieces, 2 defective; independent recordings: 2 by image." in text
    assert "(benchmark seed 7)" in text
    assert "### Fusion\n\n| set | score | accuracy |\n|---|---|---|\n| wafer | fused | 0.8 |\n" in text
    assert "0.9 ± 0.1" not in text
    assert str(tmp_path) not in text


def test_what_holds_of_all_seeds_says_so(tmp_path: Path) -> None:
    text = card(trained(tmp_path, "wafer", 7), ACCURACY)
    notes = [line for line in text.splitlines() if line.startswith("- ")]
    assert notes == [
        "- Of all benchmark seeds together: goal missed (0.9).",
        "- Of all benchmark seeds together: Missed: on wafer the box.",
    ]


def test_a_table_without_rows_of_bundles_gives_those_of_the_set_and_says_so(tmp_path: Path) -> None:
    text = card(trained(tmp_path, "cell_tap", 7), replace(ACCURACY, bundle_rows={}))
    assert "Of all benchmark seeds together:\n\n| set | score | accuracy |\n|---|---|---|\n| cell_tap |" in text


def test_a_bundle_that_no_table_speaks_of_keeps_its_card(tmp_path: Path) -> None:
    assert card(trained(tmp_path, "wafer", 8), ACCURACY) == "# Toy\n"


def test_a_second_run_replaces_the_figures(tmp_path: Path) -> None:
    bundle = trained(tmp_path, "wafer", 7)
    card(bundle, ACCURACY)
    text = card(bundle, replace(ACCURACY, bundle_rows={"wafer-7": [("wafer", "fused", "0.85")]}))
    assert (text.count("## Measured"), "0.85" in text, "| 0.8 |" in text) == (1, True, False)


def test_rows_of_bundles_are_kept_with_their_table(tmp_path: Path) -> None:
    page.keep_table(tmp_path, ACCURACY)
    (table,) = page.kept_tables(tmp_path, ["accuracy"])
    bundle = trained(tmp_path, "wafer", 7)
    assert card(bundle, table) == card(bundle, ACCURACY)


def test_a_workshop_knows_what_was_made_in_its_folder(tmp_path: Path) -> None:
    before = [trained(tmp_path, "wafer", 7), trained(tmp_path, "tile_tap", 11)]
    (tmp_path / "trained" / "wafer-8").mkdir()
    bundles = workshop.Workshop(tmp_path, (7,), {}, None).all_trained()
    assert {(bundle.key, bundle.bundle, bundle.manifest) for bundle in bundles} == {
        (bundle.key, bundle.bundle, bundle.manifest) for bundle in before
    }
