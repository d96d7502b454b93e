"""The table of accuracies: the best limit, also among equal scores, and the figures of a made-up training."""

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fusion.scored import Scored
from inspector.dataset.manifest import PieceRow, write_manifest
from tests.benchmarks.evidence.bench import Trained
from tests.bundles import write_toy_bundle

accuracy = pytest.importorskip("tests.benchmarks.evidence.accuracy", reason="needs the training half")

pytestmark = pytest.mark.train
EXPERTS = ("top-thumb", "top-full", "mic-ear")
SETS = tuple(frozenset(names) for size in (1, 2, 3) for names in combinations(EXPERTS, size))


@pytest.mark.parametrize(
    ("scores", "labels", "right"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 4),
        ([0.9, 0.2, 0.8, 0.1], [1, 0, 1, 0], 4),
        ([0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1], 3),
        ([0.1, 0.2], [1, 1], 2),
        ([0.1, 0.2], [0, 0], 2),
        ([0.5, 0.5, 0.5, 0.5], [0, 0, 0, 1], 3),
        ([0.1, 0.5, 0.5, 0.5, 0.5, 0.9], [0, 0, 0, 0, 1, 1], 5),
        ([0.3, 0.3, 0.3, 0.3, 0.6, 0.7, 0.8], [0, 0, 1, 1, 0, 1, 1], 5),
    ],
)
def test_the_best_limit_gives_the_most_right_decisions(scores: list[float], labels: list[int], right: int) -> None:
    measured, truth = np.array(scores), np.array(labels, np.bool_)
    limits = [*measured, measured.max() + 1]
    assert max(int(((measured >= limit) == truth).sum()) for limit in limits) == right
    assert accuracy.accuracy(measured, truth, accuracy.best_limit(measured, truth)) == pytest.approx(
        right / len(measured)
    )


def test_no_limit_is_better_than_the_best_on_scores_that_repeat() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores, truth = rng.integers(0, 6, 30) / 6, rng.random(30) < 0.5
        best = max(np.mean((scores >= limit) == truth) for limit in [*scores, 2.0])
        assert accuracy.accuracy(scores, truth, accuracy.best_limit(scores, truth)) == best


def scored(num: int, seed: int) -> Scored:
    """Seen by the camera, heard by the microphone; the head of the toy adds up."""
    random = np.random.default_rng(seed)
    seen, heard = random.random((2, num)) < 0.4
    means = np.stack([np.where(bad, 2.0, -2.0) for bad in (seen, seen, heard)])
    logits = means + random.normal(0, 1.5, (3, num))
    logits[1] = logits[0]
    return Scored(
        piece_ids=tuple(f"{seed}-{number}" for number in range(num)),
        labels=seen | heard,
        units=tuple(frozenset({f"{seed}-{number // 2}"}) for number in range(num)),
        experts=EXPERTS,
        expert_logits=logits,
        sets=SETS,
        logits=np.stack([logits[[name in names for name in EXPERTS]].max(0) for names in SETS]),
        cpu_s=np.ones((3, num)),
        unseen=np.ones(num, np.bool_),
    )


@dataclass(frozen=True)
class MadeUp:
    """One of the real sets by name, three seeds."""

    folder: Path
    seeds: tuple[int, ...] = (7, 8, 9)
    weights: dict[str, Path] = field(default_factory=dict)

    def sets(self) -> tuple[str, ...]:
        return ("wafer",)

    def trained(self, name: str, seed: int) -> Trained:
        bundle = write_toy_bundle(self.folder / "bundle")
        calibration, test = scored(200, 10 * seed), scored(200, 10 * seed + 1)
        rows = [
            PieceRow(piece_id=piece_id, label="nok" if bad else "ok", split="calibration")
            for piece_id, bad in zip(calibration.piece_ids, calibration.labels, strict=True)
        ]
        manifest = self.folder / f"{seed}.jsonl"
        write_manifest(manifest, rows)
        return Trained(name, seed, manifest, bundle, bundle, calibration, test)


def test_fusion_is_compared_with_each_modality_and_noisy_or(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "NUM_DRAWS", 50)
    table = accuracy.run(MadeUp(tmp_path))
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == [accuracy.FUSED, accuracy.ROUTED, accuracy.NOISY_OR, "top alone", "mic alone"]
    auc = {kind: float(row["AUC"].split(" ±")[0]) for kind, row in rows.items()}
    assert auc[accuracy.FUSED] > auc["top alone"] > 0.6
    assert auc[accuracy.FUSED] > auc["mic alone"] > 0.6
    for row in rows.values():
        transferred, best = (float(row[column].split(" ±")[0]) for column in table.columns[2:4])
        assert transferred <= best
    assert (rows[accuracy.FUSED]["goal"], rows[accuracy.FUSED]["peer"]) == ("0.95 / 0.98", ".868 / .935")
    assert rows["top alone"]["goal"] == ""
    assert list(table.bundle_rows) == ["wafer-7", "wafer-8", "wafer-9"]
    means = [
        np.mean([float(bundle_rows[index][4]) for bundle_rows in table.bundle_rows.values()])
        for index in range(len(rows))
    ]
    assert means == pytest.approx(list(auc.values()), abs=2e-3)
    against, met = table.notes[:2]
    assert "fused minus noisy-or, 95 % of 50 bootstraps" in against
    assert "goal missed" in met


def test_noisy_or_is_that_of_experts_calibrated_on_their_own_labels(tmp_path: Path) -> None:
    trained = MadeUp(tmp_path).trained("wafer", 7)
    noisy_or = accuracy.judged(trained)[accuracy.NOISY_OR]
    one, other = trained.test.expert_logits[0], trained.test.expert_logits[2]
    loudest = one + other > np.quantile(one + other, 0.9)
    assert ((noisy_or.test > 0) & (noisy_or.test < 1)).all()
    assert noisy_or.test[loudest].min() > np.median(noisy_or.test)
