"""Collects what a training tells people: its choices, warnings, the share of single modalities, and its provenance."""

import json
import platform
from collections.abc import Iterator, Sequence

import torch

from inspector.dataset.good_class import PROVENANCE_KEY
from inspector.evaluation.dominance import Dominance
from inspector.statistics.evidence import Choice
from inspector.training.advice import Advice
from inspector.training.calibration.probabilities import probability_lines
from inspector.training.calibration.report import CalibrationReport, calibration_report
from inspector.training.dominance import trained_dominance
from inspector.training.experts.keep import Kept
from inspector.training.experts.pretrained import unused_advice
from inspector.training.experts.selection import CrossValidationResult
from inspector.training.fit_advice import chance_advice, epochs_advice, fused_advice, unused_epochs
from inspector.training.judged import Judged, covering_sets
from inspector.training.trainer import Trainer


def dominance_of(trainer: Trainer, judged: Judged) -> Dominance:
    """How far single modalities decide."""
    experts = [entry.expert for entry in judged.selected]
    return trained_dominance(
        trainer.dataset, experts, judged.fusion, judged.scored, judged.calibrations, judged.choice.policy
    )


def fit_advice(
    trainer: Trainer,
    results: Sequence[CrossValidationResult],
    expected: Sequence[CrossValidationResult],
    judged: Judged,
    shares: Dominance,
) -> Iterator[Advice]:
    """`expected`: the results of the experts that should ship; of these, `judged` has the ones better than chance."""
    names = {entry.expert.name for entry in judged.selected}
    kept = [entry for entry in results if entry.name in names]
    yield from unused_epochs(trainer.options.epochs, results)
    yield from unused_advice(trainer.options.weights, [entry.data.config for entry in results])
    yield from chance_advice(expected, kept)
    yield from fused_advice(judged.scored)
    yield from epochs_advice(judged.selected)
    yield from (Advice("dominance", warning) for warning in shares.warnings())


def choices_of(kept: Kept, judged: Judged) -> tuple[Choice, ...]:
    """What was chosen under uncertainty, in the order of the stages."""
    return (*kept.choices, *judged.fusion.head.choices, *(() if judged.refit is None else (judged.refit,)))


def limits_of(trainer: Trainer, judged: Judged) -> CalibrationReport:
    """What limits and calibrations rest on."""
    covering = covering_sets(trainer.dataset, judged.selected, judged.scored)
    return calibration_report(
        judged.scored, judged.calibrations, covering, trainer.config.acceptance, trainer.options.seed
    )


def probabilities_of(trainer: Trainer, judged: Judged) -> list[str]:
    """Which figures of a verdict are probabilities."""
    names = [entry.expert.name for entry in judged.selected]
    calibration = judged.calibrations[frozenset(names)]
    return probability_lines(trainer.dataset.classes, calibration, names, judged.own_calibrations)


def provenance(trainer: Trainer, judged: Judged) -> dict[str, str | int | float]:
    """For the bundle."""
    good = {PROVENANCE_KEY: json.dumps(trainer.options.good)} if trainer.options.good else {}
    return {
        **good,
        "seed": trainer.options.seed,
        "train_pieces": len(trainer.dataset.split("train")),
        "calibration_pieces": len(trainer.dataset.split("calibration")),
        "encoders_fitted_on": "train" if judged.certificate.of_these_encoders else "train and calibration",
        "head_steps": judged.fusion.head.steps,
        "routing": " ".join(judged.choice.findings),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
