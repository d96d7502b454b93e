"""Says how far single modalities decide, and warns where one leads that has not shown that it can judge.

The rule: a modality leads where the gate gives it over `GATE_EXCESS` more than its even share of the weight, or where
it alone makes at least `MIN_ALONE` of all decisions and more than all others alone together; it has earned the lead if
the 95 % interval, over independent groups, of its AUC on held-out recordings lies above one half, and for a lead by the
gate not wholly below another modality's. Letters: P pieces.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Scores
from fusion.policy import Expert
from fusion.scored import ExpertSet
from inspector.recipe.decision import Limits, decide
from inspector.statistics.bootstrap import NUM_DRAWS, Interval, unit_weights
from inspector.statistics.classification import certainty
from protos.inspection.v1 import verdict_pb2 as pb

GATE_EXCESS = 0.1
MIN_ALONE = 0.1
CHANCE = 0.5


@dataclass(frozen=True, eq=False)
class Decided:
    """Pieces as they were decided, and as each modality alone would have decided them."""

    experts: Sequence[Expert]
    decisions: Sequence[pb.Decision]
    """P, as shipped."""
    alone: Mapping[str, Sequence[pb.Decision | None]]
    """By modality: through the calibration and limits of its own experts; None where it had nothing to examine."""
    ran: Sequence[ExpertSet]
    gate: Mapping[str, Scores]
    """By modality, (P,) weight of the gate; NaN where it is not known."""


@dataclass(frozen=True)
class ModalityShare:
    """Shares of all pieces, and what the modality's scores are worth."""

    alone: float
    """Decisions that this modality alone would have made, and no other alone."""
    thorough_only: float
    """Pieces on which thorough experts looked at this modality only."""
    gate: float
    """Mean weight; NaN where no gate is known."""
    even_gate: float
    """Mean weight by a gate that treats all experts alike."""
    auc: Interval
    """On held-out recordings, against the modality's own label where it is known."""
    groups: int
    """Independent groups behind it."""

    def leads_by_gate(self) -> bool:
        return self.gate - self.even_gate > GATE_EXCESS

    def beats_chance(self) -> bool:
        return self.auc.low > CHANCE


@dataclass(frozen=True)
class Dominance:
    pieces: int
    several: float
    """Share of the decisions that more than one modality alone would have made."""
    none: float
    """Share of the decisions that took several modalities together."""
    modalities: Mapping[str, ModalityShare]

    def leads_alone(self, name: str) -> bool:
        others = sum(share.alone for other, share in self.modalities.items() if other != name)
        return self.modalities[name].alone >= MIN_ALONE and self.modalities[name].alone > others

    def better(self, name: str) -> list[str]:
        """The modalities whose scores are certainly worth more."""
        high = self.modalities[name].auc.high
        return [other for other, share in self.modalities.items() if share.auc.low > high]

    def warnings(self) -> list[str]:
        """One sentence for each lead that is not earned; none for a line with a single modality."""
        return [warning for name in self.modalities if (warning := _warning(self, name))]

    def lines(self) -> list[str]:
        """Sentences for the model card, the reports and the log."""
        if len(self.modalities) < 2:
            return []
        alone = ", ".join(f"{name} {share.alone:.0%}" for name, share in self.modalities.items())
        thorough = ", ".join(f"{name} {share.thorough_only:.0%}" for name, share in self.modalities.items())
        gate = ", ".join(f"{name} {_gate(share)}" for name, share in self.modalities.items())
        return [
            f"Decisions that one modality alone would have made: {alone}; each of several alone {self.several:.0%}, "
            f"only together {self.none:.0%} (of {self.pieces} pieces).",
            f"Thorough experts looked at one modality only: {thorough}. Weight of the gate: {gate}.",
        ]


def dominance(decided: Decided, auc: Mapping[str, tuple[Interval, int]]) -> Dominance:
    """`auc`: by modality, see `own_auc`."""
    num, makers = len(decided.decisions), Counter(_makers(decided))
    several = sum(count for names, count in makers.items() if len(names) > 1)
    thorough, even = Counter(_thorough(decided)), _even_gate(decided)
    modalities = {
        name: ModalityShare(
            alone=makers[frozenset((name,))] / num,
            thorough_only=thorough[frozenset((name,))] / num,
            gate=_mean(weights),
            even_gate=_mean(np.where(np.isnan(weights), np.nan, even[name])),
            auc=auc[name][0],
            groups=auc[name][1],
        )
        for name, weights in decided.gate.items()
    }
    return Dominance(num, several / num, makers[frozenset()] / num, modalities)


def own_auc(scores: Scores, true: Scores, groups: Sequence[str]) -> tuple[Interval, int]:
    """Interval by bootstrap over groups, and their number; NaN unless good and defective recordings have scores.

    `scores` and `true` (P,): NaN where the modality had nothing to examine, or its label is not known.
    """
    known = ~np.isnan(scores) & ~np.isnan(true)
    labels = true[known] > 0.5
    chosen = [frozenset((group,)) for group, is_known in zip(groups, known, strict=True) if is_known]
    if labels.all() or not labels.any():
        return Interval(math.nan, math.nan, math.nan), len(set(chosen))
    return certainty(scores[known], labels, unit_weights(chosen, NUM_DRAWS, seed=0)).auc, len(set(chosen))


def decision_alone(score: float, limits: Limits) -> pb.Decision | None:
    """None without a score. That other modalities lack does not count: the question is what this one would say."""
    return None if math.isnan(score) else decide(score, limits, ()).decision


def _makers(decided: Decided) -> list[frozenset[str]]:
    """Per piece, the modalities each of which alone would have made its decision."""
    return [
        frozenset(name for name, alone in decided.alone.items() if alone[piece] == decision)
        for piece, decision in enumerate(decided.decisions)
    ]


def _thorough(decided: Decided) -> list[frozenset[str]]:
    """Per piece, the modalities that a thorough expert looked at."""
    modality_of = {expert.name: expert.modality for expert in decided.experts if not expert.scout}
    return [frozenset(modality_of[name] for name in ran & modality_of.keys()) for ran in decided.ran]


def _even_gate(decided: Decided) -> dict[str, Scores]:
    modality_of = {expert.name: expert.modality for expert in decided.experts}
    shares = [Counter(modality_of[name] for name in ran) for ran in decided.ran]
    return {
        name: np.array([share[name] / share.total() if share else np.nan for share in shares]) for name in decided.gate
    }


def _mean(values: Scores) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan


def _gate(share: ModalityShare) -> str:
    return "not known" if math.isnan(share.gate) else f"{share.gate:.2f} (evenly {share.even_gate:.2f})"


def _warning(line: Dominance, name: str) -> str:
    """Empty where the modality does not lead, or has earned its lead."""
    share = line.modalities[name]
    by_gate, alone, better = share.leads_by_gate(), line.leads_alone(name), line.better(name)
    if len(line.modalities) < 2 or not (by_gate or alone) or (share.beats_chance() and not (by_gate and better)):
        return ""
    leads = [f"the gate gives it {_gate(share)} of the weight"] if by_gate else []
    leads += [f"it alone makes {share.alone:.0%} of the decisions"] if alone else []
    worth = f"its own AUC on held-out recordings is {share.auc} (95 %, from {share.groups} independent groups)"
    lack = f"certainly below that of {', '.join(better)}" if share.beats_chance() else "which may be chance"
    return (
        f"{name} leads ({' and '.join(leads)}), but has not earned it: {worth}, {lack}; record more independent good "
        f"and defective parts that {name} shows, or leave it out"
    )
