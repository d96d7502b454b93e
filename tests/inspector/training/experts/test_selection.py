"""Which way each expert is fitted, and how it is scored on held-out recordings."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.vision import VisionEncoder
from inspector.training.config import Fitting, ImageExpert, SignalExpert
from inspector.training.experts.frozen_backbone import FrozenBackboneFitter
from inspector.training.experts.kernel_machine import KernelFitter
from inspector.training.experts.network import EncoderFit, NetworkFitter
from inspector.training.experts.selection import auc_of, cross_validate, make_fitter
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


def test_unscored_recordings_and_unknown_targets_do_not_count() -> None:
    labels = np.arange(NUM) % 2
    scores = 2.0 * labels - 1 + np.random.default_rng(0).normal(size=NUM)
    logits, targets = torch.from_numpy(scores)[:, None], torch.from_numpy(labels)[:, None].float()
    expected = auc_of(logits[100:], targets[100:])
    gaps, doubts = logits.clone(), targets.clone()
    gaps[:50], doubts[50:100] = math.nan, math.nan
    assert auc_of(gaps, doubts) == expected
    assert math.isnan(auc_of(logits, torch.ones(NUM, 1)))


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
