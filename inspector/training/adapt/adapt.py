"""Changes experts of a trained draft, and lets the outcome pass only where its gates open. Knows no command line.

Head, limits and routes stay: the gates judge experts and head together at the limit that is in force. What was
certified of the old experts is not certified of the new ones, so a certificate is dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusion.calibration import probability
from inspector.bundle.schema import Modality
from inspector.dataset.manifest import ManifestError
from inspector.plausibility.learning import joined
from inspector.statistics.classification import area_under_curve
from inspector.training.adapt.continual import AtLimit, Gate, Keeping, Tolerance, at_limit, balanced_memory, learn
from inspector.training.adapt.distil import DistilError, DistillationData, Shares, distil, student_of
from inspector.training.adapt.evaluate_draft import fused_logits, recordings_of
from inspector.training.corpus import Dataset
from inspector.training.experts.gradient_descent import Descent
from inspector.training.experts.lora import num_trainable
from inspector.training.experts.network import Recordings
from inspector.training.export import TrainedBundle, TrainedExpert

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""


@dataclass(frozen=True)
class Adapting:
    keeping: Keeping = field(default_factory=Keeping)
    memory: int = 64
    """Recordings per old recipe and modality: these are replayed, and EWC weighs the parameters by them."""
    tolerance: Tolerance = field(default_factory=Tolerance)
    seed: int = 0


@dataclass(frozen=True)
class Distilling:
    encoders: Sequence[str] = ("mini", "micro")
    """From large to small; the last one stays."""
    side_px: int = 48
    descent: Descent = field(default_factory=lambda: Descent(epochs=30, learning_rate=6e-3))
    shares: Shares = field(default_factory=Shares)
    tolerance: Tolerance = field(default_factory=Tolerance)
    seed: int = 0


@dataclass(frozen=True)
class CrossValidationResult:
    """How a draft does on a recipe's calibration pieces, with everything that was captured."""

    auc: float
    at_limit: AtLimit


@dataclass(frozen=True)
class Floor:
    """The new recipe before and after; not by its recall at the old limit, which is perfect if all was held back."""

    before: CrossValidationResult
    after: CrossValidationResult

    @property
    def open(self) -> bool:
        return self.after.auc >= self.before.auc

    def __str__(self) -> str:
        change = f"AUC {self.before.auc:.3f} -> {self.after.auc:.3f} on its calibration pieces"
        if self.open:
            return f"new recipe: learned: {change}"
        return (
            f"new recipe: not learned: {change}, expected no less than before: give it more recordings, or leave it "
            "more freedom by a lower stiffness"
        )


@dataclass(frozen=True, eq=False)
class Successor:
    draft: TrainedBundle
    gates: tuple[Gate | Floor, ...]
    before: CrossValidationResult
    """Of the old draft on the calibration pieces of what was learned."""
    after: CrossValidationResult

    @property
    def passed(self) -> bool:
        return all(gate.open for gate in self.gates)


def adapt(
    draft: TrainedBundle, new: Dataset, old: Mapping[str, Dataset], how: Adapting, progress: Progress
) -> Successor:
    """Experts learn the new training split; the calibration splits of old recipes and of the new one are the gates.

    Kernel machines stay as they are: they have no weights that a step could move. Raises ManifestError where the draft
    has no place for what the new recipe shows.
    """
    able = [expert for expert in draft.experts if num_trainable(expert.module)]
    if not able:
        raise ManifestError(f"{draft.name} has no expert that learns in steps: train it anew, with all recordings")
    experts = {}
    for expert in able:
        torch.manual_seed(how.seed)
        memories = [balanced_memory(_lesson(draft, expert, corpus), how.memory, how.seed) for corpus in old.values()]
        memory = Recordings(torch.cat([m.inputs for m in memories]), torch.cat([m.targets for m in memories]))
        report = _named(progress, expert.name)
        experts[expert.name] = learn(expert, _lesson(draft, expert, new), memory, how.keeping, report)
    after = _believing_both(_successor(draft, experts, "adapted"), new)
    gates = tuple(
        Gate(name, standing(draft, corpus).at_limit, standing(after, corpus).at_limit, how.tolerance)
        for name, corpus in old.items()
    )
    before, now = standing(draft, new), standing(after, new)
    return Successor(after, (*gates, Floor(before, now)), before, now)


def replace_by_student(
    draft: TrainedBundle, corpus: Dataset, name: str, how: Distilling, progress: Progress
) -> Successor:
    """A student in the place of the expert `name`, with the recipe's own gate. Raises DistilError."""
    teacher = next((expert for expert in draft.experts if expert.name == name), None)
    if teacher is None:
        raise DistilError(f"no expert {name!r}: name one of {', '.join(expert.name for expert in draft.experts)}")
    torch.manual_seed(how.seed)
    examples = list(corpus.examples("train", teacher.modality).values())
    lesson = DistillationData(
        [example.recording for example in examples],
        _lesson(draft, teacher, corpus).targets,
        how.shares,
        how.descent,
    )
    chain = [student_of(teacher, encoder, how.side_px) for encoder in how.encoders]
    student = distil(teacher, chain, lesson, _named(progress, name))
    if student.num_tokens != teacher.num_tokens:
        raise DistilError(
            f"the head reads {teacher.num_tokens} tokens of {name}, a student at {how.side_px} px has "
            f'{student.num_tokens}: configure `encoder = "{how.encoders[-1]}"` and train, which fits a head for it'
        )
    after = _successor(draft, {name: student}, "distilled")
    after = replace(after, modalities=_relearned(after, corpus))
    before, now = standing(draft, corpus), standing(after, corpus)
    return Successor(after, (Gate(draft.name, before.at_limit, now.at_limit, how.tolerance),), before, now)


def standing(draft: TrainedBundle, corpus: Dataset) -> CrossValidationResult:
    everyone = frozenset(expert.name for expert in draft.experts)
    calibration = next(own for own in draft.calibrations if frozenset(own.experts) == everyone)
    scores = probability(fused_logits(draft, corpus, "calibration"), calibration.temperature, calibration.bias)
    labels = np.array([row.label == "nok" for row in corpus.labelled("calibration")])
    return CrossValidationResult(area_under_curve(scores, labels), at_limit(scores, labels, calibration.pass_below))


def _lesson(draft: TrainedBundle, expert: TrainedExpert, corpus: Dataset) -> Recordings:
    """The training split for one expert, with targets by the draft's classes."""
    found = recordings_of(corpus.examples("train", expert.modality).values(), expert.input)
    return Recordings(found.inputs, targets_by(draft.classes, corpus.classes, found.targets))


def targets_by(wanted: Sequence[str], own: Sequence[str], targets_RO: Float[Tensor, "R O"]) -> Float[Tensor, "R K"]:
    """Columns in the order of `wanted`; classes that the recordings do not know are 0 there."""
    strange = sorted(set(own) - set(wanted))
    if strange:
        raise ManifestError(f"the model has no class {', '.join(strange)}: train it anew, with old and new recordings")
    columns = [targets_RO[:, 1 + own.index(name)] if name in own else 0 * targets_RO[:, 0] for name in wanted]
    return torch.stack([targets_RO[:, 0], *columns], dim=1)


def _successor(draft: TrainedBundle, changed: Mapping[str, TrainedExpert], deed: str) -> TrainedBundle:
    """Limits stay those of before; figures of changed experts, and of classes, are raw from here on."""
    experts = tuple(changed.get(expert.name, expert) for expert in draft.experts)
    provenance = {**draft.provenance, deed: ", ".join(changed)}
    return replace(
        draft,
        experts=experts,
        calibrations=tuple(own.model_copy(update={"classes": {}}) for own in draft.calibrations),
        own_calibrations={name: own for name, own in draft.own_calibrations.items() if name not in changed},
        certificate=None,
        provenance=provenance,
    )


def _relearned(draft: TrainedBundle, corpus: Dataset) -> tuple[Modality, ...]:
    """With limits of plausibility by what the experts are given now."""
    learned = {own.name: own.plausibility for own in corpus.with_plausibility(draft.experts)}
    return tuple(own.model_copy(update={"plausibility": learned.get(own.name)}) for own in draft.modalities)


def _believing_both(draft: TrainedBundle, new: Dataset) -> TrainedBundle:
    """Sources of the old recipes are believed as before, those of the new one too; where no limits were, none are."""
    modalities = []
    for old, now in zip(draft.modalities, _relearned(draft, new), strict=True):
        known = old.plausibility and now.plausibility and joined(old.plausibility, now.plausibility)
        modalities.append(old.model_copy(update={"plausibility": known}))
    return replace(draft, modalities=tuple(modalities))


def _named(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)
