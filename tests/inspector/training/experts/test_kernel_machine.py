"""Kernel machines: the library's own decisions, soft labels, and log-odds by fits that had not seen a group."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from encoders.kernel import KernelEncoder
from encoders.profiles import Profile, TraceProfile
from inspector.bundle.schema import SignalInput
from inspector.dataset.recordings import Clip
from inspector.statistics.classification import area_under_curve
from inspector.training.config import SignalExpert
from inspector.training.experts.kernel_machine import (
    MARGIN_COST,
    MIN_SHOWN,
    NEVER,
    KernelFitter,
    learned_targets,
    machine,
)
from inspector.training.inputs import input_form
from tests.inspector.training.small_training_data import TRACE, no_progress, of_traces

pytestmark = pytest.mark.train


def drawn(num: int = 60, width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(3, 2, (num, width))
    return vectors, (vectors[:, 0] + rng.normal(0, 1, num) > 3).astype(np.float32)


def exported_logits(vectors: np.ndarray, targets_RO: np.ndarray, queries: np.ndarray) -> np.ndarray:
    encoder = KernelEncoder(TraceProfile(48), 8, targets_RO.shape[1] - 1)
    encoder.load_machine(machine(vectors, learned_targets(targets_RO)))
    profile = Profile(torch.from_numpy(queries.astype(np.float32)), torch.zeros(len(queries), 1, 1, queries.shape[1]))
    with torch.no_grad():
        return encoder.read(profile).logits.numpy()


def test_log_odds_are_the_decision_function_of_the_library() -> None:
    vectors, targets = drawn()
    queries = drawn(seed=1)[0]
    centre, scale = vectors.mean(0), vectors.std(0) + 1e-6
    svc = SVC(C=MARGIN_COST, gamma="scale").fit(
        (vectors - centre) / scale, targets > 0.5, sample_weight=np.full(60, 1 + 1e-3)
    )
    expected = svc.decision_function((queries - centre) / scale)
    assert np.abs(exported_logits(vectors, targets[:, None], queries)[:, 0] - expected).max() < 1e-4


def test_a_soft_target_weighs_less_than_a_sure_one() -> None:
    vectors, targets = drawn()
    wrong = np.where(np.arange(60) < 8, 1 - targets, targets)
    unsure = np.where(np.arange(60) < 8, np.abs(wrong - 0.45), wrong)
    clean, misled, doubting = (
        exported_logits(vectors, labels[:, None], vectors)[:8, 0] for labels in (targets, wrong, unsure)
    )
    assert np.abs(doubting - clean).mean() < 0.5 * np.abs(misled - clean).mean()


@pytest.mark.parametrize(("num_shown", "never"), [(MIN_SHOWN - 1, True), (MIN_SHOWN, False)])
def test_a_class_that_too_few_recordings_show_is_never_said(num_shown: int, never: bool) -> None:
    vectors, targets = drawn()
    shown = (np.arange(60) < num_shown).astype(np.float32)
    machine_logits = exported_logits(vectors, np.stack([targets, shown], 1), vectors)
    assert bool((machine_logits[:, 1] == NEVER).all()) is never
    assert machine_logits[:, 0].std() > 0.1


def of_few_defects(num_groups: int) -> tuple[KernelFitter, np.ndarray]:
    """60 traces, `MIN_SHOWN` of them defective, in so many groups: plain to see."""
    rng = np.random.default_rng(0)
    defective = np.arange(60) < MIN_SHOWN
    traces = (rng.normal(0, 0.1, (60, 48)) + defective[:, None]).astype(np.float32)
    groups = [f"bad-{index % num_groups}" if bad else f"{index}" for index, bad in enumerate(defective)]
    return KernelFitter(of_traces(traces, defective.astype(float).tolist(), groups)), defective


def test_defects_that_all_data_show_often_enough_are_learned_in_folds_that_show_fewer() -> None:
    fitter, defective = of_few_defects(MIN_SHOWN)
    logits = fitter.cross_fitted((np.arange(60) % 5).tolist(), no_progress)[:, 0].numpy().astype(np.float64)
    assert area_under_curve(logits, defective) == 1.0
    assert (logits[~defective] != NEVER).all()


def test_a_fold_that_holds_all_defects_scores_nothing() -> None:
    fitter, defective = of_few_defects(1)
    logits = fitter.cross_fitted([0 if bad else 1 + index % 4 for index, bad in enumerate(defective)], no_progress)
    assert (logits[:, 0].isnan().numpy() == defective).all()


def test_unknown_targets_count_nothing() -> None:
    vectors, targets = drawn()
    known = np.arange(60) >= 20
    gaps = np.where(known, targets, math.nan).astype(np.float32)
    confused = np.where(known, targets, 1 - targets).astype(np.float32)
    queries = drawn(seed=1)[0]
    with_gaps, misled = (exported_logits(vectors, labels[:, None], queries)[:, 0] for labels in (gaps, confused))
    truth = drawn(seed=1)[1] > 0.5
    assert area_under_curve(with_gaps.astype(np.float64), truth) > area_under_curve(misled.astype(np.float64), truth)


def test_what_only_memory_can_know_is_not_known_out_of_fold() -> None:
    """Traces of one group look alike, and its label is drawn by lot: whoever saw the group knows, others cannot."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 3)
    traces = (rng.normal(0, 1, (40, 48))[group] + rng.normal(0, 0.02, (120, 48))).astype(np.float32)
    fitter = KernelFitter(of_traces(traces, (group % 2).astype(float).tolist(), list(map(str, group))))
    crossed = fitter.cross_fitted((group % 5).tolist(), no_progress)[:, 0].numpy().astype(np.float64)
    leaky = fitter.cross_fitted((np.arange(120) % 3).tolist(), no_progress)[:, 0].numpy().astype(np.float64)
    assert np.isfinite(crossed).all()
    assert area_under_curve(crossed, group % 2 == 1) < 0.65
    assert area_under_curve(leaky, group % 2 == 1) > 0.95


def test_every_recording_is_scored_as_a_fit_without_its_fold_would() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(60) % 2).astype(float)
    traces = (rng.normal(0, 1, (60, 48)) + targets[:, None]).astype(np.float32)
    folds = (np.arange(60) // 2 % 3).tolist()
    names = list(map(str, range(60)))
    crossed = KernelFitter(of_traces(traces, targets.tolist(), names)).cross_fitted(folds, no_progress)
    fit = np.array(folds) != 1
    alone = KernelFitter(of_traces(traces[fit], targets[fit].tolist(), [names[i] for i in np.flatnonzero(fit)]))
    with torch.no_grad():
        expected = alone.final(no_progress)[0](torch.from_numpy(traces[~fit][:, None])).logits
    assert torch.allclose(crossed[torch.from_numpy(~fit)], expected, atol=1e-4)


def test_what_ships_saw_everything_and_points_at_what_it_decides_by() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(60) % 3 == 0).astype(float)
    traces = rng.normal(0, 0.1, (60, 48)).astype(np.float32)
    traces[targets > 0, 10:20] += 1
    encoder, fitted = KernelFitter(of_traces(traces, targets.tolist(), list(map(str, range(60))))).final(no_progress)
    assert fitted.how == f"kernel machine with {len(encoder.get_buffer('supports'))} supports"
    with torch.no_grad():
        encoded = encoder(torch.from_numpy(traces[:, None]))
    assert ((encoded.logits[:, 0] > 0).numpy() == (targets > 0)).all()
    relevance = encoded.relevance[targets > 0, 0]
    assert relevance[:, 10:20].mean() > 3 * relevance[:, 23:].mean()
    assert ((relevance.argmax(1) >= 10) & (relevance.argmax(1) < 20)).all()


@pytest.mark.parametrize(("defective", "usual"), [([0, 0, 1, 1], -1.0), ([math.nan, 1, 1, 1], 0.0)])
def test_the_usual_is_the_mean_of_good_recordings_or_else_of_all(defective: list[float], usual: float) -> None:
    vectors = np.array([[0.0], [0.0], [2.0], [2.0]])
    machine_logits = machine(vectors, np.array(defective, np.float32)[:, None])
    assert machine_logits.usual == pytest.approx([usual], abs=1e-4)


def test_an_expert_of_another_kind_is_refused() -> None:
    data = of_traces(np.zeros((4, 48), np.float32), [0, 1, 0, 1], list("abcd"))
    with pytest.raises(TypeError, match="trace-profile is no kernel expert"):
        KernelFitter(replace(data, config=TRACE.model_copy(update={"encoder": "tcn"})))


@pytest.mark.parametrize(("encoder", "band_hz"), [("sound_profile", (50, 7200)), ("trace_profile", (None, None))])
def test_a_sound_s_rows_have_frequencies_and_a_trace_s_none(
    encoder: Literal["sound_profile", "trace_profile"], band_hz: tuple[float | None, float | None]
) -> None:
    config = SignalExpert(name="mic-profile", modality="mic", encoder=encoder)
    form = input_form(config, [Clip(np.zeros((256, 1), np.float32), 16000)])
    assert isinstance(form, SignalInput)
    assert (form.min_hz, form.max_hz) == band_hz
