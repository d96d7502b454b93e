"""Trains a bundle from a manifest, in stages: experts, head, scores, calibration, routing, certificate.

Knows no command line.
"""

import logging
import platform
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fusion.policy import routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Modality
from inspector.training.card import Story, model_card
from inspector.training.certify import certify, routed_scores
from inspector.training.compete import Standing, Taken, keep, stand, take
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.corpus import Corpus
from inspector.training.course import Material
from inspector.training.data import Clip
from inspector.training.defaults import camera_candidates, sensor_candidates
from inspector.training.export import Draft
from inspector.training.inputs import input_form, prepare
from inspector.training.limits import calibrate
from inspector.training.routing_fit import PolicyChoice, choose_policy, ground_of
from inspector.training.scoring import Fusion, fuse, score
from inspector.training.splits import folds

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class TrainOptions:
    """What may differ from run to run of one configuration."""

    seed: int = 0
    epochs: int | None = None
    """For every encoder that is fitted by passes; None: as the configuration says."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Local safetensors files by timm's model names."""


@dataclass(frozen=True, eq=False)
class Training:
    """The draft of a bundle, the scores that its limits and routes were chosen on, and what people should hear."""

    draft: Draft
    scored: Scored
    findings: tuple[str, ...]


def train(manifest: Path, config: TrainConfig, options: TrainOptions, progress: Progress) -> Training:
    """Raises ManifestError for data that cannot be trained on."""
    _prepare_torch(config, options)
    corpus = Corpus(manifest)
    standings = _compete(corpus, config, options, progress)
    kept = _kept(standings, choose=not config.experts)
    taken = [take(own, partial(progress, own.name)) for own in kept]
    torch.set_num_threads(1)  # The head is so small that a second thread only waits.
    fusion = fuse(corpus, taken, config, options.seed, partial(progress, "fusion head"))
    scored = score(corpus, taken, fusion)
    calibrations = _calibrations(corpus, taken, scored, config)
    experts = tuple(own.expert for own in taken)
    choice = choose_policy(ground_of(scored, experts, calibrations), config.acceptance, config.policy, options.seed)
    ran = routed(choice.policy, experts, scored, calibrations)
    certificate = certify(routed_scores(scored, ran, calibrations), scored, config.acceptance)
    story = Story(standings, taken, fusion.head, choice.findings, certificate)
    draft = Draft(
        name=config.name,
        version=config.version,
        classes=corpus.classes,
        token_dim=config.token_dim,
        modalities=corpus.modalities,
        experts=experts,
        head=fusion.head.head,
        calibrations=tuple(calibrations.values()),
        policy=choice.policy,
        provenance=_provenance(corpus, options, fusion, choice),
        card=model_card(corpus, config, story),
        certificate=certificate,
    )
    return Training(draft, scored, story.findings())


def _prepare_torch(config: TrainConfig, options: TrainOptions) -> None:
    torch.set_num_threads(config.num_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)


def _compete(corpus: Corpus, config: TrainConfig, options: TrainOptions, progress: Progress) -> list[Standing]:
    standings = []
    for modality in corpus.modalities:
        own = [expert for expert in config.experts if expert.modality == modality.name]
        for expert in own if config.experts else candidates(corpus, modality, options):
            material = _material(corpus, expert, config, options)
            fold = folds(material.groups, config.num_folds, options.seed)
            number = [fold[group] for group in material.groups]
            standing = stand(material, number, config.cross_fit, partial(progress, expert.name))
            _log.info("%s: area under the curve %.3f on held-out groups", expert.name, standing.auc)
            standings.append(standing)
    for expert in config.experts:
        corpus.modality(expert.modality)
    return standings


def candidates(corpus: Corpus, modality: Modality, options: TrainOptions) -> list[ExpertConfig]:
    """Experts that suit the recordings of a modality."""
    recordings = [example.recording for example in corpus.examples("train", modality.name).values()]
    if modality.kind == "image":
        pictures = [picture for picture in recordings if not isinstance(picture, Clip)]
        return camera_candidates(modality.name, pictures, options.weights.keys())
    return sensor_candidates(modality, len(recordings))


def _material(corpus: Corpus, expert: ExpertConfig, config: TrainConfig, options: TrainOptions) -> Material:
    found = list(corpus.examples("train", corpus.modality(expert.modality).name).values())
    recordings = [example.recording for example in found]
    form = input_form(expert, recordings)
    return Material(
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
    )


def _kept(standings: list[Standing], choose: bool) -> list[Standing]:
    """All where the configuration names them; else those that win their modality."""
    if not choose:
        return standings
    modalities = dict.fromkeys(own.material.config.modality for own in standings)
    return [own for name in modalities for own in keep([s for s in standings if s.material.config.modality == name])]


def _calibrations(
    corpus: Corpus, taken: list[Taken], scored: Scored, config: TrainConfig
) -> dict[ExpertSet, Calibration]:
    modality_of = {own.expert.name: own.expert.modality for own in taken}
    return {
        names: calibrate(
            scored, names, len({modality_of[name] for name in names}) == len(corpus.modalities), config.acceptance
        )
        for names in scored.sets
    }


def _provenance(
    corpus: Corpus, options: TrainOptions, fusion: Fusion, choice: PolicyChoice
) -> dict[str, str | int | float]:
    return {
        "seed": options.seed,
        "train_pieces": len(corpus.split("train")),
        "calibration_pieces": len(corpus.split("calibration")),
        "head_steps": fusion.head.steps,
        "routing": " ".join(choice.findings),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
