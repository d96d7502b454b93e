"""What is shown to lose nothing that matters, on lines whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from inspector.statistics.classification import area_under_curve
from inspector.training.config import Acceptance
from inspector.training.routing.figures import FIGURES, Routed
from inspector.training.routing.noninferiority import Counts, Loss, least_counts, losses
from inspector.training.routing.policy import choose_policy
from tests.inspector.training.made_scores import limits
from tests.inspector.training.routing_lines import Line, data_of, line_scores, old_choice, unseen_data

pytestmark = pytest.mark.train
NUM = 400
LABELS = np.arange(NUM) % 2 == 0
UNITS = [{str(number)} for number in range(NUM)]
PERFECT = Routed(np.where(LABELS, 0.9, 0.1), np.ones(NUM, bool))


def losing(num):
    """Some defects less than `PERFECT`."""
    lost = np.flatnonzero(LABELS)[:num]
    scores, right = PERFECT.scores.copy(), PERFECT.right.copy()
    scores[lost], right[lost] = 0.05, False
    return Routed(scores, right)


def test_what_loses_nothing_may_still_lose_a_little():
    """About 1.92 of the 200 defects (Jeffreys)."""
    (loss,) = losses([PERFECT], PERFECT, LABELS, UNITS, seed=0)
    assert loss.mean == pytest.approx([0.0] * len(FIGURES))
    assert loss.high[0] == pytest.approx(1.92 / 200, rel=0.3)
    assert loss.acceptable


@pytest.mark.parametrize(("lost", "acceptable"), [(0, True), (4, False), (12, False)])
def test_a_candidate_that_loses_more_than_chance_explains_is_not_acceptable(lost, acceptable):
    (loss,) = losses([losing(lost)], PERFECT, LABELS, UNITS, seed=0)
    assert loss.mean[0] == pytest.approx(lost / 200)
    assert loss.acceptable == acceptable


def test_bounds_for_more_candidates_are_wider():
    noisy = [losing(number) for number in range(8)]
    alone = losses([noisy[2]], PERFECT, LABELS, UNITS, seed=0)[0]
    among = losses(noisy, PERFECT, LABELS, UNITS, seed=0)[2]
    assert (among.high > alone.high).all()


def test_pieces_that_share_recordings_show_less():
    shared = [{str(number % 40)} for number in range(NUM)]
    apart, together = (losses([losing(1)], PERFECT, LABELS, units, seed=0)[0] for units in (UNITS, shared))
    assert (together.high > apart.high).all()
    assert not together.acceptable


@pytest.mark.parametrize(
    ("counts", "could"),
    [
        (Counts(95, 400, 495), False),
        (Counts(200, 20, 210), False),
        (Counts(100, 60, 150), False),
        (Counts(100, 200, 300), True),
    ],
)
def test_too_few_recordings_show_nothing(counts, could):
    assert counts.could_show() == could


def test_the_least_counts_can_show_something_and_fewer_cannot():
    least = least_counts()
    assert (least.defective, least.good, least.all) == (96, 48, 192)
    assert least.could_show()
    for name in ("defective", "good", "all"):
        assert not replace(least, **{name: getattr(least, name) - 1}).could_show()


def test_a_loss_says_all_figures():
    text = str(Loss(np.array([0.0, 0.01, 0.0, 0.0]), np.array([0.01, 0.02, 0.0, 0.0])))
    assert text.startswith("recall +0.0000 (at most +0.0100, margin 0.02), AUC +0.0100 (at most +0.0200, margin 0.01)")


def auc_lost(line, seed, policy):
    """On 5,000 pieces of other recordings."""
    unseen = unseen_data(line, limits(line_scores(line, seed)), seed + 10_000)
    dense = unseen.board.able(frozenset(unseen.scored.experts))
    routed, everyone = (
        area_under_curve(unseen.board.scores(ran), unseen.scored.labels) for ran in (unseen.routed(policy), dense)
    )
    return everyone - routed


@pytest.mark.parametrize("pictures", [15, 25, 40])
def test_from_few_shared_pictures_no_router_ships_that_misses_defects(pictures):
    """The thumbnail is sure of 6 % of the defects that it does not see: trusting it costs .03 of the AUC."""
    line = Line(pictures, 15, 300, hidden=0.06)
    modes = [choose_policy(data_of(line_scores(line, seed)), Acceptance()).policy.mode for seed in range(20)]
    assert modes == ["dense"] * 20  # at most one in twenty


def test_the_rule_until_now_shipped_such_a_router():
    line = Line(25, 15, 300, hidden=0.06)
    candidates = {seed: old_choice(data_of(line_scores(line, seed))) for seed in range(3)}
    lost = [auc_lost(line, seed, candidate.policy) for seed, candidate in candidates.items() if candidate]
    assert max(lost) > 0.01


@pytest.mark.parametrize("seed", range(2))
def test_from_many_pictures_a_router_that_loses_nothing_ships(seed):
    line = Line(300, 300, 900, hidden=0.0)
    policy = choose_policy(data_of(line_scores(line, seed)), Acceptance()).policy
    assert policy.mode in ("cascade", "learned")
    assert auc_lost(line, seed, policy) < 0.005
