"""Which policy is chosen on lines that are known, and that it holds on pieces that nothing was fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.calibration import probability
from fusion.router import PartialResults, path_matrix, regrets, select_path
from inspector.bundle.schema import Policy
from inspector.training.config import Acceptance
from inspector.training.routing.frontier import Point, point
from inspector.training.routing.policy import cheapest, choose_policy
from inspector.training.routing.router import _logistic, best_set, fit_router
from inspector.training.routing.sweeps import Candidate, RoutingData, initial_choices, make_routing_data
from tests.inspector.training.made_scores import COSTS_MS, EXPERTS, ORDER, ground, limits, simulated_scores

pytestmark = pytest.mark.train
ALL_MS = sum(COSTS_MS)


def judged(kind, policy):
    """Cost and quality on other pieces of the line, routed and by all experts."""
    other = make_routing_data(simulated_scores(kind, seed=9), EXPERTS, limits(simulated_scores(kind)))
    return [
        point(judged_policy.mode, other.board, other.routed(judged_policy))
        for judged_policy in (policy, Policy(mode="dense"))
    ]


def test_rare_hard_pieces_are_worth_a_router():
    choice = choose_policy(ground(simulated_scores("rare_hard")), Acceptance())
    routed, dense = judged("rare_hard", choice.policy)
    assert choice.policy.mode in ("cascade", "learned")
    assert choice.findings[0].startswith("Routing is shown to lose nothing that matters")
    assert "374 independent defective" in choice.findings[0]
    assert routed.cost_ms < 0.6 * ALL_MS
    assert routed.quality >= dense.quality - 0.005


def test_where_the_full_expert_adds_nothing_the_scouts_ship():
    choice = choose_policy(ground(simulated_scores("same")), Acceptance(), "static")
    assert choice.policy == Policy(mode="static", static_experts=("ear", "thumb"))
    assert "thumb" in choice.findings[0]


def test_where_every_piece_needs_everything_the_same_experts_run_on_all():
    """No set of fewer experts knows anything."""
    scored = simulated_scores("same", num=500)
    blind = np.where([len(names) == 3 for names in scored.sets], 1.0, 0.0)[:, None] * scored.logits
    noise = np.random.default_rng(0).normal(0, 0.1, blind.shape)
    alone = replace(scored, logits=blind + noise, expert_logits=noise[:3])
    choice = choose_policy(ground(alone), Acceptance())
    assert choice.policy.mode == "dense"
    assert choice.findings[0].startswith("The same experts run on every piece")


def test_few_defects_cannot_show_that_fewer_experts_lose_nothing():
    choice = choose_policy(ground(simulated_scores("same", num=200)), Acceptance())
    assert choice.policy.mode == "dense"
    assert "82 independent defective" in choice.findings[0]
    assert "About 96 defective, 48 good and 192 pieces" in choice.findings[0]


def test_where_all_pieces_hang_together_no_router_can_be_judged_and_none_ships():
    lone = replace(simulated_scores("rare_hard"), units=(frozenset({"lot=1"}),) * 900)
    assert choose_policy(ground(lone), Acceptance()).policy.mode in ("static", "dense")


def test_useless_scouts_cost_no_recall():
    routed, dense = judged("blind_thumb", choose_policy(ground(simulated_scores("blind_thumb")), Acceptance()).policy)
    assert routed.quality >= dense.quality - 0.005
    assert routed.cost_ms < ALL_MS


@pytest.mark.parametrize("wish", ["dense", "static", "cascade", "learned", "budgeted"])
def test_a_wish_is_granted(wish):
    choice = choose_policy(ground(simulated_scores("same", num=200)), Acceptance(), wish)
    assert choice.policy.mode == wish
    assert len(choice.findings) == 1


def test_the_choice_is_the_same_each_time_and_a_few_hundred_numbers():
    first, second = (
        choose_policy(ground(simulated_scores("rare_hard", num=200)), Acceptance(), "learned") for _ in range(2)
    )
    assert first == second
    router = first.policy.router
    assert router is not None
    assert sum(map(len, router.weights)) + len(router.bias) < 300


def test_gaps_do_not_reach_the_router():
    scored = simulated_scores("rare_hard", num=200)
    gaps = np.arange(200) % 5 == 0
    logits = np.where(gaps & (np.array(scored.experts) == "ear")[:, None], np.nan, scored.expert_logits)
    joint = np.stack(
        [
            np.where(gaps & ("ear" in names), np.nan, logits_of_set)
            for names, logits_of_set in zip(scored.sets, scored.logits, strict=True)
        ]
    )
    holed = ground(replace(scored, expert_logits=logits, logits=joint))
    router = fit_router(holed.board, ("thumb", "ear"), frozenset(ORDER))
    ran = holed.routed(Policy(mode="learned", router=router, price=0.2 / ALL_MS))
    assert any("full" not in names for names in ran)
    assert all("ear" not in names and "full" in names for names in np.array(ran)[gaps])


def test_regret_is_the_share_of_limits_at_which_a_path_decides_otherwise():
    """If the full expert agrees with the thumbnail, only the sound can be missed."""
    board = ground(simulated_scores("same", num=400)).board
    router = fit_router(board, ["thumb"], best_set(board, ["thumb"]))
    quiet = np.array([[0.0, 0.0, 0.0, 0.0]])
    regret_of = dict(zip(router.paths, regrets(router, quiet)[0].tolist(), strict=True))
    assert set(regret_of) == {(), ("ear",), ("full",), ("ear", "full")}
    assert max(regret_of["ear",], regret_of["ear", "full"]) < 0.05 < 0.3 < min(regret_of[()], regret_of["full",])


def quiet_board(kept):
    """A board on which the thumbnail saw only some of the pieces."""
    scored = simulated_scores("same", num=200)
    lacks = ~kept(scored.labels)
    return ground(
        replace(scored, expert_logits=np.where([lacks, lacks & False, lacks & False], np.nan, scored.expert_logits))
    ).board


@pytest.mark.parametrize(
    "kept",
    [lambda bad: bad, lambda bad: ~bad, lambda bad: bad & False],
    ids=["all defective", "all good", "none"],
)
def test_where_pieces_of_one_kind_alone_were_looked_at_first_everything_runs_and_it_is_said(kept, caplog):
    board = quiet_board(kept)
    with caplog.at_level("WARNING"):
        router = fit_router(board, ["thumb"], frozenset({"thumb", "full", "ear"}))
    paths = path_matrix(router, ["camera", "camera", "mic"])
    partial = PartialResults(np.array([[-9.0], [9.0]]), np.array([-9.0, 9.0]), np.ones((2, 3), bool), np.zeros(2, bool))
    chosen = select_path(router, paths, partial, price=0.7 / ALL_MS)
    assert [set(router.paths[path]) for path in chosen] == [{"full", "ear"}] * 2
    assert "router after thumb" in caplog.text
    assert "everything runs on every piece" in caplog.text


@pytest.mark.parametrize("regret", [0.0, 1.0])
def test_where_all_pieces_want_the_same_route_none_is_told_apart(regret):
    given = np.random.default_rng(0).normal(size=(200, 4))
    weights, bias = _logistic(given, np.full(200, regret), 200)
    assert weights == (0.0,) * 4
    assert probability(bias, 1.0, 0.0) == pytest.approx(regret, abs=0.005)


def test_regrets_from_few_recordings_stay_near_their_mean():
    random = np.random.default_rng(0)
    given = random.normal(size=(400, 4))
    regret = (given[:, 0] + random.normal(size=400) > 0).astype(float)
    many, few = (np.array(_logistic(given, regret, evidence)[0]) for evidence in (400, 8))
    assert 0 < few[0] < 0.6 * many[0]
    share = probability(given @ few + _logistic(given, regret, 8)[1], 1.0, 0.0).mean()
    assert share == pytest.approx(regret.mean(), abs=0.02)


def test_the_weights_are_those_of_a_ridge_on_the_likelihood():
    """At the optimum the gradient of the penalised likelihood is zero."""
    random = np.random.default_rng(1)
    given, regret = random.normal(size=(300, 4)), random.random(300).round(1)
    weights, bias = _logistic(given, regret, 60)
    slack = probability(given @ np.array(weights) + bias, 1.0, 0.0) - regret
    np.testing.assert_allclose(60 / 300 * given.T @ slack + np.array(weights), 0, atol=1e-6)
    assert slack.sum() == pytest.approx(0, abs=1e-6)


def test_a_finding_says_that_all_pieces_take_the_same_route():
    """Every set of experts says what all of them say."""
    various = simulated_scores("rare_hard", num=200)
    alike = replace(various, logits=np.broadcast_to(various.logits[-1], various.logits.shape))
    everyone = dict.fromkeys(various.sets, limits(various)[frozenset(ORDER)])
    boards = (make_routing_data(alike, EXPERTS, everyone), ground(various))
    wished = [choose_policy(board, Acceptance(), "learned") for board in boards]
    assert ["takes the same one" in choice.findings[0] for choice in wished] == [True, False]


def test_first_looks_leave_something_to_save():
    assert initial_choices(ground(simulated_scores("same", num=100))) == [("thumb", "ear"), ("thumb",), ("ear",)]


def candidate(cost_ms, quality):
    return Candidate(Policy(), Point("", cost_ms, quality, 0.5))


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ([(3, 0.9), (2, 0.9), (1, 0.8)], 2),
        ([(3, 0.9), (2, 0.8), (1, 0.9)], 3),
        ([(1, 0.9), (3, 0.95), (2, 0.92)], 1),
    ],
)
def test_a_cheap_candidate_behind_a_worse_one_is_luck(sweep, expected):
    chosen = cheapest([[candidate(*cost_and_quality) for cost_and_quality in sweep]], floor=0.9)
    assert chosen is not None
    assert chosen.point.cost_ms == expected


def test_the_best_stands_in_where_none_is_good_enough():
    chosen = cheapest([[candidate(3, 0.7), candidate(1, 0.8)]], floor=0.9)
    assert chosen == candidate(1, 0.8)


def test_ground_keeps_its_pieces():
    whole = ground(simulated_scores("same", num=100))
    part: RoutingData = whole.take(np.arange(100) < 40)
    assert part.routed(Policy(mode="dense")) == whole.routed(Policy(mode="dense"))[:40]
