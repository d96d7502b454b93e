"""The initial experts of a piece, and the next ones."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from fusion.policy import Mode, PartialResult, initial_experts, next_experts, routed
from fusion.router import MAX_LOG_ODDS, PartialResults, inputs, path_matrix, regrets, select_path
from fusion.scored import Scored


@dataclass(frozen=True)
class Weights:
    """Regret is 1/2 in doubt and falls with the distance from it, the faster the more runs."""

    first: tuple[str, ...] = ("glance", "ear")
    centre: tuple[float, ...] = (0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0)
    threshold: float = 0.0
    paths: tuple[tuple[str, ...], ...] = ((), ("gaze",))
    weights: tuple[tuple[float, ...], ...] = ((0, 0, 0, 0, 0, -1.0), (0, 0, 0, 0, 0, 0))
    bias: tuple[float, ...] = (0.0, -20.0)
    experts: tuple[str, ...] = ("glance", "gaze", "ear")
    costs_ms: tuple[float, ...] = (0.1, 1.0, 0.2)


@dataclass(frozen=True)
class Settings:
    mode: Mode
    static_experts: tuple[str, ...] = ()
    low: float = 0.2
    high: float = 0.6
    router: Weights | None = field(default_factory=Weights)
    price: float = 0.1


@dataclass(frozen=True)
class StubExpert:
    name: str
    modality: str
    scout: bool


@dataclass(frozen=True)
class Limit:
    temperature: float = 1.0
    bias: float = 0.0
    fail_above: float = 0.9


EXPERTS = (
    StubExpert("glance", "camera", True),
    StubExpert("gaze", "camera", False),
    StubExpert("ear", "microphone", True),
)
BLIND = (
    StubExpert("gaze", "camera", False),
    StubExpert("ear", "microphone", True),
    StubExpert("listen", "microphone", False),
)
BOTH = ("camera", "microphone")


def partial_result(score, *, present=BOTH, ran=("glance", "ear"), fails=False):
    log_odds = None if score is None else float(np.log(score / (1 - score)))
    return PartialResult(present, dict.fromkeys(ran, 0.0), log_odds, fails)


def next_for(policy, experts, seen, cost_multiplier=1.0):
    (chosen,) = next_experts(policy, experts, [seen], cost_multiplier)
    return chosen


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Settings("dense"), {"glance", "gaze", "ear"}),
        (Settings("static", ("gaze", "ear")), {"gaze", "ear"}),
        (Settings("cascade"), {"glance", "ear"}),
        (Settings("learned", router=Weights(first=("ear",))), {"ear"}),
        (Settings("budgeted", router=Weights(first=("glance",))), {"glance"}),
    ],
    ids=lambda value: value.mode if isinstance(value, Settings) else "",
)
def test_the_mode_chooses_the_initial_experts(policy, expected):
    assert initial_experts(policy, EXPERTS, BOTH) == expected
    assert initial_experts(policy, EXPERTS, ("microphone",)) == expected & {"ear"}


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.1, set()), (0.21, {"gaze"}), (0.4, {"gaze"}), (0.59, {"gaze"}), (0.7, set()), (None, {"gaze"})],
)
def test_a_cascade_asks_the_experts_in_doubt(score, expected):
    assert next_for(Settings("cascade"), EXPERTS, partial_result(score)) == expected


@pytest.mark.parametrize(
    ("score", "fails", "expected"),
    [(0.1, False, {"gaze"}), (0.4, False, {"gaze", "listen"}), (0.7, False, {"gaze"}), (0.7, True, set())],
)
def test_only_a_fail_lets_a_modality_go_unseen(score, fails, expected):
    assert next_for(Settings("cascade"), BLIND, partial_result(score, ran=("ear",), fails=fails)) == expected


@pytest.mark.parametrize(("fails", "expected"), [(False, {"ear"}), (True, set())])
def test_a_static_set_that_leaves_a_modality_out_sees_it_unless_the_piece_fails(fails, expected):
    policy = Settings("static", ("glance",))
    assert next_for(policy, EXPERTS, partial_result(0.5, ran=("glance",), fails=fails)) == expected


@pytest.mark.parametrize("mode", ["dense", "static", "cascade", "learned", "budgeted"])
def test_an_expert_without_its_modality_never_runs(mode):
    policy = Settings(mode, ("gaze", "listen", "ear"), router=Weights(first=("glance",)))
    experts = (*EXPERTS, StubExpert("listen", "microphone", False))
    seen = partial_result(0.4, present=("microphone",), ran=("ear",))
    assert initial_experts(policy, experts, ("microphone",)) | next_for(policy, experts, seen) <= {"ear", "listen"}


@pytest.mark.parametrize(("score", "expected"), [(0.5, {"gaze"}), (0.99, set()), (0.01, set())])
def test_a_router_runs_what_saves_more_regret_than_it_costs(score, expected):
    assert next_for(Settings("learned"), EXPERTS, partial_result(score)) == expected


@pytest.mark.parametrize(("mode", "expected"), [("learned", {"gaze"}), ("budgeted", set())])
def test_the_cost_multiplier_affects_a_budgeted_policy_only(mode, expected):
    assert next_for(Settings(mode), EXPERTS, partial_result(0.5), cost_multiplier=10.0) == expected


@pytest.mark.parametrize("score", [0.01, 0.5, 0.99])
def test_no_price_lets_a_modality_go_unseen(score):
    router = Weights(first=("glance",), centre=(0.0,), scale=(1.0,), paths=((), ("gaze",), ("ear", "gaze")))
    router = Weights(**(router.__dict__ | {"weights": ((0, 0, 0, 0),) * 3, "bias": (-20.0, -20.0, 0.0)}))
    policy = Settings("learned", router=router, price=1e6)
    assert "ear" in next_for(policy, EXPERTS, partial_result(score, ran=("glance",)))
    assert next_for(policy, EXPERTS, partial_result(score, ran=("glance",), fails=True)) == set()


@pytest.mark.parametrize("seen", [partial_result(None), partial_result(0.99, ran=("ear",))])
def test_a_router_that_lacks_an_input_runs_everything(seen):
    assert "gaze" in next_for(Settings("learned"), EXPERTS, seen)


def test_inputs_are_scaled_cut_and_folded():
    router = Weights(centre=(1.0, 0.0), scale=(2.0, 1.0), threshold=0.5)
    given = PartialResults(np.array([[3.0, -99.0]]), np.array([0.0]), np.ones((1, 3), bool), np.zeros(1, bool))
    expected = [1.0, -MAX_LOG_ODDS, -0.5, 1.0, MAX_LOG_ODDS, 0.5]
    np.testing.assert_allclose(inputs(router, given), [expected])
    np.testing.assert_allclose(regrets(router, inputs(router, given)), [[1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(20))]])


def test_a_path_costs_only_what_a_piece_has():
    """The camera is absent, so everything costs as much as nothing, and the lesser regret wins at any price."""
    router = Weights(first=("ear",), centre=(0.0,), scale=(1.0,), weights=((0,) * 4,) * 2, bias=(0.0, -1.0))
    able = np.array([[False, False, True], [True, True, True]])
    given = PartialResults(np.zeros((2, 1)), np.zeros(2), able, np.ones(2, bool))
    paths = select_path(router, path_matrix(router, ["camera", "camera", "microphone"]), given, price=1e3)
    assert paths.tolist() == [1, 0]


def scored():
    """Four pieces: good, doubtful, defective, and one without sound."""
    gap = np.nan
    logits = np.array([[-4.0, 0.1, 4.0, 0.0], [-5.0, 3.0, 5.0, 1.0], [-4.0, 0.0, 4.0, gap]])
    partial_sets = [{"glance"}, {"gaze"}, {"ear"}, {"glance", "ear"}, {"gaze", "ear"}, {"glance", "gaze"}]
    sets = [frozenset(names) for names in [*partial_sets, {"glance", "gaze", "ear"}]]
    order = ("glance", "gaze", "ear")
    joint = np.array([sum(logits[order.index(name)] for name in names) for names in sets])
    return Scored(
        tuple("abcd"), np.array([False, True, True, False]), tuple(frozenset({i}) for i in "abcd"), order, logits,
        tuple(sets), joint, np.ones((3, 4)), np.ones(4, bool),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        (Settings("cascade"), [set(), {"gaze"}, set(), {"gaze"}]),
        (Settings("learned"), [set(), {"gaze"}, set(), {"gaze"}]),
        (Settings("dense"), [{"gaze"}] * 4),
        (Settings("static", ("glance", "ear")), [set()] * 4),
    ],
    ids=lambda value: value.mode if isinstance(value, Settings) else "",
)
def test_scored_pieces_are_routed_like_pieces(policy, more):
    pieces = scored()
    routes = routed(policy, EXPERTS, pieces, dict.fromkeys(pieces.sets, Limit()))
    initial = [{"glance", "ear"}] * 3 + [{"glance"}]
    assert routes == [scouts | extra for scouts, extra in zip(initial, more, strict=True)]


def test_the_limit_of_fail_lets_scored_pieces_go_half_seen():
    router = Weights(first=("glance",), centre=(0.0,), scale=(1.0,), paths=((), ("ear",), ("ear", "gaze")))
    router = Weights(**(router.__dict__ | {"weights": ((0, 0, 0, 0),) * 3, "bias": (-9.0, -9.0, 0.0)}))
    pieces = scored()
    routes = routed(Settings("learned", router=router), EXPERTS, pieces, dict.fromkeys(pieces.sets, Limit()))
    assert [len(names) for names in routes] == [2, 2, 1, 1]
