"""Trains a bundle from a manifest, in stages: encoders, head, calibration, routing, files. Knows no command line."""

import logging
import platform
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encoders.tokens import Encoded
from fusion.head import HeadForm, Member
from inspector.bundle.schema import Calibration, Policy
from inspector.training.card import model_card
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.corpus import Corpus
from inspector.training.data import Clip
from inspector.training.defaults import camera_experts, sensor_expert
from inspector.training.encoder_fit import EncoderFit, Fitted, Recordings, encode, schedule
from inspector.training.export import Draft, DraftExpert
from inspector.training.head_fit import Encodings, FittedHead, Lesson, fit_head
from inspector.training.inputs import build_encoder, input_form, prepare
from inspector.training.limits import SetScores, calibrate_scores, choose_policy
from inspector.training.splits import folds
from inspector.training.subsets import expert_sets

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class TrainOptions:
    """What may differ from run to run of one configuration."""

    seed: int = 0
    epochs: int | None = None
    """For every encoder; None: as the configuration says."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Local safetensors files by timm's model names."""


def train(manifest: Path, config: TrainConfig, options: TrainOptions, progress: Progress) -> Draft:
    """Raises ManifestError for data that cannot be trained on."""
    _prepare_torch(config, options)
    corpus = Corpus(manifest)
    configs = config.experts or default_experts(corpus, options)
    trained = [_train_expert(corpus, expert, config, options, progress) for expert in configs]
    experts = tuple(expert for expert, _ in trained)
    torch.set_num_threads(1)  # The head is so small that a second thread only waits.
    head, scored = _train_head(corpus, experts, config, options, progress)
    calibrations = {scores.experts: calibrate_scores(scores, config.acceptance) for scores in scored}
    return Draft(
        name=config.name,
        version=config.version,
        classes=corpus.classes,
        token_dim=config.token_dim,
        modalities=corpus.modalities,
        experts=experts,
        head=head.head,
        calibrations=tuple(calibrations.values()),
        policy=_policy(experts, scored, calibrations, config),
        provenance=_provenance(corpus, options, head),
        card=model_card(corpus, config, {e.name: fitted for e, fitted in trained}, head),
    )


def _prepare_torch(config: TrainConfig, options: TrainOptions) -> None:
    torch.set_num_threads(config.num_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)


def default_experts(corpus: Corpus, options: TrainOptions) -> tuple[ExpertConfig, ...]:
    """Per camera a scout and an expert, per sensor one scout."""
    chosen: list[ExpertConfig] = []
    for modality in corpus.modalities:
        recordings = [example.recording for example in corpus.examples("train", modality.name).values()]
        if modality.kind == "image":
            pictures = [picture for picture in recordings if not isinstance(picture, Clip)]
            chosen += camera_experts(modality.name, pictures, options.weights.keys())
        else:
            chosen.append(sensor_expert(modality))
    return tuple(chosen)


def _train_expert(
    corpus: Corpus, expert: ExpertConfig, config: TrainConfig, options: TrainOptions, progress: Progress
) -> tuple[DraftExpert, Fitted]:
    torch.manual_seed(options.seed)
    found = list(corpus.examples("train", expert.modality).values())
    form = input_form(expert, [example.recording for example in found])
    module = build_encoder(expert, form, (config.token_dim, len(corpus.classes)), options.weights)
    inputs = prepare([example.recording for example in found], form)
    targets = torch.from_numpy(np.stack([example.targets for example in found]))
    groups = [example.group for example in found]
    fold = folds(groups, max(2, round(1 / config.holdout_share)), options.seed)
    held = torch.tensor([fold[group] == 0 for group in groups])
    fitted = EncoderFit(module, expert, form).run(
        Recordings(inputs[~held], targets[~held]),
        Recordings(inputs[held], targets[held]),
        schedule(expert, options.epochs),
        lambda done, total: progress(expert.name, done, total),
    )
    _log.info("%s: best of %d epochs is %d", expert.name, fitted.epochs, fitted.best_epoch)
    return DraftExpert(expert, form, module), fitted


def _train_head(
    corpus: Corpus,
    experts: tuple[DraftExpert, ...],
    config: TrainConfig,
    options: TrainOptions,
    progress: Progress,
) -> tuple[FittedHead, list[SetScores]]:
    rows = corpus.labelled("calibration")
    sets = expert_sets(experts)
    lesson = _lesson(corpus, experts, sets)
    form = HeadForm(
        tuple(Member(expert.modality, expert.num_tokens) for expert in experts), config.token_dim, len(corpus.classes)
    )
    fitted = fit_head(
        form,
        lesson,
        [row.groups for row in rows],
        config.head,
        options.seed,
        lambda done, total: progress("fusion head", done, total),
    )
    labels = np.array([row.label == "nok" for row in rows])
    able_SP = torch.stack([(lesson.encodings.present[:, ran > 0] > 0).all(1) for ran in lesson.sets])
    logits = torch.where(able_SP, fitted.logits, torch.nan).numpy().astype(np.float64)
    return fitted, [
        SetScores(names, whole, own, labels) for names, whole, own in zip(sets, lesson.whole, logits, strict=True)
    ]


def _lesson(corpus: Corpus, experts: tuple[DraftExpert, ...], sets: list[tuple[str, ...]]) -> Lesson:
    rows = corpus.labelled("calibration")
    encoded = [_encode_pieces(corpus, expert) for expert in experts]
    present = [[expert.modality for expert in experts if expert.name in names] for names in sets]
    return Lesson(
        encodings=Encodings(
            tuple(own.tokens for own, _ in encoded),
            tuple(own.logits for own, _ in encoded),
            torch.stack([here for _, here in encoded], dim=1),
        ),
        sets=torch.tensor([[float(expert.name in names) for expert in experts] for names in sets]),
        whole=tuple(len(set(modalities)) == len(corpus.modalities) for modalities in present),
        targets=torch.stack([corpus.targets(rows, modalities) for modalities in present]),
        own_targets=torch.stack([corpus.targets(rows, [expert.modality])[:, 0] for expert in experts]),
    )


def _encode_pieces(corpus: Corpus, expert: DraftExpert) -> tuple[Encoded, Tensor]:
    """Outputs of one expert for the calibration pieces, and 1 where the piece has the recording."""
    recordings = [example.recording for example in corpus.examples("calibration", expert.modality).values()]
    encoded = encode(expert.module, prepare(recordings, expert.input), expert.input)
    places = corpus.places(corpus.labelled("calibration"), "calibration", expert.modality)
    index = torch.tensor([place or 0 for place in places])
    here = torch.tensor([float(place is not None) for place in places])
    return Encoded(*(output[index] for output in encoded)), here


def _policy(
    experts: tuple[DraftExpert, ...],
    scored: list[SetScores],
    calibrations: Mapping[tuple[str, ...], Calibration],
    config: TrainConfig,
) -> Policy:
    """`cascade` where the scouts leave something out, `dense` elsewhere."""
    everyone = tuple(sorted(expert.name for expert in experts))
    scouts = tuple(sorted(expert.name for expert in experts if expert.scout))
    if config.policy == "dense" or scouts in ((), everyone):
        return Policy(mode="dense")
    logits = {scores.experts: scores.logits for scores in scored}
    both = ~np.isnan(logits[scouts]) & ~np.isnan(logits[everyone])
    return choose_policy(
        (logits[scouts][both], calibrations[scouts]),
        (logits[everyone][both], calibrations[everyone]),
        config.acceptance,
    )


def _provenance(corpus: Corpus, options: TrainOptions, head: FittedHead) -> dict[str, str | int | float]:
    return {
        "seed": options.seed,
        "train_pieces": len(corpus.split("train")),
        "calibration_pieces": len(corpus.split("calibration")),
        "head_steps": head.steps,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
