"""Experts that cannot be no_progress from chance, and fits that were cut short, are named with what to do."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.scored import Scored
from inspector.training.config import ExpertConfig, Fitting, SignalExpert
from inspector.training.experts.fitting import Fitted
from inspector.training.experts.kernel_machine import NEVER, KernelFitter
from inspector.training.experts.network import EARLY_STOPPING, FULL_SCHEDULE, NetworkFitter
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert, auc_of
from inspector.training.export import TrainedExpert
from inspector.training.fit_advice import (
    chance_advice,
    drop_misleading,
    epochs_advice,
    fused_advice,
    interval,
    unused_epochs,
)
from tests.inspector.training.small_training_data import PICTURE, TRACE, of_traces

pytestmark = pytest.mark.train

NUM = 60
LABELS = np.arange(NUM) % 2
NOISE, OTHER = np.random.default_rng(0).normal(size=(2, NUM))
PROFILE = "kernel machine with 9 supports"


def result(
    name: str, modality: str, scores: np.ndarray, labels: Sequence[float] = tuple(LABELS), per_group: int = 1
) -> CrossValidationResult:
    groups = [str(number // per_group) for number in range(len(labels))]
    data = of_traces(np.zeros((len(labels), 48), np.float32), list(labels), groups)
    config = TRACE.model_copy(update={"name": name, "modality": modality})
    logits = torch.from_numpy(np.asarray(scores, np.float32))[:, None]
    return CrossValidationResult(replace(data, config=config), None, logits, auc_of(logits, data.targets))  # type: ignore[arg-type]


GOOD = result("good", "mic", 3.0 * LABELS + NOISE)
TIES = np.arange(NUM) // 2.0
"""Every pair of a good and a defective piece has one score."""
BLIND = result("blind", "top", TIES)
MISLED = result("misled", "top", -3.0 * LABELS + NOISE)
SCOUT = result("scout", "top", 3.0 * LABELS + OTHER)


def said(*results: CrossValidationResult, kept: Sequence[CrossValidationResult] | None = None) -> list[str]:
    return [item.text for item in chance_advice(results, results if kept is None else kept)]


def test_an_expert_that_tells_good_from_defective_is_not_warned_of() -> None:
    assert said(GOOD, SCOUT) == []


@pytest.mark.parametrize(("expert", "doubt"), [(BLIND, "is no better than chance"), (MISLED, "is worse than chance")])
def test_an_expert_at_chance_is_named_with_its_figures_and_remedies(expert: CrossValidationResult, doubt: str) -> None:
    (text,) = said(GOOD, expert)
    auc = interval(expert)
    assert f"expert {expert.name} {doubt}" in text
    assert f"AUC {auc.mean:.2f}".replace("0.", ".") in text
    assert "from 60 recordings" in text
    assert all(remedy in text for remedy in ("--weights", "modality_labels", "more pieces"))


def test_few_recordings_that_look_good_are_called_doubtful_not_bad() -> None:
    few = result("few", "top", np.array([0.0, 2.0, 1.0, 3.0, 2.5, 1.5]), [0, 0, 0, 1, 1, 1])
    (text,) = said(few)
    assert "may be no better than chance" in text


def test_recordings_of_one_group_count_once() -> None:
    """The same scores, each ten times: ten times as many recordings, and no more evidence."""
    scores = 0.9 * LABELS[:20] + NOISE[:20]
    alone = result("alone", "top", scores, tuple(LABELS[:20]))
    copied = result("copied", "top", scores.repeat(10), tuple(LABELS[:20].repeat(10)), per_group=10)
    single, many = interval(alone), interval(copied)
    assert many.high - many.low == pytest.approx(single.high - single.low, abs=0.05)


def test_fits_that_were_shown_too_few_defects_are_no_evidence_against_an_expert() -> None:
    """All of a fold have one constant then, as if they were good."""
    unlearned = np.where(np.arange(NUM) < 20, NEVER, 3.0 * LABELS + NOISE)
    assert said(result("mic", "mic", unlearned, [1.0] * 20 + list(LABELS[20:]))) == []
    (text,) = said(result("mic", "mic", np.full(NUM, NEVER)))
    assert "the quality of expert mic is unknown: the 0 held-out recordings" in text


@pytest.mark.parametrize("label", [0.0, 1.0, math.nan])
def test_an_expert_that_was_held_against_one_label_alone_is_unknown(label: float) -> None:
    (text,) = said(result("one", "top", NOISE, [label] * NUM))
    assert "the quality of expert one is unknown" in text


@pytest.mark.parametrize(
    ("results", "left"),
    [
        ([SCOUT, MISLED, GOOD], ["scout", "good"]),
        ([MISLED, GOOD], ["misled", "good"]),
        ([BLIND, MISLED], ["blind"]),
        ([BLIND, SCOUT], ["blind", "scout"]),
        ([MISLED, replace(MISLED)], ["misled", "misled"]),
    ],
    ids=["another stays", "alone", "beside a blind one", "chance is no harm", "none better"],
)
def test_an_expert_that_misleads_ships_only_where_its_modality_has_no_other(
    results: list[CrossValidationResult], left: list[str]
) -> None:
    assert [item.name for item in drop_misleading(results)] == left


def test_the_warning_says_that_an_expert_was_left_out() -> None:
    (text,) = said(SCOUT, MISLED, kept=[SCOUT])
    assert "misled is worse than chance" in text
    assert "was left out" in text


def scored(logits: np.ndarray) -> Scored:
    return Scored(
        piece_ids=tuple(map(str, range(NUM))),
        labels=LABELS == 1,
        units=tuple(frozenset((str(number),)) for number in range(NUM)),
        experts=("top",),
        expert_logits=logits[None],
        sets=(frozenset(("top",)),),
        logits=logits[None],
        cpu_s=np.zeros((1, NUM)),
        unseen=np.ones(NUM, np.bool_),
    )


def test_a_bundle_at_chance_is_warned_of_as_a_whole() -> None:
    assert list(fused_advice(scored(3.0 * LABELS + NOISE))) == []
    (advice,) = fused_advice(scored(TIES))
    assert "the bundle as a whole is no better than chance" in advice.text


def selected(config: ExpertConfig, fitted: Fitted) -> SelectedExpert:
    return SelectedExpert(TrainedExpert(config, None, None), fitted, torch.zeros(1, 1), 1.0)  # type: ignore[arg-type]


NETWORK = SignalExpert(name="mic", modality="mic", encoder="log_mel")


@pytest.mark.parametrize(
    ("config", "fitted", "words"),
    [
        (NETWORK, Fitted(EARLY_STOPPING, 6, 6, 0.7), "6 passes, 60 are usual, and its loss was still falling"),
        (NETWORK, Fitted(EARLY_STOPPING, 6, 3, 0.7), "6 passes, 60 are usual, and nothing shows that it was finished"),
        (NETWORK, Fitted(FULL_SCHEDULE, 11, 11), "11 passes"),
        (NETWORK, Fitted(EARLY_STOPPING, 29, 29, 0.2), "its loss was still falling"),
        (NETWORK, Fitted(EARLY_STOPPING, 29, 20, 0.2), None),
        (NETWORK, Fitted(EARLY_STOPPING, 60, 60, 0.2), None),
        (PICTURE, Fitted(EARLY_STOPPING, 4, 4, 0.7), "4 passes, 25 are usual"),
        (NETWORK.model_copy(update={"fitting": Fitting(epochs=15)}), Fitted(FULL_SCHEDULE, 15, 15), None),
        (NETWORK.model_copy(update={"fitting": Fitting(epochs=4)}), Fitted(FULL_SCHEDULE, 4, 4), "12 are usual"),
        (TRACE, Fitted(PROFILE), None),
    ],
)
def test_fits_that_were_cut_short_are_named(config: ExpertConfig, fitted: Fitted, words: str | None) -> None:
    advice = [item.text for item in epochs_advice([selected(config, fitted)])]
    assert len(advice) == (words is not None)
    assert words is None or (words in advice[0] and f"expert {config.name}" in advice[0])


def test_epochs_without_a_network_are_said_to_do_nothing() -> None:
    data = of_traces(np.zeros((4, 48), np.float32), [0, 1, 0, 1], list("abcd"))
    kernel = replace(GOOD, fitter=KernelFitter(data))
    (advice,) = unused_epochs(6, [kernel])
    assert advice.text.startswith("--epochs 6 has no effect: no expert is a network that is fitted in passes")
    assert list(unused_epochs(None, [kernel])) == []
    assert list(unused_epochs(6, [kernel, replace(BLIND, fitter=NetworkFitter(data, every_fold=False))])) == []
