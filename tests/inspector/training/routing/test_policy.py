"""Which policy is chosen on lines that are known, and that it holds on pieces that nothing was fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.calibration import probability
from fusion.router import PartialResults, path_matrix, regrets, select_path
from inspector.bundle.schema import Policy
from inspector.training.config import Acceptance
from inspector.training.routing.frontier import Point, point
from inspector.training.routing.policy import (
    Candidate,
    RoutingData,
    cheapest,
    choose_policy,
    initial_choices,
    make_routing_data,
)
from inspector.training.routing.router import _logistic, best_set, fit_router
from tests.inspector.training.made_scores import COSTS_MS, EXPERTS, ground, limits, simulated_scores

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
    assert choice.findings[0].startswith("Routing (")
    assert routed.cost_ms < 0.6 * ALL_MS
    assert routed.quality >= dense.quality - 0.005


def test_where_the_full_expert_adds_nothing_the_scouts_ship():
    choice = choose_policy(ground(simulated_scores("same")), Acceptance(), "static")
    assert choice.policy == Policy(mode="static", static_experts=("ear", "thumb"))
    assert "thumb" in choice.findings[0]


def test_where_nothing_is_saved_the_static_set_ships_and_says_so():
    """Pictures alone decide, so that no first look could spare anything that the static set runs."""
    scored = simulated_scores("same")
    rows = [0 if "thumb" in names else 1 if "full" in names else 2 for names in scored.sets]
    deaf = replace(scored, labels=scored.expert_logits[1] > 0, logits=scored.expert_logits[rows])
    choice = choose_policy(ground(deaf), Acceptance())
    assert choice.policy.mode == "static"
    assert choice.findings[0].startswith("Routing does not pay here")
    assert choice.findings[1].startswith("The static set")


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
    choice = choose_policy(holed, Acceptance(), "learned")
    ran = holed.routed(choice.policy)
    assert all("ear" not in names and names for names in np.array(ran)[gaps])


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
    weights, bias = _logistic(given, np.full(200, regret))
    assert weights == (0.0,) * 4
    assert probability(bias, 1.0, 0.0) == pytest.approx(regret, abs=0.005)


def test_a_finding_says_that_all_pieces_take_the_same_route():
    """Every set of experts says what all of them say."""
    various = simulated_scores("rare_hard", num=200)
    alike = replace(various, logits=np.broadcast_to(various.logits[-1], various.logits.shape))
    wished = [choose_policy(ground(scored), Acceptance(), "learned") for scored in (alike, various)]
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
        ([(3, 0.8), (1, 0.9)], None),
    ],
)
def test_a_cheap_candidate_behind_a_worse_one_is_luck(sweep, expected):
    chosen = cheapest([[candidate(*cost_and_quality) for cost_and_quality in sweep]], floor=0.9, strict=True)
    assert (chosen and chosen.point.cost_ms) == expected


def test_without_strictness_the_best_stands_in():
    chosen = cheapest([[candidate(3, 0.7), candidate(1, 0.8)]], floor=0.9, strict=False)
    assert chosen == candidate(1, 0.8)


def test_ground_keeps_its_pieces():
    whole = ground(simulated_scores("same", num=100))
    part: RoutingData = whole.take(np.arange(100) < 40)
    assert part.routed(Policy(mode="dense")) == whole.routed(Policy(mode="dense"))[:40]
