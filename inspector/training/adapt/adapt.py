"""Changes experts of a trained bundle, and checks the result with gates.

Head, limits and routes stay unchanged: the gates judge experts and head together at the limit in use. The certificate
is dropped, since it holds only for the old experts.
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
from inspector.training.adapt.continual import AtLimit, Gate, Retention, Tolerance, at_limit, balanced_memory, learn
from inspector.training.adapt.distil import DistillationData, Shares, distil, student_of
from inspector.training.adapt.evaluate_draft import fused_logits, recordings_of
from inspector.training.dataset import Dataset
from inspector.training.errors import DistilError
from inspector.training.experts.gradient_descent import DescentSettings
from inspector.training.experts.lora import num_trainable
from inspector.training.experts.network import Recordings
from inspector.training.export import TrainedBundle, TrainedExpert

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""


@dataclass(frozen=True)
class AdaptOptions:
    keeping: Retention = field(default_factory=Retention)
    memory: int = 64
    """Recordings per old recipe and modality, used for replay and to weight the parameters in EWC."""
    tolerance: Tolerance = field(default_factory=Tolerance)
    seed: int = 0


@dataclass(frozen=True)
class DistilOptions:
    encoders: Sequence[str] = ("mini", "micro")
    """From large to small; the last one is used."""
    side_px: int = 48
    descent: DescentSettings = field(default_factory=lambda: DescentSettings(epochs=30, learning_rate=6e-3))
    shares: Shares = field(default_factory=Shares)
    tolerance: Tolerance = field(default_factory=Tolerance)
    seed: int = 0


@dataclass(frozen=True)
class RecipeResult:
    """Quality of a bundle on the calibration pieces of a recipe, with all captured modalities."""

    auc: float
    at_limit: AtLimit


@dataclass(frozen=True)
class NewRecipeGate:
    """The new recipe before and after, by AUC: recall at the old limit is perfect if no piece passes."""

    before: RecipeResult
    after: RecipeResult

    @property
    def open(self) -> bool:
        return self.after.auc >= self.before.auc

    def __str__(self) -> str:
        change = f"AUC {self.before.auc:.3f} -> {self.after.auc:.3f} on its calibration pieces"
        if self.open:
            return f"new recipe: learned: {change}"
        return (
            f"new recipe: not learned: {change}, expected no less than before: give more recordings, or a lower "
            "stiffness"
        )


@dataclass(frozen=True, eq=False)
class AdaptResult:
    bundle: TrainedBundle
    gates: tuple[Gate | NewRecipeGate, ...]
    before: RecipeResult
    """The old bundle on the calibration pieces of the new recipe."""
    after: RecipeResult

    @property
    def passed(self) -> bool:
        return all(gate.open for gate in self.gates)


def adapt(
    trained: TrainedBundle, new: Dataset, old: Mapping[str, Dataset], options: AdaptOptions, progress: Progress
) -> AdaptResult:
    """Experts learn the new training split; calibration splits of old recipes and of the new one are the gates.

    Kernel machines stay unchanged, since they are not fitted by gradient steps. Raises ManifestError if no expert can
    learn, or if the new recipe has unknown classes.
    """
    trainable = [expert for expert in trained.experts if num_trainable(expert.module)]
    if not trainable:
        raise ManifestError(
            f"{trained.name} has no expert that can learn in steps: train it again, with all recordings"
        )
    experts = {}
    for expert in trainable:
        torch.manual_seed(options.seed)
        memories = [
            balanced_memory(_training_recordings(trained, expert, dataset), options.memory, options.seed)
            for dataset in old.values()
        ]
        memory = Recordings(torch.cat([m.inputs for m in memories]), torch.cat([m.targets for m in memories]))
        report = _named(progress, expert.name)
        experts[expert.name] = learn(
            expert, _training_recordings(trained, expert, new), memory, options.keeping, report
        )
    after = _with_joined_plausibility(_with_changed_experts(trained, experts, "adapted"), new)
    gates = tuple(
        Gate(
            name,
            evaluate_recipe(trained, dataset).at_limit,
            evaluate_recipe(after, dataset).at_limit,
            options.tolerance,
        )
        for name, dataset in old.items()
    )
    before, now = evaluate_recipe(trained, new), evaluate_recipe(after, new)
    return AdaptResult(after, (*gates, NewRecipeGate(before, now)), before, now)


def distil_expert(
    trained: TrainedBundle, dataset: Dataset, name: str, options: DistilOptions, progress: Progress
) -> AdaptResult:
    """Replaces the expert `name` by a student, with a gate on the same recipe. Raises DistilError."""
    teacher = next((expert for expert in trained.experts if expert.name == name), None)
    if teacher is None:
        raise DistilError(f"no expert {name!r}: name one of {', '.join(expert.name for expert in trained.experts)}")
    torch.manual_seed(options.seed)
    examples = list(dataset.examples("train", teacher.modality).values())
    data = DistillationData(
        [example.recording for example in examples],
        _training_recordings(trained, teacher, dataset).targets,
        options.shares,
        options.descent,
    )
    chain = [student_of(teacher, encoder, options.side_px) for encoder in options.encoders]
    student = distil(teacher, chain, data, _named(progress, name))
    if student.num_tokens != teacher.num_tokens:
        raise DistilError(
            f"the head reads {teacher.num_tokens} tokens of {name}, a student at {options.side_px} px has "
            f'{student.num_tokens}: configure `encoder = "{options.encoders[-1]}"` and train, which fits a head for it'
        )
    after = _with_changed_experts(trained, {name: student}, "distilled")
    after = replace(after, modalities=_with_new_plausibility(after, dataset))
    before, now = evaluate_recipe(trained, dataset), evaluate_recipe(after, dataset)
    return AdaptResult(after, (Gate(trained.name, before.at_limit, now.at_limit, options.tolerance),), before, now)


def evaluate_recipe(trained: TrainedBundle, dataset: Dataset) -> RecipeResult:
    all_names = frozenset(expert.name for expert in trained.experts)
    calibration = next(candidate for candidate in trained.calibrations if frozenset(candidate.experts) == all_names)
    scores = probability(fused_logits(trained, dataset, "calibration"), calibration.temperature, calibration.bias)
    labels = np.array([row.label == "nok" for row in dataset.labelled("calibration")])
    return RecipeResult(area_under_curve(scores, labels), at_limit(scores, labels, calibration.pass_below))


def _training_recordings(trained: TrainedBundle, expert: TrainedExpert, dataset: Dataset) -> Recordings:
    """The training split for one expert, with targets in the order of the bundle's classes."""
    recordings = recordings_of(dataset.examples("train", expert.modality).values(), expert.input)
    return Recordings(recordings.inputs, targets_by(trained.classes, dataset.classes, recordings.targets))


def targets_by(
    classes: Sequence[str], known_classes: Sequence[str], targets_RO: Float[Tensor, "R O"]
) -> Float[Tensor, "R K"]:
    """Target columns in the order of `classes`; 0 for classes without recordings."""
    unknown = sorted(set(known_classes) - set(classes))
    if unknown:
        raise ManifestError(f"the model has no class {', '.join(unknown)}: train it again, with old and new recordings")
    columns = [
        targets_RO[:, 1 + known_classes.index(name)] if name in known_classes else 0 * targets_RO[:, 0]
        for name in classes
    ]
    return torch.stack([targets_RO[:, 0], *columns], dim=1)


def _with_changed_experts(trained: TrainedBundle, changed: Mapping[str, TrainedExpert], change: str) -> TrainedBundle:
    """Keeps the limits; drops their evidence, and the calibrations of changed experts and of classes."""
    dropped: dict[str, object] = {"classes": {}, "class_scales": {}, "pass_evidence": None, "fail_evidence": None}
    experts = tuple(changed.get(expert.name, expert) for expert in trained.experts)
    provenance = {**trained.provenance, change: ", ".join(changed)}
    return replace(
        trained,
        experts=experts,
        calibrations=tuple(calibration.model_copy(update=dropped) for calibration in trained.calibrations),
        own_calibrations={name: platt for name, platt in trained.own_calibrations.items() if name not in changed},
        rough_calibrations={name: platt for name, platt in trained.rough_calibrations.items() if name not in changed},
        certificate=None,
        provenance=provenance,
    )


def _with_new_plausibility(trained: TrainedBundle, dataset: Dataset) -> tuple[Modality, ...]:
    """The modalities with plausibility limits learned from the inputs of the current experts."""
    learned = {modality.name: modality.plausibility for modality in dataset.with_plausibility(trained.experts)}
    return tuple(
        modality.model_copy(update={"plausibility": learned.get(modality.name)}) for modality in trained.modalities
    )


def _with_joined_plausibility(trained: TrainedBundle, new: Dataset) -> TrainedBundle:
    """Extends the plausibility limits to the new recipe; modalities without limits stay without."""
    modalities = []
    for old, now in zip(trained.modalities, _with_new_plausibility(trained, new), strict=True):
        limits = old.plausibility and now.plausibility and joined(old.plausibility, now.plausibility)
        modalities.append(old.model_copy(update={"plausibility": limits}))
    return replace(trained, modalities=tuple(modalities))


def _named(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)
