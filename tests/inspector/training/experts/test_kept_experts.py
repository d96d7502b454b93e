"""Which experts of a modality are kept."""

import math

import numpy as np
import pytest
import torch

from inspector.statistics.evidence import Gain
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.keep import FROZEN, MIN_ADDED, OF_ALL_FOLDS, Kept, keep, with_prior
from inspector.training.experts.selection import CrossValidationResult, auc_of
from tests.inspector.training.small_training_data import PICTURE

pytestmark = pytest.mark.train

NUM = 400
LABELS = np.arange(NUM) % 2
SIGNAL, OWN, OTHER = np.random.default_rng(0).normal(size=(3, NUM))


GROUPS = tuple(map(str, range(NUM)))


def result(
    name: str, scout: bool, logits: np.ndarray, groups: tuple[str, ...] = GROUPS, **change: object
) -> CrossValidationResult:
    config = PICTURE.model_copy(update={"name": name, "scout": scout, "pretrained": False, **change})
    targets = torch.from_numpy(LABELS)[:, None].float()
    data = TrainingData(config, None, torch.zeros(NUM, 1), targets, groups, (), (8, 0), {}, 0)  # type: ignore[arg-type]
    logits_R1 = torch.from_numpy(logits)[:, None].float()
    return CrossValidationResult(data, None, logits_R1, auc_of(logits_R1, data.targets))  # type: ignore[arg-type]


def knowing(share: float, noise: np.ndarray) -> np.ndarray:
    result: np.ndarray = share * (2.0 * LABELS - 1) + noise
    return result


def names(kept: Kept) -> list[str]:
    return [expert.name for expert in kept.results]


SCOUT = result("scout", True, knowing(1, SIGNAL))
BLIND = result("blind", True, SIGNAL)
AGREES = result("agrees", False, 3 * knowing(1, SIGNAL))
ADDS = result("adds", False, 3 * knowing(1, OWN))
ADDS_LESS = result("adds-less", False, knowing(0.7, OTHER))
NOISE = result("noise", False, OTHER)
SHARP = result("scout", True, knowing(1.6, SIGNAL))
SHARP_TOO = result("adds", False, knowing(1.6, OWN))
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
    assert names(keep(results)) == kept


@pytest.mark.parametrize("seed", range(10))
def test_an_expert_scored_on_one_fold_is_compared_with_the_scout_on_that_fold(seed: int) -> None:
    held = np.random.default_rng(seed).permutation(NUM)[:160]
    parrot, knower = np.full((2, NUM), math.nan)
    parrot[held], knower[held] = knowing(1, SIGNAL)[held], 3 * knowing(1, OWN)[held]
    assert names(keep([SCOUT, result("parrot", False, parrot)])) == ["scout"]
    chosen = keep([SCOUT, result("parrot", False, parrot), result("knower", False, knower)])
    assert names(chosen) == ["scout", "knower"]


def test_a_fold_of_good_recordings_alone_says_nothing() -> None:
    blind = result("blind", False, np.where(LABELS == 0, SIGNAL, math.nan))
    assert names(keep([SCOUT, blind, ADDS])) == ["scout", "adds"]
    assert names(keep([SCOUT, blind])) == ["scout"]


@pytest.mark.parametrize("scout", [True, False])
def test_rivals_are_compared_on_the_recordings_that_all_have_scored(scout: bool) -> None:
    """The weaker one was scored only on a tenth that is easy for the other one."""
    easiest = np.argsort(-knowing(0.5, OWN) * (2 * LABELS - 1))[:40]
    lucky = np.full(NUM, math.nan)
    lucky[easiest] = knowing(1, SIGNAL)[easiest]
    weaker, better = result("lucky", scout, lucky), result("better", scout, knowing(0.5, OWN))
    assert weaker.auc > better.auc
    assert keep([weaker, better]).results[0] is better


@pytest.mark.parametrize("scout", [True, False])
def test_who_was_scored_on_good_recordings_alone_loses_wherever_it_is_named(scout: bool) -> None:
    untold = result("untold", scout, np.where(LABELS == 0, SIGNAL, math.nan))
    first, second = result("weak", scout, SIGNAL), result("knows", scout, knowing(1, SIGNAL))
    assert math.isnan(untold.auc)
    assert keep([untold, first, second]).results[0] is second
    assert keep([untold]).results == [untold]


def test_rivals_that_share_no_recordings_are_compared_by_their_own() -> None:
    half = np.arange(NUM) < NUM // 2
    first = result("first", True, np.where(half, SIGNAL, math.nan))
    second = result("second", True, np.where(half, math.nan, knowing(1, SIGNAL)))
    assert names(keep([first, second])) == ["second"]


def test_little_is_much_where_little_lacks() -> None:
    """The share of what lacks decides, not the difference."""
    (choice,) = keep([SHARP, SHARP_TOO]).choices
    assert choice.gain is not None
    assert 0 < choice.gain.mean < 0.02
    assert choice.gain.mean > MIN_ADDED * (1 - SHARP.auc)


FEW = tuple(str(index // 50) for index in range(NUM))
"""Groups of 50 recordings, 8 in all."""


def test_a_gain_on_few_groups_adds_no_expert_unless_it_is_expected() -> None:
    scout, adds = result("scout", True, knowing(1, SIGNAL), FEW), result("adds", False, knowing(1, OWN), FEW)
    kept = keep([scout, adds])
    assert names(kept) == ["scout"]
    assert "too few independent recordings" in kept.choices[0].line()
    pretrained = result("adds", False, knowing(1, OWN), FEW, pretrained=True)
    kept = keep([scout, pretrained])
    assert names(kept) == ["scout", "adds"]
    assert "such an expert is expected to add" in kept.choices[0].line()


@pytest.mark.parametrize(("all_folds", "kept"), [(True, ["scout", "adds"]), (False, ["scout"])])
def test_a_fitted_network_is_expected_to_add_only_where_every_fold_has_judged_it(
    all_folds: bool, kept: list[str]
) -> None:
    scout = result("scout", True, knowing(1, SIGNAL), FEW)
    judged = np.where(all_folds | (np.arange(NUM) < 300), knowing(1, OWN), math.nan)
    assert names(keep([scout, result("adds", False, judged, FEW, freeze=False)])) == kept
    noise = result("noise", False, OTHER, FEW, freeze=False)
    assert names(keep([scout, noise])) == ["scout"]


def test_what_is_expected_yields_to_what_many_groups_show() -> None:
    for prior in (FROZEN, OF_ALL_FOLDS):
        assert with_prior(Gain("sure", -0.02, 0.005, -0.03, -0.01, 0.0), prior) < 0
        assert with_prior(Gain("unsure", -0.02, 0.1, -0.3, 0.2, 0.0), prior) > 0
    blind = result("blind", False, SIGNAL, pretrained=True)
    assert names(keep([SHARP, blind])) == ["scout"]


def test_of_near_equals_the_simpler_kind_is_taken_and_of_one_kind_the_one_that_adds_most() -> None:
    small = result("small", False, 3 * knowing(1, OWN), height_px=224, width_px=224)
    large = result("large", False, 3 * knowing(1.02, OWN), height_px=320, width_px=320)
    assert names(keep([SCOUT, small, large])) == ["scout", "large"]
    fitted = result("fitted", False, 3 * knowing(1.02, OWN), height_px=224, width_px=224, freeze=False)
    assert names(keep([SCOUT, small, fitted])) == ["scout", "small"]
    better = result("better", False, knowing(2, OWN), height_px=224, width_px=224, freeze=False)
    assert names(keep([SCOUT, small, better])) == ["scout", "better"]


def test_a_network_takes_the_place_of_a_kernel_machine_only_where_it_surely_ranks_better() -> None:
    machine = result("machine", True, knowing(1, SIGNAL), readout="kernel")
    alike = result("network", True, knowing(1.05, OWN), freeze=False)
    better = result("network", True, knowing(2, OWN), freeze=False)
    assert names(keep([alike, machine])) == ["machine"]
    assert names(keep([better, machine])) == ["network"]
    line = keep([better, machine]).choices[0].line()
    assert line.startswith(f"Experts of {PICTURE.modality}: network rather than machine (network gains +0.")


def test_the_same_figures_in_another_scale_are_kept_alike() -> None:
    louder = result("adds", False, 100 * knowing(1, OWN))
    assert names(keep([SCOUT, louder])) == ["scout", "adds"]
