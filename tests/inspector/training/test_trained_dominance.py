"""Scores of a line whose fused score leans on a modality of pure noise, or on both of two good ones."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from fusion.head import FusionHead, HeadForm, Member
from fusion.scored import Scored
from inspector.bundle.schema import Policy
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, write_manifest
from inspector.evaluation.dominance import Dominance
from inspector.training.dataset import Dataset
from inspector.training.dominance import trained_dominance
from inspector.training.export import TrainedExpert
from inspector.training.head.fit import FittedHead
from inspector.training.head.head_data import Encodings, HeadData
from inspector.training.head.scores import Fusion
from tests.inspector.training.made_scores import EXPERTS, limits, simulated_scores

pytestmark = pytest.mark.train

NUM, PARTS, WIDTH = 240, 30, 4


def _dataset(folder: Path, scored: Scored) -> Dataset:
    """Labels by what a camera and a microphone that work would say; parts repeat."""
    seen, heard = simulated_scores("same", num=NUM).expert_logits[1:] > 0
    rows = [
        PieceRow(
            piece_id=piece_id,
            images=(ImageRow(camera="camera", path=f"{piece_id}.png"),),
            signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{piece_id}.wav"),),
            label="nok" if scored.labels[n] else "ok",
            split="train" if n % 2 else "calibration",
            groups={"image": f"p{n % 2}-{n // 2 % PARTS}", "signal": f"s{n % 2}-{n // 2 % PARTS}"},
            modality_labels={"image": "nok" if seen[n] else "ok", "signal": "nok" if heard[n] else "ok"},
        )
        for n, piece_id in enumerate(scored.piece_ids)
    ]
    write_manifest(folder / "manifest.jsonl", rows)
    return Dataset(folder / "manifest.jsonl")


def _fusion(scored: Scored, dataset: Dataset, towards_mic: float) -> Fusion:
    """A head that has learned nothing but this preference of the gate."""
    head = FusionHead(HeadForm(tuple(Member(e.modality, 1) for e in EXPERTS), WIDTH, 0))
    with torch.no_grad():
        bias = head.gate.scorers[2][-1].bias  # type: ignore[index]
        cast("torch.Tensor", bias).fill_(towards_mic)
    logits = tuple(torch.from_numpy(values).float()[:, None] for values in scored.expert_logits)
    encodings = Encodings(tuple(torch.zeros(NUM, 1, WIDTH) for _ in EXPERTS), logits, torch.ones(NUM, len(EXPERTS)))
    sets = torch.tensor([[float(e.name in names) for e in EXPERTS] for names in scored.sets])
    targets_and_groups = torch.zeros(3, NUM), torch.zeros(3, NUM, dtype=torch.long)
    data = HeadData(encodings, sets, (True,) * len(sets), torch.zeros(len(sets), NUM, 1), *targets_and_groups)
    fitted = FittedHead(head, 10, torch.from_numpy(scored.logits), {0: 0.5})
    rows = {row.piece_id: row for row in dataset.rows}
    return Fusion(fitted, data, scored.sets, tuple(rows[piece_id] for piece_id in scored.piece_ids))


def _shares(folder: Path, scored: Scored, towards_mic: float) -> Dominance:
    dataset = _dataset(folder, scored)
    experts = cast("tuple[TrainedExpert, ...]", EXPERTS)  # Name, modality and scout are all that is read.
    fusion = _fusion(scored, dataset, towards_mic)
    return trained_dominance(dataset, experts, fusion, scored, limits(scored), Policy(mode="dense"))


def test_a_gate_that_leans_on_noise_is_warned_about(tmp_path: Path) -> None:
    scored = simulated_scores("same", num=NUM)
    noise = np.random.default_rng(2).normal(0, 3, NUM)
    logits = scored.expert_logits.copy()
    logits[2] = noise
    loud = np.stack([noise if "ear" in names else scored.logits[k] for k, names in enumerate(scored.sets)])
    (warning,) = _shares(tmp_path, replace(scored, expert_logits=logits, logits=loud), 3.0).warnings()
    assert warning.startswith("mic leads (the gate gives it 0.9")
    assert "which may be chance" in warning


def test_two_good_modalities_are_not_warned_about(tmp_path: Path) -> None:
    scored = simulated_scores("same", num=NUM)
    shares = _shares(tmp_path, scored, 0.0)
    assert shares.modalities["camera"].gate == pytest.approx(2 / 3)
    assert shares.modalities["camera"].thorough_only == 1
    assert sum(share.alone for share in shares.modalities.values()) + shares.several + shares.none == pytest.approx(1)
    assert shares.warnings() == []
