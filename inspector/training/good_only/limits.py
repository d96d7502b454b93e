"""Head and limits of a bundle of good pieces: noisy-or of its experts, by held-out distances.

Letters: P pieces, E experts.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusion.calibration import Scores, probability
from fusion.expert_sets import expert_sets
from fusion.head import Fused, FusionHead, HeadForm, Member
from inspector.bundle.schema import Calibration
from inspector.dataset.files import sources_of
from inspector.dataset.manifest import PieceRow
from inspector.training.export import TrainedExpert
from inspector.training.good_only.descriptors import TOKEN_DIM, GoodRecordings
from inspector.training.good_only.good_pieces import FEWEST, PASS_SHARE

NEVER = 1.0
"""FAIL limit that no score exceeds: even a limit three deviations above 20 good pieces rejected a ninth of new ones."""


def noisy_or_head(members: Sequence[Member]) -> FusionHead:
    """The untrained fusion head, which is noisy-or of its experts."""
    return FusionHead(HeadForm(tuple(members), TOKEN_DIM, 0)).eval()


def held_by_piece(rows: Sequence[PieceRow], held: Sequence[tuple[GoodRecordings, Tensor]]) -> Float[Tensor, "P E"]:
    """Held-out log-odds of each piece, the highest of several images; NaN without a recording."""
    columns = []
    for good, logits in held:
        logit_of = dict(zip(good.paths, logits.tolist(), strict=True))
        seen = [sources_of(row, good.modality.name) for row in rows]
        columns.append([max((logit_of[source.path] for source in sources), default=math.nan) for sources in seen])
    return torch.tensor(columns).T


@torch.no_grad()
def calibrations(
    experts: Sequence[TrainedExpert], head: FusionHead, held_PE: Float[Tensor, "P E"], pass_share: float = PASS_SHARE
) -> tuple[Calibration, ...]:
    """Limits for every set of experts, from the head's scores of the good pieces."""
    names = [expert.name for expert in experts]
    result = []
    for chosen in expert_sets(experts):
        scores = held_scores(head, held_PE, torch.tensor([float(name in chosen) for name in names]))
        scores = scores[~np.isnan(scores)]
        limit = float(np.quantile(scores, pass_share)) if len(scores) >= FEWEST else 0.0
        result.append(Calibration(experts=chosen, temperature=1.0, bias=0.0, pass_below=limit, fail_above=NEVER))
    return tuple(result)


def fused(head: FusionHead, logits_PE: Float[Tensor, "P E"], ran_E: Float[Tensor, " E"]) -> Float[Tensor, " P"]:
    """The head's log-odds for experts that ran; an untrained head ignores tokens."""
    count = len(logits_PE)
    tokens = [torch.zeros(count, 1, TOKEN_DIM).expand(-1, int(n), -1) for n in head.get_buffer("spread_NE").sum(0)]
    output: Fused = head(tokens, [column[:, None] for column in logits_PE.T], ran_E.expand(count, -1))
    return output.logits[:, 0]


@torch.no_grad()
def held_scores(head: FusionHead, held_PE: Float[Tensor, "P E"], ran_E: Float[Tensor, " E"]) -> Scores:
    """(P,) by these experts; NaN where one of them had no recording."""
    able_P = ~held_PE[:, ran_E > 0].isnan().any(1)
    scores = np.full(len(held_PE), np.nan)
    logits = fused(head, held_PE[able_P].nan_to_num() * ran_E, ran_E)
    scores[able_P.numpy()] = probability(logits.double().numpy(), 1.0, 0.0)
    return scores
