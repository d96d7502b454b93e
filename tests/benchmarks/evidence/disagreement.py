"""Table: gain of the learned head where a defect is only a disagreement of two sensors. Simulated pieces only."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from fusion.agreement import Agreement
from fusion.calibration import Labels, Scores, fit, probability
from fusion.head import LIMIT, FusionHead
from inspector.evaluation.noisy_or import calibrated, noisy_or
from inspector.statistics.classification import area_under_curve
from inspector.training.config import JointFitting
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedBundle
from inspector.training.head.joint_finetune import JointFit, fine_tune
from inspector.training.head.scores import head_form
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.between import CONFIG, Heard, fused_logits, heard, staged
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

JOINT = JointFitting(epochs=12)
RESAMPLES = 1000
NUM_SEEDS = 2
FUSED, NOISY_OR = "fused, joint", "noisy-or of the joint encoders"
ALONE = "fused, joint, fitted without comparing tokens"
COLUMNS = ("score", "accuracy", "AUC", "AUC on mismatches")


def run(bench: Bench) -> Table:
    seeds = bench.seeds[:NUM_SEEDS]
    measured = [_one(bench, seed) for seed in seeds]
    names = list(measured[0].scores)
    gains = [result.gain() for result in measured]
    return Table(
        name="disagreement",
        title="Defects that are a disagreement of picture and sound",
        question="Goal: the accuracy of the fused score is at least 10 points above noisy-or of the same encoders.",
        columns=COLUMNS,
        rows=[[name, *(spread([result.figures(name)[i] for result in measured]) for i in range(3))] for name in names],
        notes=[
            f"Fused minus noisy-or: {spread(gains)} of accuracy; "
            + "; ".join(f"seed {seed}: {result.interval()}" for seed, result in zip(seeds, measured, strict=True)),
            *(f"Seed {seed}: {_joint_note(result.joint)}" for seed, result in zip(seeds, measured, strict=True)),
            "Limits come from the calibration split. Seeds vary the training; the line is the same.",
            '"Left out" disables a part of the same head at inference. Without the comparison, attention must find the '
            "relation alone.",
        ],
    )


class _Measured:
    """Probabilities of the test pieces by score, calibrated on the calibration split."""

    def __init__(self, scores: Mapping[str, Scores], test: Heard, joint: JointFit) -> None:
        self.scores, self.joint = scores, joint
        self._labels, self._mismatch = test.labels, test.mismatch

    def figures(self, name: str) -> tuple[float, float, float]:
        scores, some = self.scores[name], self._mismatch | ~self._labels
        return (
            float(self._right(name).mean()),
            area_under_curve(scores, self._labels),
            area_under_curve(scores[some], self._labels[some]),
        )

    def gain(self) -> float:
        return float(self._gains().mean())

    def interval(self) -> str:
        """95 % interval of the gain, by resampling pieces: no two share a recording."""
        gains = self._gains()
        picks = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
        low, high = np.quantile(gains[picks].mean(1), (0.025, 0.975))
        return f"{low:+.3f} to {high:+.3f}"

    def _gains(self) -> NDArray[np.float64]:
        return self._right(FUSED).astype(np.float64) - self._right(NOISY_OR)

    def _right(self, name: str) -> Labels:
        is_right: Labels = (self.scores[name] >= 0.5) == self._labels
        return is_right


def _one(bench: Bench, seed: int) -> _Measured:
    draft, corpus = staged(bench.folder, seed)
    before = [heard(draft, corpus, split) for split in ("calibration", "test")]
    first = [fused_logits(draft, part) for part in before]
    alone, _ = _joint(draft, corpus, seed, compared=False)
    draft, joint = _joint(draft, corpus, seed, compared=True)
    known, test = (heard(draft, corpus, split) for split in ("calibration", "test"))
    logits = {
        "picture": (known.logits(0), test.logits(0)),
        "sound": (known.logits(1), test.logits(1)),
        NOISY_OR: (_noisy_or(known, known), _noisy_or(known, test)),
        "logistic regression on both log-odds": _late(known, test),
        "fused, staged": (first[0], first[1]),
        FUSED: (fused_logits(draft, known), fused_logits(draft, test)),
        f"{FUSED}, attention left out": _without(draft, _silence_attention, known, test),
        f"{FUSED}, comparison left out": _without(draft, _silence_comparison, known, test),
        ALONE: _pair(alone, corpus),
    }
    return _Measured({name: _calibrated(*pair, known.labels) for name, pair in logits.items()}, test, joint)


def _joint(staged: TrainedBundle, corpus: Dataset, seed: int, *, compared: bool) -> tuple[TrainedBundle, JointFit]:
    """A separate head, fitted with copies of the encoders."""
    torch.manual_seed(seed)
    draft = copy.deepcopy(staged)
    draft = replace(draft, head=FusionHead(head_form(corpus, draft.experts, CONFIG, compared=compared)))
    return draft, fine_tune(draft.experts, draft.head, corpus, JOINT, seed, lambda done, total: None)


def _without(
    draft: TrainedBundle, silence: Callable[[FusionHead], None], known: Heard, test: Heard
) -> tuple[Scores, Scores]:
    poorer = copy.deepcopy(draft)
    silence(poorer.head)
    return fused_logits(poorer, known), fused_logits(poorer, test)


def _silence_attention(head: FusionHead) -> None:
    for parameter in head.residual[-1].parameters():
        nn.init.zeros_(parameter)


def _silence_comparison(head: FusionHead) -> None:
    for agreement in head.agreements:
        if isinstance(agreement, Agreement):
            nn.init.zeros_(agreement.slope)
            nn.init.constant_(agreement.bias, -LIMIT)


def _pair(draft: TrainedBundle, corpus: Dataset) -> tuple[Scores, Scores]:
    known, test = (fused_logits(draft, heard(draft, corpus, split)) for split in ("calibration", "test"))
    return known, test


def _noisy_or(known: Heard, pieces: Heard) -> Scores:
    """Log-odds of 1 - (1 - p)(1 - q), each calibrated on the pieces that are defective but by mismatch."""
    defective = (known.labels & ~known.mismatch).astype(np.float64)
    return noisy_or([[calibrated(pieces.logits(e), known.logits(e), defective)] for e in (0, 1)])


def _late(known: Heard, test: Heard) -> tuple[Scores, Scores]:
    inputs = [np.stack([part.logits(0), part.logits(1)], axis=1) for part in (known, test)]
    model = LogisticRegression().fit(inputs[0], known.labels)
    first, second = (np.asarray(model.decision_function(part), np.float64) for part in inputs)
    return first, second


def _calibrated(known: Scores, test: Scores, labels: Labels) -> Scores:
    return probability(test, *fit(known, labels))


def _joint_note(joint: JointFit) -> str:
    kept = f"kept epoch {joint.best_epoch}" if joint.kept else "not kept"
    return f"joint stage {kept}, held-out loss {joint.staged_loss:.3f} before and {joint.joint_loss:.3f} after."
