"""Explanations of a model whose relevance and scores can be worked out by hand."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, read_manifest, write_manifest
from inspector.evaluation.explanations.contributions import contributions
from inspector.evaluation.explanations.deletion_test import deletion
from inspector.evaluation.explanations.evaluate import explain
from inspector.evaluation.explanations.expert_views import expert_views
from inspector.evaluation.explanations.page import write_explanations
from inspector.evaluation.run import open_bundle
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.explanations import COLUMNS, rows, run
from tests.benchmarks.test_pages import scored
from tests.bundles import grey, hum, write_toy_bundle

pytestmark = pytest.mark.train
NUM_PIECES = 6
SPOT = (slice(0, 4), slice(4, 8))
"""Where the image's defect is: one cell of 4 x 4 that the experts see."""


@dataclass(frozen=True)
class MadeUp:
    """One set, one seed."""

    bundle: Path
    folder: Path
    seeds: tuple[int, ...] = (7,)
    weights: dict[str, Path] = field(default_factory=dict)

    def sets(self) -> tuple[str, ...]:
        return ("toy",)

    def manifest(self, name: str, seed: int) -> Path:
        return self.folder / "manifest.jsonl"

    def trained(self, name: str, seed: int) -> Trained:
        return Trained(name, seed, self.manifest(name, seed), self.bundle, self.bundle, scored(), scored())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Pieces with a bright spot, pieces with a loud stretch, and good ones; all images have 16 x 16 px."""
    rows = []
    for index in range(NUM_PIECES):
        kind = ("seen", "heard", "good")[index % 3]
        samples = hum(0.1)
        image = np.full((16, 16), 150, np.uint8) if kind == "seen" else grey(150 / 255, (16, 16))
        mask = np.zeros_like(image)
        mask[SPOT] = 255
        if kind == "seen":
            image[SPOT] = 240
        if kind == "heard":
            samples[5:7] = 6
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
        cv2.imwrite(str(tmp_path / f"mask-{index}.png"), mask)
        np.save(tmp_path / f"{index}.npy", samples)
        rows.append(_row(index, kind))
    write_manifest(tmp_path / "manifest.jsonl", rows)
    return tmp_path / "manifest.jsonl"


def _row(index: int, kind: str) -> PieceRow:
    return PieceRow(
        piece_id=f"p{index}",
        images=(ImageRow(camera="top", path=f"{index}.png"),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{index}.npy"),),
        label="ok" if kind == "good" else "nok",
        mask=f"mask-{index}.png" if kind == "seen" else None,
        split="test",
        groups={"image": f"i{index}", "signal": f"s{index}"},
        modality_labels={"image": "nok" if kind == "seen" else "ok", "signal": "nok" if kind == "heard" else "ok"},
    )


def test_heat_maps_are_scored_against_baseline_maps(bundle: Path, manifest: Path) -> None:
    maps = explain(bundle, manifest, "test").heat_maps["top"]
    assert (maps.expert, maps.chance.images) == ("top-full", 2)
    assert maps.chance.mask_share == pytest.approx(1 / 16)
    assert maps.scores["relevance"].pooled_auroc > 0.99
    assert maps.scores["relevance"].pooled_auroc > maps.scores["centre"].pooled_auroc


def test_erasing_the_named_place_lowers_the_score_and_another_place_does_not(bundle: Path, manifest: Path) -> None:
    deletions = explain(bundle, manifest, "test").deletions
    image, sound = deletions["top"], deletions["mic"]
    # The spot is a sixteenth of the image, its brightness 90 / 255 above the rest, and the expert's log-odds 16 m - 8.
    assert image.drop.mean == pytest.approx(16 / 16 * 90 / 255, abs=1e-3)
    # Two of 16 samples are 5.9 above the rest, and the log-odds are 8 m - 4.
    assert sound.drop.mean == pytest.approx(8 * 2 / 16 * 5.9, abs=1e-3)
    for test in (image, sound):
        assert (test.recordings, test.missed, test.without_room) == (2, 0, 0)
        # A box right next to the place is filled with a little of it: the score may rise, but hardly falls.
        assert abs(test.drop_elsewhere.mean) < 0.15 * test.drop.mean
        assert (test.fades, test.fades_elsewhere, test.moves_elsewhere) == (1, 0, 0)


def test_good_recordings_are_not_erased(bundle: Path, manifest: Path) -> None:
    model, rows = open_bundle(bundle), read_manifest(manifest)
    seen = expert_views(model, manifest.parent, rows, model.schema.modalities[0])
    assert [sight.defective for sight in seen] == [True, False, False] * 2
    assert deletion(model, [sight for sight in seen if not sight.defective], seed=0) is None


def test_a_signal_is_not_erased_where_no_good_one_can_stand_in(bundle: Path, manifest: Path) -> None:
    model, rows = open_bundle(bundle), read_manifest(manifest)
    seen = expert_views(model, manifest.parent, rows, model.schema.modalities[1])
    assert deletion(model, seen, seed=0) is not None
    assert deletion(model, [sight for sight in seen if sight.defective], seed=0) is None


def test_a_defect_that_the_expert_misses_has_no_evidence(bundle: Path, manifest: Path) -> None:
    cv2.imwrite(str(manifest.parent / "0.png"), grey(90 / 255, (16, 16)))
    test = explain(bundle, manifest, "test").deletions["top"]
    assert (test.recordings, test.missed) == (1, 1)


def test_a_recording_that_many_pieces_share_counts_once(bundle: Path, manifest: Path) -> None:
    rows = read_manifest(manifest)
    again = [row.model_copy(update={"piece_id": f"again-{row.piece_id}"}) for row in rows]
    write_manifest(manifest, [*rows, *again])
    assert explain(bundle, manifest, "test").deletions["top"].recordings == 2


def test_contributions_are_what_leaving_a_modality_out_costs(bundle: Path, manifest: Path) -> None:
    result = contributions(open_bundle(bundle), manifest.parent, read_manifest(manifest), seed=0)
    assert result is not None
    assert (result.verdicts, result.alone, result.blamed) == (NUM_PIECES, 0, 4)
    assert result.largest_difference < 1e-5
    assert result.contribution_blames.mean == 1


def test_explanations_are_written_for_people_and_for_programs(bundle: Path, manifest: Path, tmp_path: Path) -> None:
    explanations = explain(bundle, manifest, "test")
    figures, readable = write_explanations(explanations, tmp_path / "report")
    assert '"largest_difference"' in figures.read_text()
    assert "| heat map |" in readable.read_text()


def test_a_mask_of_another_size_is_named(bundle: Path, manifest: Path) -> None:
    cv2.imwrite(str(manifest.parent / "mask-0.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(ManifestError, match=r"mask-0\.png: has 4 x 4 px, expected a mask of 16 x 16 px"):
        explain(bundle, manifest, "test")


def test_explanations_are_the_same_again(bundle: Path, manifest: Path) -> None:
    first, second = (explain(bundle, manifest, "test", seed=3) for _ in range(2))
    assert replace(first, contributions=None) == replace(second, contributions=None)


def test_the_table_has_a_line_for_every_figure_of_every_set(bundle: Path, manifest: Path) -> None:
    explanations = explain(bundle, manifest, "test")
    one, two = list(rows("toy", [explanations])), list(rows("toy", [explanations, explanations]))
    assert all(len(row) == len(COLUMNS) for row in one + two)
    assert [row[:2] for row in one] == [row[:2] for row in two]
    (pro,) = (row for row in two if row[1] == "top: PRO")
    assert pro[2].endswith("± 0.000")


def test_a_bundle_s_own_lines_are_those_of_the_table_of_one_seed(bundle: Path, manifest: Path) -> None:
    table = run(MadeUp(bundle, manifest.parent))
    assert table.bundle_rows == {"toy-7": list(table.rows)}
    assert len(table.rows) > 10
