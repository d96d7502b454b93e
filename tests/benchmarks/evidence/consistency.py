"""Shows where a consistency score learned from good pieces finds defects, and where it cannot."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, from_numpy

from fusion.agreement import Agreement
from fusion.calibration import Labels, Scores
from inspector.statistics.classification import area_under_curve
from inspector.training.checkpoint import load_checkpoint
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedBundle
from inspector.training.head.contrastive import align
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.between import Heard, heard, staged
from tests.benchmarks.evidence.table import Table

MADE_UP = "tile_tap"
COLUMNS = ("set", "good pieces learned from", "test pieces", "AUC, mismatches", "AUC, all defects")


def run(bench: Bench) -> Table:
    seed = bench.seeds[0]
    rows = [_row("simulated, disagreement", *staged(bench.folder, seed), seed)]
    if MADE_UP in bench.sets():
        trained = bench.trained(MADE_UP, seed)
        rows.append(_row(MADE_UP, load_checkpoint(trained.checkpoint), Dataset(trained.manifest), seed))
    return Table(
        name="consistency",
        title="Consistency of picture and sound, learned from good pieces without a label",
        question="Goal: on the simulated line the score alone detects mismatches. On made-up pairs it cannot: .5 is "
        "expected.",
        columns=COLUMNS,
        rows=rows,
        notes=[
            f"Pairs of {MADE_UP} are made up: picture and sound are independent given their labels, so one of them "
            "says nothing about the other in good pieces; there the AUC of all defects can differ from .5 only because "
            "the score also detects unusual recordings."
        ],
    )


def _row(name: str, draft: TrainedBundle, corpus: Dataset, seed: int) -> list[str]:
    chosen = _one_each(draft)
    known, test = heard(chosen, corpus, "train"), heard(chosen, corpus, "test")
    good, (first, second) = from_numpy(~known.labels), _tokens(known)
    torch.manual_seed(seed)
    agreement = Agreement(first.shape[2], 1)
    align(agreement, first[good], second[good])
    with torch.no_grad():
        scores = agreement.distance(*_tokens(test)).numpy().astype(np.float64)
    alone = test.mismatch | ~test.labels
    mismatches = _auc(scores[alone], test.labels[alone]) if test.mismatch.any() else "none"
    return [name, str(int(good.sum())), str(len(scores)), mismatches, _auc(scores, test.labels)]


def _one_each(draft: TrainedBundle) -> TrainedBundle:
    """The first expert of each modality, camera first."""
    first = {expert.modality: expert for expert in reversed(draft.experts)}
    return replace(draft, experts=tuple(first[modality.name] for modality in draft.modalities))


def _tokens(pieces: Heard) -> tuple[Tensor, Tensor]:
    return pieces.encoded[0].tokens, pieces.encoded[1].tokens


def _auc(scores: Scores, labels: Labels) -> str:
    return f"{area_under_curve(scores, labels):.3f}"
