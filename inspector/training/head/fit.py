"""Fits the fusion head on recordings that no encoder has seen, as far as independent recordings show a gain.

The encoders are fitted on the training split, the head on the calibration split: log-odds of an encoder on its own
training data are overconfident, and tokens from encoders of other folds are not comparable. The number of steps, and
the scores for calibration, limits and routing, come from cross-fitting over folds that share no group.
Letters: P pieces, K classes, S sets of experts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusion.head import FusionHead, HeadForm
from inspector.dataset.splits import crossed_folds
from inspector.statistics.evidence import Choice, Rule
from inspector.training.config import HeadFitting
from inspector.training.head.choose_steps import choose_steps, no_steps, too_few
from inspector.training.head.cross_fit import CrossFit, fused_units
from inspector.training.head.head_data import HeadData
from inspector.training.head.head_run import HeadRun


@dataclass(frozen=True, eq=False)
class FittedHead:
    head: FusionHead
    steps: int
    """0: noisy-or of calibrated experts, since fitting brought no certain gain."""
    logits: Float[Tensor, "S P"]
    """Cross-fitted: the head that scores a piece has seen none of its groups."""
    losses: Mapping[int, float]
    """Cross-fitted loss by number of steps, before shrinking."""
    joint: bool = False
    """Fitted jointly with the encoders; then `steps` counts epochs, and `losses` are those of held-out pieces."""
    class_logits: Float[Tensor, "S P K"] | None = None
    """Cross-fitted like `logits`."""
    weight: float = 1.0
    """How far the head lies from noisy-or toward the fit with `steps`."""
    choices: tuple[Choice, ...] = ()
    """Why these steps, for the report."""


def fit_head(
    form: HeadForm,
    head_data: HeadData,
    groups: Sequence[Mapping[str, str]],
    settings: HeadFitting,
    seed: int,
    progress: Callable[[int, int], None],
    rule: Rule = Rule.BOUND,
) -> FittedHead:
    """Chooses the number of steps by cross-fitting, fits on all pieces, and shrinks toward noisy-or."""
    few = too_few(head_data)
    checks = [] if few else list(range(settings.check_every, settings.max_steps + 1, settings.check_every))
    pairs = crossed_folds(groups, settings.num_folds, seed)
    runs = []
    for index, (fit, _) in enumerate(pairs):
        runs.append(HeadRun(form, head_data.of(torch.tensor(fit, dtype=torch.long)), settings, seed))
        runs[-1].walk(checks)
        progress(index + 1, len(pairs) + 1)
    folds, units = CrossFit(head_data, pairs, runs), fused_units(groups)
    chosen = (
        choose_steps(folds, units, checks, rule)
        if checks
        else no_steps(folds, units, few or "the configuration asks for none")
    )
    final = HeadRun(form, head_data, settings, seed)
    final.walk([chosen.steps])
    progress(len(pairs) + 1, len(pairs) + 1)
    outputs = folds.outputs(chosen.steps, chosen.weight)
    return FittedHead(
        final.head_at(chosen.steps, chosen.weight),
        chosen.steps,
        outputs[..., 0],
        {steps: float(np.nanmean(folds.losses(steps))) for steps in (0, *checks)},
        class_logits=outputs[..., 1:],
        weight=chosen.weight,
        choices=(chosen.choice,),
    )
