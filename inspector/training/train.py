"""Trains a bundle from a manifest, in stages: experts, head, scores, calibration, routing, certificate.

Knows no command line.
"""

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
from inspector.training.corpus import Dataset
from inspector.training.data_advice import data_advice, file_survey
from inspector.training.experts.defaults import camera_candidates, sensor_candidates
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.pretrained import unused_advice, weights_advice
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert, keep, stand, take
from inspector.training.export import TrainedBundle
from inspector.training.fit_advice import chance_advice, epochs_advice, fused_advice, without_misleading
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
from inspector.training.routing.policy import PolicyChoice, choose_policy, ground_of

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""

JOINT_EPOCHS = 12
"""Where nobody says how many."""

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class TrainOptions:
    """What may differ from run to run of one configuration."""

    seed: int = 0
    epochs: int | None = None
    """For every encoder that is fitted by passes; None: as the configuration says."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Local safetensors files by timm's model names."""
    strict: bool = False
    """Whether a warning ends it: those of the data before anything is fitted."""


@dataclass(frozen=True, eq=False)
class Training:
    """The draft of a bundle, the scores that its limits and routes were chosen on, and what people should hear."""

    draft: TrainedBundle
    scored: Scored
    findings: tuple[str, ...]


def train(manifest: Path, config: TrainConfig, options: TrainOptions, progress: Progress) -> Training:
    """Raises ManifestError for data that cannot be trained on, StrictError for a warning where none is allowed."""
    _prepare_torch(config, options)
    warnings = give(weights_advice(options.weights, config.experts), strict=options.strict)
    school = Trainer(Dataset(manifest, config.labels), config, options, progress)
    used = [row for row in school.corpus.rows if row.split != "test"]
    warnings += give(file_survey(manifest, used), strict=options.strict)
    warnings += give(data_advice(school.corpus), strict=options.strict)
    standings = school.compete()
    taken = school.take(standings)
    fusion = school.fuse(taken)
    judged = _judged(school, taken, fusion, score(school.corpus, taken, fusion))
    if school.may_refit(standings, judged):
        judged = school.refit(judged)
    warnings += give(_fit_advice(school, standings, judged), strict=options.strict)
    story = ModelCardData(
        standings,
        judged.taken,
        judged.fusion.head,
        judged.choice.findings,
        judged.certificate,
        warnings,
        _probabilities(school.corpus, judged),
    )
    draft = TrainedBundle(
        name=config.name,
        version=config.version,
        classes=school.corpus.classes,
        token_dim=config.token_dim,
        modalities=school.corpus.with_plausibility([own.expert for own in judged.taken]),
        experts=tuple(own.expert for own in judged.taken),
        head=judged.fusion.head.head,
        calibrations=tuple(judged.calibrations.values()),
        policy=judged.choice.policy,
        own_calibrations=judged.own_calibrations,
        provenance=_provenance(school.corpus, options, judged),
        card=model_card(school.corpus, config, story),
        certificate=judged.certificate,
        warnings=warnings,
    )
    return Training(draft, judged.scored, story.findings())


@dataclass(frozen=True, eq=False)
class Judged:
    """Experts and a head, with everything that is chosen on their scores."""

    taken: list[SelectedExpert]
    fusion: Fusion
    scored: Scored
    calibrations: dict[ExpertSet, Calibration]
    choice: PolicyChoice
    certificate: Certificate
    own_calibrations: dict[str, Platt]


def _judged(school: "Trainer", taken: list[SelectedExpert], fusion: Fusion, scored: Scored) -> Judged:
    config, experts = school.config, tuple(own.expert for own in taken)
    calibrations = _calibrations(school.corpus, taken, scored, config)
    ground = ground_of(scored, experts, calibrations)
    choice = choose_policy(ground, config.acceptance, config.policy, school.options.seed)
    scores = routed_scores(scored, routed(choice.policy, experts, scored, calibrations), calibrations)
    certificate, own = certify(scores, scored, config.acceptance), expert_calibrations(school.corpus, taken, scored)
    return Judged(taken, fusion, scored, with_classes(calibrations, school.corpus, fusion), choice, certificate, own)


def _fit_advice(school: "Trainer", standings: Sequence[CrossValidationResult], judged: Judged) -> Iterator[Advice]:
    names = {own.expert.name for own in judged.taken}
    kept = [own for own in standings if own.name in names]
    yield from unused_advice(school.options.weights, [own.material.config for own in standings])
    yield from chance_advice(standings if school.config.experts else _winners(standings), kept)
    yield from fused_advice(judged.scored)
    yield from epochs_advice(judged.taken)


def _probabilities(corpus: Dataset, judged: Judged) -> list[str]:
    names = [own.expert.name for own in judged.taken]
    return probability_lines(corpus.classes, judged.calibrations[frozenset(names)], names, judged.own_calibrations)


@dataclass(frozen=True, eq=False)
class Trainer:
    """What every stage is given, and the stages."""

    corpus: Dataset
    config: TrainConfig
    options: TrainOptions
    progress: Progress

    def compete(self) -> list[CrossValidationResult]:
        if self.config.experts:
            self.corpus.demand_seen([expert.modality for expert in self.config.experts])
        standings = []
        for modality in self.corpus.modalities:
            own = [expert for expert in self.config.experts if expert.modality == modality.name]
            for expert in own if self.config.experts else candidates(self.corpus, modality, self.options):
                standings.append(self._stand(expert, ["train"]))
        return standings

    def _stand(self, expert: ExpertConfig, splits: Sequence[Split]) -> CrossValidationResult:
        material = _material(self, expert, splits)
        fold = folds(material.groups, self.config.num_folds, self.options.seed)
        number = [fold[group] for group in material.groups]
        stage = expert.name if len(splits) == 1 else f"{expert.name} again"
        standing = stand(material, number, self.config.cross_fit, partial(self.progress, stage))
        _log.info("%s: area under the curve %.3f on held-out groups of %s", stage, standing.auc, " and ".join(splits))
        return standing

    def take(self, standings: Sequence[CrossValidationResult]) -> list[SelectedExpert]:
        """All where the configuration names them, else those that win their modality; none that misleads."""
        wanted = standings if self.config.experts else _winners(standings)
        return [take(own, partial(self.progress, own.name)) for own in without_misleading(wanted)]

    def fuse(self, taken: Sequence[SelectedExpert]) -> Fusion:
        """The head alone, or together with the encoders where labels per modality leave defects unexplained."""
        torch.set_num_threads(1)  # The head is so small that a second thread only waits.
        strange = unexplained(self.corpus.labelled("train"), self.corpus.modalities)
        epochs = self.config.joint.epochs or (JOINT_EPOCHS if strange and self.config.joint.automatic else 0)
        if epochs:
            torch.manual_seed(self.options.seed)
            head = FusionHead(head_form(self.corpus, [own.expert for own in taken], self.config, compared=True))
            settings = self.config.joint.model_copy(update={"epochs": epochs})
            experts = [own.expert for own in taken]
            told = partial(self.progress, "together")
            found = fine_tune(experts, head, self.corpus, settings, self.options.seed, told)
            if found.kept:
                return fused_jointly(self.corpus, taken, head, found)
        return fuse(self.corpus, taken, self.config, self.options.seed, partial(self.progress, "fusion head"))

    def may_refit(self, standings: Sequence[CrossValidationResult], judged: Judged) -> bool:
        """Evidence that cannot certify what is asked teaches more than it proves."""
        names = {own.expert.name for own in judged.taken}
        quick = all(own.complete for own in standings if own.name in names)
        asked = self.config.refit == "auto" and judged.certificate.claim is None
        return asked and quick and judged.fusion.head.steps == 0

    def refit(self, first: Judged) -> Judged:
        """The same experts on training and calibration pieces together; everything else from scores out of fold."""
        taken = [
            take(self._stand(own.expert.config, BOTH), partial(self.progress, f"{own.expert.name} again"), own.cost_ms)
            for own in first.taken
        ]
        fusion = calibrated_again(self.corpus, taken, first.fusion, self.config, self.options.seed)
        scored = score_out_of_fold(self.corpus, taken, fusion, BOTH)
        if scored is None:
            return first
        again = _judged(self, taken, fusion, scored)
        sure_below = again.certificate.sure_below
        told = first.certificate.model_copy(update={"of_these_encoders": False, "sure_below": sure_below})
        return replace(again, certificate=told)


def _prepare_torch(config: TrainConfig, options: TrainOptions) -> None:
    torch.set_num_threads(config.num_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)


def candidates(corpus: Dataset, modality: Modality, options: TrainOptions) -> list[ExpertConfig]:
    """Experts that suit the recordings of a modality."""
    recordings = [example.recording for example in corpus.examples("train", modality.name).values()]
    if modality.kind == "image":
        pictures = [picture for picture in recordings if not isinstance(picture, Clip)]
        return camera_candidates(modality.name, pictures, options.weights.keys())
    return sensor_candidates(modality, len(recordings))


def _material(school: Trainer, expert: ExpertConfig, splits: Sequence[Split]) -> TrainingData:
    corpus, config, options = school.corpus, school.config, school.options
    found = list(corpus.examples_of(splits, expert.modality).values())
    recordings = [example.recording for example in found]
    form = input_form(expert, recordings)
    return TrainingData(
        config=expert,
        form=form,
        inputs=prepare(recordings, form),
        targets=torch.from_numpy(np.stack([example.targets for example in found])),
        groups=tuple(example.group for example in found),
        masks=tuple(example.mask for example in found),
        widths=(config.token_dim, len(corpus.classes)),
        weights=options.weights,
        seed=options.seed,
        epochs=options.epochs,
        pieces=corpus.pieces_of(splits, expert.modality),
    )


def _winners(standings: Sequence[CrossValidationResult]) -> list[CrossValidationResult]:
    modalities = dict.fromkeys(own.material.config.modality for own in standings)
    return [own for name in modalities for own in keep([s for s in standings if s.material.config.modality == name])]


def _calibrations(
    corpus: Dataset, taken: list[SelectedExpert], scored: Scored, config: TrainConfig
) -> dict[ExpertSet, Calibration]:
    modality_of = {own.expert.name: own.expert.modality for own in taken}
    return {
        names: calibrate(
            scored, names, len({modality_of[name] for name in names}) == len(corpus.modalities), config.acceptance
        )
        for names in scored.sets
    }


def _provenance(corpus: Dataset, options: TrainOptions, judged: Judged) -> dict[str, str | int | float]:
    return {
        "seed": options.seed,
        "train_pieces": len(corpus.split("train")),
        "calibration_pieces": len(corpus.split("calibration")),
        "encoders_fitted_on": "train" if judged.certificate.of_these_encoders else "train and calibration",
        "head_steps": judged.fusion.head.steps,
        "routing": " ".join(judged.choice.findings),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
