"""No piece passes without a required modality or beyond a certified limit."""

from itertools import product
from pathlib import Path

import pytest

from inspector.bundle.schema import Certificate, Claim, Policy
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.routing import Budget
from inspector.recipe.recipe import Recipe
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation, State
from tests.bundles import NOW_NS, Toy, clip, edit_manifest, judge_of, piece, toy_recipe, view, write_toy_bundle

CLAIM = Claim(miss_rate=0.05, pass_below=0.1, num_misses=0, good_held=0.4)
CERTIFIED = Certificate(
    miss_rate=0.05, confidence=0.95, num_defects=60, claim=CLAIM, nearest=CLAIM, needs=0, sure_below=0.001
)
POLICIES = (
    Policy(mode="dense"),
    Policy(mode="static", static_experts=("mic-ear", "top-thumb")),
    Policy(mode="cascade", low=0.2, high=0.8),
)
MEANS = (0.0, 0.25, 0.5, 0.75, 1.0)
LACKING = (State.MISSING, State.STALE)


def judge(
    folder: Path,
    policy: Policy,
    miss_rate: float | None,
    certificate: Certificate | None = None,
    *,
    required: bool = True,
) -> RoutedJudge:
    write_toy_bundle(folder, Toy(policy=policy))
    if certificate is not None:
        edit_manifest(folder, {"certificate": certificate.model_dump()})
    recipe = toy_recipe(folder)
    sensors = [recipe.sensors[0].model_copy(update={"required": required})]
    changed = recipe.model_dump() | {
        "certified_miss_rate": miss_rate,
        "sensors": [sensor.model_dump() for sensor in sensors],
    }
    return judge_of([Recipe.model_validate(changed)], clock_ns=lambda: NOW_NS)


def decisions(judge: RoutedJudge, pieces: list[Observation]) -> set[pb.Decision]:
    return {verdict.decision for verdict in judge.judge(pieces)}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.mode)
@pytest.mark.parametrize("budget", [Budget.FULL, Budget.SCOUTS])
def test_without_a_required_modality_nothing_passes(tmp_path: Path, policy: Policy, budget: Budget) -> None:
    promised = judge(tmp_path, policy, None)
    promised.set_budget(budget)
    deaf = [piece(view(mean), clip(0.0, state)) for mean, state in product(MEANS, LACKING)]
    assert decisions(promised, deaf) == {pb.DECISION_REVIEW, pb.DECISION_FAIL}
    blind = [piece(view(0.0, state), clip(mean)) for mean, state in product(MEANS, LACKING)]
    assert decisions(promised, blind) == {pb.DECISION_REVIEW}


def test_a_promise_needs_the_modalities_that_the_evidence_had(tmp_path: Path) -> None:
    deaf = [piece(view(mean), clip(0.0, State.MISSING)) for mean in MEANS]
    plain = judge(tmp_path / "a", POLICIES[0], None, CERTIFIED, required=False)
    asking = judge(tmp_path / "b", POLICIES[0], 0.05, CERTIFIED, required=False)
    assert pb.DECISION_PASS in decisions(plain, deaf)
    assert decisions(asking, deaf) == {pb.DECISION_REVIEW, pb.DECISION_FAIL}


@pytest.mark.parametrize(
    ("miss_rate", "mean", "decision"),
    [
        (None, 0.45, "PASS"),
        (0.05, 0.45, "REVIEW"),
        (0.05, 0.35, "PASS"),
        (0.01, 0.35, "REVIEW"),
        (0.01, 0.05, "PASS"),
        (0.01, 0.9, "FAIL"),
    ],
)
def test_the_certified_limit_or_the_strict_one(
    tmp_path: Path, miss_rate: float | None, mean: float, decision: str
) -> None:
    """Scores by hand: the toy's experts add up to 32 * mean - 16, or 16 * mean - 8 where the scouts suffice."""
    promised = judge(tmp_path, POLICIES[2], miss_rate, CERTIFIED)
    (verdict,) = promised.judge([piece(view(mean), clip(mean))])
    assert pb.Decision.Name(verdict.decision).removeprefix("DECISION_") == decision


def test_what_load_cut_short_does_not_pass_by_a_promise(tmp_path: Path) -> None:
    """A score of .15 on the scouts alone: the bundle's own route would have looked closer."""
    loose = CERTIFIED.model_copy(update={"claim": CLAIM.model_copy(update={"pass_below": 0.25}), "nearest": None})
    policy = Policy(mode="cascade", low=0.1, high=0.8)
    for name, miss_rate, expected in (("a", None, pb.DECISION_PASS), ("b", 0.05, pb.DECISION_REVIEW)):
        promised = judge(tmp_path / name, policy, miss_rate, loose)
        promised.set_budget(Budget.SCOUTS)
        assert decisions(promised, [piece(view(0.4), clip(0.4))]) == {expected}


def test_what_load_sent_another_way_does_not_pass_by_a_promise(tmp_path: Path) -> None:
    """The evidence is of the full picture; under load the thumbnail would stand in for it."""
    policy = Policy(mode="static", static_experts=("mic-ear", "top-full"))
    for budget, expected in ((Budget.FULL, pb.DECISION_PASS), (Budget.SCOUTS, pb.DECISION_REVIEW)):
        promised = judge(tmp_path / budget.value, policy, 0.05, CERTIFIED)
        promised.set_budget(budget)
        assert decisions(promised, [piece(view(0.0), clip(0.0))]) == {expected}
