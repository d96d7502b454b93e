"""Which experts of a modality are kept, and which way each is fitted."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.vision import VisionEncoder
from inspector.training.config import Fitting, ImageExpert, SignalExpert
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.frozen_backbone import FrozenBackboneFitter
from inspector.training.experts.kernel_machine import KernelFitter
from inspector.training.experts.network import EncoderFit, NetworkFitter
from inspector.training.experts.selection import (
    MIN_ADDED,
    CrossValidationResult,
    _auc,
    _joint,
    cross_validate,
    keep,
    make_fitter,
)
from inspector.training.inputs import build_encoder
from tests.inspector.training.small_training_data import (
    PICTURE,
    PICTURE_FORM,
    SIDE_PX,
    no_progress,
    of_pictures,
    of_traces,
)

pytestmark = pytest.mark.train

NUM = 400
LABELS = np.arange(NUM) % 2
SIGNAL, OWN, OTHER = np.random.default_rng(0).normal(size=(3, NUM))


def result(name: str, scout: bool, logits: np.ndarray) -> CrossValidationResult:
    config = PICTURE.model_copy(update={"name": name, "scout": scout})
    targets = torch.from_numpy(LABELS)[:, None].float()
    data = TrainingData(config, None, torch.zeros(NUM, 1), targets, (), (), (8, 0), {}, 0)  # type: ignore[arg-type]
    logits_R1 = torch.from_numpy(logits)[:, None].float()
    return CrossValidationResult(data, None, logits_R1, _auc(logits_R1, data.targets))  # type: ignore[arg-type]


def knowing(share: float, noise: np.ndarray) -> np.ndarray:
    result: np.ndarray = share * (2.0 * LABELS - 1) + noise
    return result


SCOUT = result("scout", True, knowing(1, SIGNAL))
BLIND = result("blind", True, SIGNAL)
AGREES = result("agrees", False, 3 * knowing(1, SIGNAL))
ADDS = result("adds", False, 3 * knowing(1, OWN))
ADDS_LESS = result("adds-less", False, knowing(0.7, OTHER))
NOISE = result("noise", False, OTHER)
SHARP = result("scout", True, knowing(1.9, SIGNAL))
SHARP_TOO = result("adds", False, knowing(1.9, OWN))
HINTS = result("hints", False, knowing(0.25, OTHER))


@pytest.mark.parametrize(
    ("results", "kept"),
    [
        ([SCOUT], ["scout"]),
        ([BLIND, SCOUT], ["scout"]),
        ([SCOUT, AGREES], ["scout"]),
        ([SCOUT, NOISE], ["scout"]),
        ([SCOUT, ADDS], ["scout", "adds"]),
        ([SCOUT, ADDS_LESS, ADDS, NOISE], ["scout", "adds"]),
        ([SHARP, SHARP_TOO], ["scout", "adds"]),
        ([SCOUT, HINTS], ["scout"]),
        ([ADDS_LESS, ADDS], ["adds"]),
        ([ADDS, ADDS], ["adds"]),
    ],
    ids=lambda expert: (
        "+".join(s.name for s in expert) if expert and isinstance(expert[0], CrossValidationResult) else None
    ),
)
def test_the_best_scout_stays_and_what_adds_most_to_it(results: list[CrossValidationResult], kept: list[str]) -> None:
    assert [expert.name for expert in keep(results)] == kept


@pytest.mark.parametrize("seed", range(10))
def test_an_expert_scored_on_one_fold_is_compared_with_the_scout_on_that_fold(seed: int) -> None:
    held = np.random.default_rng(seed).permutation(NUM)[:80]
    parrot, knower = np.full((2, NUM), math.nan)
    parrot[held], knower[held] = knowing(1, SIGNAL)[held], 3 * knowing(1, OWN)[held]
    assert [expert.name for expert in keep([SCOUT, result("parrot", False, parrot)])] == ["scout"]
    chosen = keep([SCOUT, result("parrot", False, parrot), result("knower", False, knower)])
    assert [expert.name for expert in chosen] == ["scout", "knower"]


def test_a_fold_of_good_recordings_alone_says_nothing() -> None:
    blind = result("blind", False, np.where(LABELS == 0, SIGNAL, math.nan))
    assert [expert.name for expert in keep([SCOUT, blind, ADDS])] == ["scout", "adds"]
    assert [expert.name for expert in keep([SCOUT, blind])] == ["scout"]


@pytest.mark.parametrize("scout", [True, False])
def test_rivals_are_compared_on_the_recordings_that_all_have_scored(scout: bool) -> None:
    """The weaker one was scored only on a tenth that is easy for the other one."""
    easiest = np.argsort(-knowing(0.5, OWN) * (2 * LABELS - 1))[:40]
    lucky = np.full(NUM, math.nan)
    lucky[easiest] = knowing(1, SIGNAL)[easiest]
    weaker, better = result("lucky", scout, lucky), result("better", scout, knowing(0.5, OWN))
    assert weaker.auc > better.auc
    assert keep([weaker, better])[0] is better


@pytest.mark.parametrize("scout", [True, False])
def test_who_was_scored_on_good_recordings_alone_loses_wherever_it_is_named(scout: bool) -> None:
    untold = result("untold", scout, np.where(LABELS == 0, SIGNAL, math.nan))
    first, second = result("weak", scout, SIGNAL), result("knows", scout, knowing(1, SIGNAL))
    assert math.isnan(untold.auc)
    assert keep([untold, first, second])[0] is second
    assert keep([untold]) == [untold]


def test_rivals_that_share_no_recordings_are_compared_by_their_own() -> None:
    half = np.arange(NUM) < NUM // 2
    first = result("first", True, np.where(half, SIGNAL, math.nan))
    second = result("second", True, np.where(half, math.nan, knowing(1, SIGNAL)))
    assert [expert.name for expert in keep([first, second])] == ["second"]


def test_little_is_much_where_little_lacks() -> None:
    """The share of what lacks decides, not the difference."""
    gain = _auc(_joint(SHARP, SHARP_TOO), SHARP.data.targets) - SHARP.auc
    assert 0 < gain < 0.01
    assert gain > MIN_ADDED * (1 - SHARP.auc)


def test_the_same_figures_in_another_scale_are_kept_alike() -> None:
    louder = result("adds", False, 100 * knowing(1, OWN))
    assert [expert.name for expert in keep([SCOUT, louder])] == ["scout", "adds"]


def test_unscored_recordings_and_unknown_targets_do_not_count() -> None:
    logits, targets = torch.from_numpy(knowing(1, SIGNAL))[:, None], torch.from_numpy(LABELS)[:, None].float()
    expected = _auc(logits[100:], targets[100:])
    gaps, doubts = logits.clone(), targets.clone()
    gaps[:50], doubts[50:100] = math.nan, math.nan
    assert _auc(gaps, doubts) == expected
    assert math.isnan(_auc(logits, torch.ones(NUM, 1)))


def changed(**change: object) -> ImageExpert:
    return ImageExpert.model_validate(PICTURE.model_dump() | change)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (PICTURE, FrozenBackboneFitter),
        (changed(freeze=False, tuning="frozen"), FrozenBackboneFitter),
        (changed(readout="kernel"), KernelFitter),
        (changed(freeze=False), NetworkFitter),
        (changed(tuning="full"), NetworkFitter),
        (changed(encoder="tiny"), NetworkFitter),
    ],
)
def test_an_expert_is_fitted_as_its_configuration_says(config: ImageExpert, kind: type) -> None:
    pictures = np.zeros((2, SIDE_PX, SIDE_PX), np.float32)
    assert isinstance(make_fitter(of_pictures(pictures, [0, 1], [None, None], config), cross_fit=False), kind)


@pytest.mark.parametrize(
    ("config", "warned"),
    [
        (PICTURE, ""),
        (changed(freeze=False), "is fitted with LoRA"),
        (changed(tuning="full"), "is still fine-tuned in full"),
    ],
)
def test_a_guard_warns_of_few_recordings(config: ImageExpert, warned: str, caplog: pytest.LogCaptureFixture) -> None:
    make_fitter(of_pictures(np.zeros((2, SIDE_PX, SIDE_PX), np.float32), [0, 1], [None, None], config), cross_fit=False)
    assert warned in caplog.text
    assert bool(caplog.records) is bool(warned)


@pytest.mark.parametrize(
    ("config", "moves"),
    [
        (PICTURE, False),
        (changed(tuning="full"), True),
        (changed(freeze=False, tuning="frozen"), False),
        (changed(encoder="tiny"), True),
    ],
)
def test_a_backbone_stands_still_only_where_it_is_to(config: ImageExpert, moves: bool) -> None:
    module = build_encoder(config, PICTURE_FORM, (8, 0), {})
    EncoderFit(module, config, PICTURE_FORM)
    assert isinstance(module, VisionEncoder)
    assert all(weight.requires_grad is moves for weight in module.backbone.parameters())


def test_a_candidate_stands_by_recordings_that_its_fit_had_not_seen() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(60) % 2).astype(float)
    traces = (rng.normal(0, 1, (60, 48)) + 0.5 * targets[:, None]).astype(np.float32)
    chosen = cross_validate(
        of_traces(traces, targets.tolist(), list(map(str, range(60)))), [n % 3 for n in range(60)], False, no_progress
    )
    assert chosen.complete
    assert 0.8 < chosen.auc <= 1
    assert chosen.line() == f"trace-profile {chosen.auc:.3f}"


@pytest.mark.parametrize(("asked_of", "complete"), [("nobody", False), ("expert", True), ("all", True)])
def test_a_network_is_scored_on_every_fold_only_where_that_is_asked_for(asked_of: str, complete: bool) -> None:
    traces = np.random.default_rng(0).normal(0, 1, (12, 48)).astype(np.float32)
    fitting = Fitting(epochs=1, every_fold=asked_of == "expert")
    config = SignalExpert(name="mic", modality="mic", encoder="tcn", fitting=fitting)
    data = replace(of_traces(traces, [0.0, 1.0] * 6, list(map(str, range(12)))), config=config)
    assert cross_validate(data, [n % 3 for n in range(12)], asked_of == "all", no_progress).complete is complete
