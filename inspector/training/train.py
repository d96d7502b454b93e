"""Trains a bundle from a manifest, in stages: experts, head, scores, calibration, routing, certificate."""

import logging
import platform
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fusion.head import FusionHead
from fusion.policy import routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Certificate, Modality, Platt
from inspector.dataset.manifest import Split
from inspector.dataset.recordings import Clip
from inspector.dataset.splits import folds
from inspector.training.advice import Advice, give
from inspector.training.calibration.certify import certify, routed_scores
from inspector.training.calibration.probabilities import expert_calibrations, probability_lines, with_classes
from inspector.training.calibration.thresholds import calibrate
from inspector.training.card import ModelCardData, model_card
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.data_advice import data_advice, file_survey
from inspector.training.dataset import Dataset
from inspector.training.experts.defaults import camera_candidates, sensor_candidates
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.pretrained import unused_advice, weights_advice
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert, cross_validate, fit_final, keep
from inspector.training.export import TrainedBundle
from inspector.training.fit_advice import chance_advice, drop_misleading, epochs_advice, fused_advice
from inspector.training.head.joint_finetune import fine_tune, unexplained
from inspector.training.head.scores import (
    BOTH,
    Fusion,
    calibrated_again,
    fuse,
    fused_jointly,
    head_form,
    score,
    score_out_of_fold,
)
from inspector.training.inputs import input_form, prepare
from inspector.training.routing.policy import PolicyChoice, choose_policy, make_routing_data

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""

JOINT_EPOCHS = 12
"""Used where the configuration gives no number."""

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class TrainOptions:
    """Options that may differ between runs of one configuration."""

    seed: int = 0
    epochs: int | None = None
    """Passes for every encoder that is fitted in passes; None: as configured."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Local safetensors files by timm model name."""
    strict: bool = False
    """Whether a warning stops the training; warnings about data come before any fitting."""


@dataclass(frozen=True, eq=False)
class Training:
    """The trained bundle, the scores that its limits and routes were chosen from, and findings for people."""

    bundle: TrainedBundle
    scored: Scored
    findings: tuple[str, ...]


def train(manifest: Path, config: TrainConfig, options: TrainOptions, progress: Progress) -> Training:
    """Raises ManifestError for unusable data, and StrictError for a warning under `options.strict`."""
    _prepare_torch(config, options)
    warnings = give(weights_advice(options.weights, config.experts), strict=options.strict)
    trainer = Trainer(Dataset(manifest, config.labels), config, options, progress)
    used = [row for row in trainer.dataset.rows if row.split != "test"]
    warnings += give(file_survey(manifest, used, progress), strict=options.strict)
    warnings += give(data_advice(trainer.dataset), strict=options.strict)
    results = trainer.cross_validate()
    selected = trainer.select_experts(results)
    fusion = trainer.fuse(selected)
    judged = _judged(trainer, selected, fusion, score(trainer.dataset, selected, fusion))
    if trainer.may_refit(results, judged):
        judged = trainer.refit(judged)
    warnings += give(_fit_advice(trainer, results, judged), strict=options.strict)
    card = ModelCardData(
        results,
        judged.selected,
        judged.fusion.head,
        judged.choice.findings,
        judged.certificate,
        warnings,
        _probabilities(trainer.dataset, judged),
    )
    trained = TrainedBundle(
        name=config.name,
        version=config.version,
        classes=trainer.dataset.classes,
        token_dim=config.token_dim,
        modalities=trainer.dataset.with_plausibility([entry.expert for entry in judged.selected]),
        experts=tuple(entry.expert for entry in judged.selected),
        head=judged.fusion.head.head,
        calibrations=tuple(judged.calibrations.values()),
        policy=judged.choice.policy,
        own_calibrations=judged.own_calibrations,
        provenance=_provenance(trainer.dataset, options, judged),
        card=model_card(trainer.dataset, config, card),
        certificate=judged.certificate,
        warnings=warnings,
    )
    return Training(trained, judged.scored, card.findings())


@dataclass(frozen=True, eq=False)
class Judged:
    """Experts and a head, with everything that is chosen from their scores."""

    selected: list[SelectedExpert]
    fusion: Fusion
    scored: Scored
    calibrations: dict[ExpertSet, Calibration]
    choice: PolicyChoice
    certificate: Certificate
    own_calibrations: dict[str, Platt]


def _judged(trainer: "Trainer", selected: list[SelectedExpert], fusion: Fusion, scored: Scored) -> Judged:
    config, experts = trainer.config, tuple(entry.expert for entry in selected)
    calibrations = _calibrations(trainer.dataset, selected, scored, config)
    routing_data = make_routing_data(scored, experts, calibrations)
    choice = choose_policy(routing_data, config.acceptance, config.policy, trainer.options.seed)
    scores = routed_scores(scored, routed(choice.policy, experts, scored, calibrations), calibrations)
    return Judged(
        selected=selected,
        fusion=fusion,
        scored=scored,
        calibrations=with_classes(calibrations, trainer.dataset, fusion),
        choice=choice,
        certificate=certify(scores, scored, config.acceptance),
        own_calibrations=expert_calibrations(trainer.dataset, selected, scored),
    )


def _fit_advice(trainer: "Trainer", results: Sequence[CrossValidationResult], judged: Judged) -> Iterator[Advice]:
    names = {entry.expert.name for entry in judged.selected}
    kept = [entry for entry in results if entry.name in names]
    yield from unused_advice(trainer.options.weights, [entry.data.config for entry in results])
    yield from chance_advice(results if trainer.config.experts else _winners(results), kept)
    yield from fused_advice(judged.scored)
    yield from epochs_advice(judged.selected)


def _probabilities(dataset: Dataset, judged: Judged) -> list[str]:
    names = [entry.expert.name for entry in judged.selected]
    return probability_lines(dataset.classes, judged.calibrations[frozenset(names)], names, judged.own_calibrations)


@dataclass(frozen=True, eq=False)
class Trainer:
    """Runs the stages of a training on one dataset and configuration."""

    dataset: Dataset
    config: TrainConfig
    options: TrainOptions
    progress: Progress

    def cross_validate(self) -> list[CrossValidationResult]:
        if self.config.experts:
            self.dataset.require_all_modalities([expert.modality for expert in self.config.experts])
        results = []
        for modality in self.dataset.modalities:
            configured = [expert for expert in self.config.experts if expert.modality == modality.name]
            for expert in configured if self.config.experts else candidates(self.dataset, modality, self.options):
                results.append(self._cross_validate_expert(expert, ["train"]))
        return results

    def _cross_validate_expert(self, expert: ExpertConfig, splits: Sequence[Split]) -> CrossValidationResult:
        data = _data(self, expert, splits)
        fold = folds(data.groups, self.config.num_folds, self.options.seed)
        number = [fold[group] for group in data.groups]
        stage = expert.name if len(splits) == 1 else f"{expert.name} again"
        result = cross_validate(data, number, self.config.cross_fit, partial(self.progress, stage))
        _log.info("%s: area under the curve %.3f on held-out groups of %s", stage, result.auc, " and ".join(splits))
        return result

    def select_experts(self, results: Sequence[CrossValidationResult]) -> list[SelectedExpert]:
        """All configured experts, or else the best of each modality; without those worse than chance."""
        winners = results if self.config.experts else _winners(results)
        return [fit_final(result, partial(self.progress, result.name)) for result in drop_misleading(winners)]

    def fuse(self, selected: Sequence[SelectedExpert]) -> Fusion:
        """Fits the head alone, or jointly with the encoders if labels per modality leave defects unexplained."""
        torch.set_num_threads(1)  # The head is so small that a second thread only waits.
        unexplained_rows = unexplained(self.dataset.labelled("train"), self.dataset.modalities)
        epochs = self.config.joint.epochs or (JOINT_EPOCHS if unexplained_rows and self.config.joint.automatic else 0)
        if epochs:
            torch.manual_seed(self.options.seed)
            head = FusionHead(head_form(self.dataset, [entry.expert for entry in selected], self.config, compared=True))
            settings = self.config.joint.model_copy(update={"epochs": epochs})
            experts = [entry.expert for entry in selected]
            progress = partial(self.progress, "together")
            joint_fit = fine_tune(experts, head, self.dataset, settings, self.options.seed, progress)
            if joint_fit.kept:
                return fused_jointly(self.dataset, selected, head, joint_fit)
        return fuse(self.dataset, selected, self.config, self.options.seed, partial(self.progress, "fusion head"))

    def may_refit(self, results: Sequence[CrossValidationResult], judged: Judged) -> bool:
        """Whether the calibration pieces are better used for fitting, since they cannot certify the miss rate."""
        names = {entry.expert.name for entry in judged.selected}
        quick = all(entry.complete for entry in results if entry.name in names)
        uncertified = self.config.refit == "auto" and judged.certificate.claim is None
        return uncertified and quick and judged.fusion.head.steps == 0

    def refit(self, first: Judged) -> Judged:
        """Fits the same experts on training and calibration pieces; all else comes from out-of-fold scores."""
        selected = [
            fit_final(
                self._cross_validate_expert(entry.expert.config, BOTH),
                partial(self.progress, f"{entry.expert.name} again"),
                entry.cost_ms,
            )
            for entry in first.selected
        ]
        fusion = calibrated_again(self.dataset, selected, first.fusion, self.config, self.options.seed)
        scored = score_out_of_fold(self.dataset, selected, fusion, BOTH)
        if scored is None:
            return first
        again = _judged(self, selected, fusion, scored)
        sure_below = again.certificate.sure_below
        certificate = first.certificate.model_copy(update={"of_these_encoders": False, "sure_below": sure_below})
        return replace(again, certificate=certificate)


def _prepare_torch(config: TrainConfig, options: TrainOptions) -> None:
    torch.set_num_threads(config.num_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)


def candidates(dataset: Dataset, modality: Modality, options: TrainOptions) -> list[ExpertConfig]:
    """Default experts for the recordings of a modality."""
    recordings = [example.recording for example in dataset.examples("train", modality.name).values()]
    if modality.kind == "image":
        pictures = [picture for picture in recordings if not isinstance(picture, Clip)]
        return camera_candidates(modality.name, pictures, options.weights.keys())
    return sensor_candidates(modality, len(recordings))


def _data(trainer: Trainer, expert: ExpertConfig, splits: Sequence[Split]) -> TrainingData:
    dataset, config, options = trainer.dataset, trainer.config, trainer.options
    examples = list(dataset.examples_of(splits, expert.modality).values())
    recordings = [example.recording for example in examples]
    form = input_form(expert, recordings)
    return TrainingData(
        config=expert,
        form=form,
        inputs=prepare(recordings, form),
        targets=torch.from_numpy(np.stack([example.targets for example in examples])),
        groups=tuple(example.group for example in examples),
        masks=tuple(example.mask for example in examples),
        widths=(config.token_dim, len(dataset.classes)),
        weights=options.weights,
        seed=options.seed,
        epochs=options.epochs,
        pieces=dataset.pieces_of(splits, expert.modality),
    )


def _winners(results: Sequence[CrossValidationResult]) -> list[CrossValidationResult]:
    modalities = dict.fromkeys(result.data.config.modality for result in results)
    return [result for name in modalities for result in keep([s for s in results if s.data.config.modality == name])]


def _calibrations(
    dataset: Dataset, selected: list[SelectedExpert], scored: Scored, config: TrainConfig
) -> dict[ExpertSet, Calibration]:
    modality_of = {entry.expert.name: entry.expert.modality for entry in selected}
    return {
        names: calibrate(
            scored, names, len({modality_of[name] for name in names}) == len(dataset.modalities), config.acceptance
        )
        for names in scored.sets
    }


def _provenance(dataset: Dataset, options: TrainOptions, judged: Judged) -> dict[str, str | int | float]:
    return {
        "seed": options.seed,
        "train_pieces": len(dataset.split("train")),
        "calibration_pieces": len(dataset.split("calibration")),
        "encoders_fitted_on": "train" if judged.certificate.of_these_encoders else "train and calibration",
        "head_steps": judged.fusion.head.steps,
        "routing": " ".join(judged.choice.findings),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
