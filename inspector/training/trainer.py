"""The stages of a training: cross-validates and fits experts, fits the head, and fits encoders again on more pieces."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from encoders.front_end import Image
from fusion.head import FusionHead
from fusion.scored import Scored
from inspector.bundle.schema import Modality
from inspector.dataset.manifest import Split
from inspector.dataset.progress import WHOLE
from inspector.dataset.recordings import Clip
from inspector.dataset.splits import folds, scarcer
from inspector.statistics.evidence import Choice
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.config_check import require_experts_for_all
from inspector.training.dataset import Dataset
from inspector.training.experts.defaults import camera_candidates, sensor_candidates
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.keep import Kept, keep
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert, cross_validate, fit_final
from inspector.training.experts.tiled import configured_with_tiles, picture_px, suggest_tiles, with_tiles
from inspector.training.fit_advice import drop_misleading
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
from inspector.training.judged import Judged, judge
from inspector.training.refit import compare_refit, not_refitted

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
    good: tuple[str, ...] = ()
    """Classes of the manifest that count as good."""
    strict: bool = False
    """Whether a warning stops the training; warnings about data come before any fitting."""


@dataclass(frozen=True, eq=False)
class Trainer:
    """Runs the stages of a training on one dataset and configuration."""

    dataset: Dataset
    config: TrainConfig
    options: TrainOptions
    progress: Progress

    def cross_validate(self) -> list[CrossValidationResult]:
        if self.config.experts:
            require_experts_for_all(self.config.experts, self.dataset.modalities)
        results = []
        for number, modality in enumerate(self.dataset.modalities):
            self.report_parts(number)
            results += [self._cross_validate_expert(expert, ["train"]) for expert in self._experts(modality)]
        self.report_parts(len(self.dataset.modalities))
        return results

    def _experts(self, modality: Modality) -> list[ExpertConfig]:
        """Those of the configuration, or candidates, with the tiles that it asks for."""
        camera = self.config.cameras.get(modality.name)
        tiles = None if camera is None else camera.tiles
        if self.config.experts:
            configured = [expert for expert in self.config.experts if expert.modality == modality.name]
            if tiles is None:
                return configured
            size_px = picture_px(pictures_of(self.dataset, modality))
            return [configured_with_tiles(expert, size_px, tiles) for expert in configured]
        experts = candidates(self.dataset, modality, self.options)
        if modality.kind != "image":
            return experts
        size_px = picture_px(pictures_of(self.dataset, modality))
        experts = with_tiles(experts, modality.name, size_px, tiles)
        suggest_tiles(experts, modality.name, size_px)
        return experts

    def report_parts(self, done: int) -> None:
        """One part for each modality, one for the final experts and their head, one for what a refit may add."""
        if done:
            self.progress(WHOLE, done, len(self.dataset.modalities) + 2)

    def _cross_validate_expert(self, expert: ExpertConfig, splits: Sequence[Split]) -> CrossValidationResult:
        data = training_data(self, expert, splits)
        rare = scarcer((data.targets[:, 0] >= 0.5).tolist())
        fold = folds(data.groups, self.config.num_folds, self.options.seed, rare)
        number = [fold[group] for group in data.groups]
        stage = expert.name if len(splits) == 1 else f"{expert.name} again"
        result = cross_validate(data, number, self.config.cross_fit, partial(self.progress, stage))
        _log.info("%s: area under the curve %.3f on held-out groups of %s", stage, result.auc, " and ".join(splits))
        return result

    def keep(self, results: Sequence[CrossValidationResult]) -> Kept:
        """All configured experts, or else those of each modality that are worth their time, with the reasons."""
        if self.config.experts:
            return Kept(list(results))
        modalities = dict.fromkeys(result.modality for result in results)
        kept = [
            keep([result for result in results if result.modality == name], self.config.rule) for name in modalities
        ]
        return Kept(
            [result for part in kept for result in part.results], tuple(c for part in kept for c in part.choices)
        )

    def fit_experts(self, kept: Kept) -> list[SelectedExpert]:
        """Fits these experts on the whole training split, without those that are certainly worse than chance."""
        results = drop_misleading(kept.results)
        return [fit_final(result, partial(self.progress, result.name)) for result in results]

    def fuse(self, selected: Sequence[SelectedExpert]) -> Fusion:
        """Fits the head alone, or jointly with the encoders if labels per modality leave defects unexplained."""
        torch.set_num_threads(1)  # The head is so small that a second thread only waits.
        unexplained_rows = unexplained(self.dataset.labelled("train"), self.dataset.modalities)
        tried: tuple[Choice, ...] = ()
        epochs = self.config.joint.epochs or (JOINT_EPOCHS if unexplained_rows and self.config.joint.automatic else 0)
        if epochs:
            torch.manual_seed(self.options.seed)
            head = FusionHead(head_form(self.dataset, [entry.expert for entry in selected], self.config, compared=True))
            settings = self.config.joint.model_copy(update={"epochs": epochs})
            experts = [entry.expert for entry in selected]
            progress = partial(self.progress, "together")
            joint_fit = fine_tune(experts, head, self.dataset, settings, self.options.seed, progress, self.config.rule)
            if joint_fit.kept:
                return fused_jointly(self.dataset, selected, head, joint_fit)
            tried = joint_fit.choices
        fusion = fuse(self.dataset, selected, self.config, self.options.seed, partial(self.progress, "fusion head"))
        return replace(fusion, head=replace(fusion.head, choices=tried + fusion.head.choices))

    def judge(self, selected: list[SelectedExpert], fusion: Fusion, scored: Scored | None = None) -> Judged:
        """Calibrates, routes and certifies, from the scores of this training unless others are given."""
        scores = score(self.dataset, selected, fusion) if scored is None else scored
        return judge(self.dataset, self.config, self.options.seed, selected, fusion, scores)

    def why_no_refit(self, results: Sequence[CrossValidationResult], judged: Judged) -> str:
        """Why the calibration pieces are not used for fitting too, for the report; empty where they are."""
        names = {entry.expert.name for entry in judged.selected}
        if self.config.refit != "auto":
            return "the configuration says never"
        if judged.certificate.claim is not None:
            return "the calibration split certifies the miss rate"
        if not all(entry.complete for entry in results if entry.name in names):
            return "not every recording has a score out of fold"
        return "" if judged.fusion.head.steps == 0 else "the head was fitted on the calibration split"

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
            return replace(first, refit=not_refitted(first.certificate, "no piece has all scores out of fold"))
        use_refit, choice = compare_refit(first.scored, scored)
        if not use_refit:
            return replace(first, refit=choice)
        again = self.judge(selected, fusion, scored)
        sure_below = again.certificate.sure_below
        certificate = first.certificate.model_copy(update={"of_these_encoders": False, "sure_below": sure_below})
        return replace(again, certificate=certificate, refit=choice)


def candidates(dataset: Dataset, modality: Modality, options: TrainOptions) -> list[ExpertConfig]:
    """Default experts for the recordings of a modality."""
    if modality.kind == "image":
        return camera_candidates(modality.name, pictures_of(dataset, modality), options.weights.keys())
    return sensor_candidates(modality, len(dataset.examples("train", modality.name)))


def pictures_of(dataset: Dataset, modality: Modality) -> list[Image]:
    """Of the training split, as experts see them."""
    recordings = [example.recording for example in dataset.examples("train", modality.name).values()]
    return [picture for picture in recordings if not isinstance(picture, Clip)]


def training_data(trainer: Trainer, expert: ExpertConfig, splits: Sequence[Split]) -> TrainingData:
    """The recordings of an expert's modality in these splits, prepared for it."""
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
