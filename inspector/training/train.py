"""Trains a bundle from a manifest, in stages: experts, head, scores, calibration, routing, certificate."""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from fusion.scored import Scored
from inspector.dataset.uncertain import left_out, uncertain_lines
from inspector.evaluation.dominance import Dominance
from inspector.training.advice import Advice, choice_figures, give
from inspector.training.card import ModelCardData, model_card
from inspector.training.class_report import trained_class_report
from inspector.training.config import TrainConfig
from inspector.training.data_advice import data_advice, file_survey
from inspector.training.dataset import Dataset
from inspector.training.experts.keep import Kept
from inspector.training.experts.pretrained import weights_advice
from inspector.training.experts.selection import CrossValidationResult
from inspector.training.export import TrainedBundle
from inspector.training.findings import choices_of, dominance_of, fit_advice, limits_of, probabilities_of, provenance
from inspector.training.judged import Judged
from inspector.training.refit import not_refitted
from inspector.training.report_page import Trained
from inspector.training.trainer import Progress, Trainer, TrainOptions

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True, eq=False)
class Training:
    """The trained bundle, the scores that its limits and routes were chosen from, and findings for people."""

    bundle: TrainedBundle
    scored: Scored
    findings: tuple[str, ...]
    trained: Trained
    """For the report as a page."""
    figures: Mapping[str, object] = field(default_factory=dict)
    """Further entries of the JSON report: choices, pieces left out, figures by class."""


def train(manifest: Path, config: TrainConfig, options: TrainOptions, progress: Progress) -> Training:
    """Raises ManifestError for unusable data, and StrictError for a warning under `options.strict`."""
    _prepare_torch(config, options)
    warnings = give(weights_advice(options.weights, config.experts), strict=options.strict)
    dataset = Dataset(
        manifest, config.labels, config.cameras, good=options.good, soft=config.uncertain_labels == "soft"
    )
    trainer = Trainer(dataset, config, options, progress)
    for line in uncertain_lines(dataset.rows, soft=dataset.soft):
        _log.info("%s", line)
    seen = [row for row in trainer.dataset.rows if row.split != "test"]
    warnings += give(file_survey(manifest, seen, progress), strict=options.strict)
    warnings += give(data_advice(trainer.dataset), strict=options.strict)
    results = trainer.cross_validate()
    kept = trainer.keep(results)
    judged = _judged(trainer, results, kept)
    shares = dominance_of(trainer, judged)
    card = _card(trainer, results, kept, judged, shares, warnings)
    trained = Trained(f"Training of {config.name} {config.version}", dataset, judged, card, shares)
    return Training(_bundle(trainer, judged, card), judged.scored, card.findings(), trained, _figures(dataset, card))


def _figures(dataset: Dataset, card: ModelCardData) -> dict[str, object]:
    by_class = {} if card.by_class is None else asdict(card.by_class)
    return {"left_out": left_out(dataset.rows), "choices": choice_figures(card.choices), **by_class}


def _prepare_torch(config: TrainConfig, options: TrainOptions) -> None:
    torch.set_num_threads(config.num_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)


def _judged(trainer: Trainer, results: Sequence[CrossValidationResult], kept: Kept) -> Judged:
    selected = trainer.fit_experts(kept)
    judged = trainer.judge(selected, trainer.fuse(selected))
    num_modalities = len(trainer.dataset.modalities)
    trainer.report_parts(num_modalities + 1)
    reason = trainer.why_no_refit(results, judged)
    judged = replace(judged, refit=not_refitted(judged.certificate, reason)) if reason else trainer.refit(judged)
    trainer.report_parts(num_modalities + 2)
    return judged


def _card(
    trainer: Trainer,
    results: Sequence[CrossValidationResult],
    kept: Kept,
    judged: Judged,
    shares: Dominance,
    warnings: tuple[Advice, ...],
) -> ModelCardData:
    """With the warnings before and after fitting; raises StrictError for one under `strict`."""
    strict = trainer.options.strict
    limits = limits_of(trainer, judged)
    warnings += give(fit_advice(trainer, results, kept.results, judged, shares), strict=strict)
    warnings += give(limits.warnings, strict=strict)
    return ModelCardData(
        results,
        judged.selected,
        judged.fusion.head,
        judged.choice.findings,
        judged.certificate,
        warnings,
        probabilities_of(trainer, judged),
        shares.lines(),
        limits.lines,
        choices=choices_of(kept, judged),
        labels=uncertain_lines(trainer.dataset.rows, soft=trainer.dataset.soft),
        by_class=trained_class_report(trainer.dataset, judged),
    )


def _bundle(trainer: Trainer, judged: Judged, card: ModelCardData) -> TrainedBundle:
    config, experts = trainer.config, tuple(entry.expert for entry in judged.selected)
    return TrainedBundle(
        name=config.name,
        version=config.version,
        classes=trainer.dataset.classes,
        token_dim=config.token_dim,
        modalities=trainer.dataset.with_plausibility(experts),
        experts=experts,
        head=judged.fusion.head.head,
        calibrations=tuple(judged.calibrations.values()),
        policy=judged.choice.policy,
        own_calibrations=judged.own_calibrations,
        rough_calibrations=judged.rough_calibrations,
        provenance=provenance(trainer, judged),
        card=model_card(trainer.dataset, config, card),
        certificate=judged.certificate,
        warnings=tuple(card.warnings),
    )
