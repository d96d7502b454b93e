"""Canaries judge their pieces, shadows judge next to the live ones, and a shadow that fails costs the line nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.bundle.load import load
from inspector.engines.engine import EngineSettings
from inspector.inference.model import Model, open_model
from inspector.judging.active_models import ActiveModels, DeployedModel, DeploymentTarget, Slot, Trial
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import ANY, Recipes
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.shadow import BEHIND_S, Comparison, Shadow
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation, State
from tests.bundles import NOW_NS, clip, edit_manifest, piece, toy_recipe, view, write_toy_bundle

PLACE = DeploymentTarget(ANY, "cup")
GOOD, BAD = 0.2, 0.9
LINE = DeploymentTarget("line-1", "cup")


class Bench:
    """A judge over a line-up of a live bundle and one that passes nothing, and its shadow."""

    def __init__(self, folder: Path) -> None:
        live, strict = write_toy_bundle(folder / "live"), write_toy_bundle(folder / "strict")
        calibrations = load(strict).schema.model_dump(mode="json")["calibrations"]
        edit_manifest(
            strict,
            {"version": "2", "calibrations": [calibration | {"pass_below": 0.0} for calibration in calibrations]},
        )
        self.live, self.strict = (open_model(load(each), EngineSettings()) for each in (live, strict))
        self.active_models = ActiveModels({PLACE: Slot(DeployedModel(self.live, 1))})
        recipe = toy_recipe(live).model_copy(update={"evidence": "always"})
        self.judge = RoutedJudge(Recipes([recipe]), self.active_models, clock_ns=lambda: NOW_NS)
        self.registry = CollectorRegistry()
        self.comparison = Comparison(DeployMetrics(self.registry, [LINE]))
        self.now_ns = NOW_NS
        self.shadow = Shadow(self.judge, self.comparison, lambda: self.now_ns)

    def put(self, trial: Trial | None) -> None:
        self.active_models.set(PLACE, Slot(DeployedModel(self.live, 1), trial))

    def run_shadow(self, pieces: Sequence[Observation]) -> list[pb.Verdict]:
        pairs = self.shadow.judge(pieces, self.judge.judge(pieces))
        self.shadow.published(pairs)
        return [compared.shadow for compared in pairs]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def pieces(num: int) -> list[Observation]:
    return [piece(view(GOOD), piece_id=f"p{number}") for number in range(num)]


def test_verdicts_name_the_very_bundle_and_its_deployment(bench: Bench) -> None:
    (verdict,) = bench.judge.judge(pieces(1))
    assert (verdict.bundle_version, verdict.deployment) == ("1", 1)
    assert verdict.bundle_digest == bench.live.bundle.digest[:12]


def test_a_canary_judges_its_share_again_and_again(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(bench.strict, 2), share=0.3))
    first, again = bench.judge.judge(pieces(60)), bench.judge.judge(pieces(60)[::-1])[::-1]
    deployments = [verdict.deployment for verdict in first]
    assert deployments == [verdict.deployment for verdict in again]
    assert 8 <= deployments.count(2) <= 30
    assert {(v.deployment, v.bundle_version, v.decision) for v in first} == {
        (1, "1", pb.DECISION_PASS),
        (2, "2", pb.DECISION_REVIEW),
    }


def test_a_micro_batch_sees_one_line_up(bench: Bench) -> None:
    slots = bench.judge.slots
    bench.put(Trial(DeployedModel(bench.strict, 2), share=1.0))
    assert slots[PLACE].trial is None
    assert {verdict.deployment for verdict in bench.judge.judge(pieces(3))} == {2}


def test_a_shadow_is_compared_and_not_acted_upon(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(bench.strict, 2)))
    seen = [piece(view(GOOD), piece_id="good"), piece(view(BAD), clip(BAD), piece_id="bad")]
    live = bench.judge.judge(seen)
    shadows = bench.run_shadow(seen)
    assert [verdict.decision for verdict in live] == [pb.DECISION_PASS, pb.DECISION_FAIL]
    assert [(v.decision, v.deployment, v.shadow) for v in shadows] == [
        (pb.DECISION_REVIEW, 2, True),
        (pb.DECISION_FAIL, 2, True),
    ]
    assert not any(verdict.shadow for verdict in live)
    counts = bench.comparison.of(LINE, 2)
    assert (counts.equal, counts.different) == (1, 1)
    assert not any(verdict.images for verdict in shadows), "heat maps are the line's alone"


def test_a_shadow_does_not_look_at_what_was_turned_away(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(bench.strict, 2)))
    assert bench.run_shadow([piece(view(0, State.MISSING))]) == []


def test_a_line_that_is_behind_has_no_time_for_shadows(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(bench.strict, 2)))
    bench.now_ns = NOW_NS + int((BEHIND_S + 0.1) * 1e9)
    assert bench.run_shadow(pieces(2)) == []


def broken(model: Model) -> Model:
    """A stand-in whose head is gone: what judges with it fails outside of every graph."""
    return Model(model.bundle, model.engine, {}, model.head, model.calibrations, model.settings)


def test_a_shadow_that_fails_is_no_longer_asked_and_reported_once(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(broken(bench.strict), 2)))
    assert bench.run_shadow(pieces(1)) == []
    assert (fault := bench.shadow.fault()) is not None
    assert (fault.placed.number, fault.message.partition(":")[0]) == (2, "KeyError")
    assert bench.run_shadow(pieces(1)) == []
    assert bench.shadow.fault() is None
    bench.put(Trial(DeployedModel(bench.strict, 3)))
    assert [verdict.deployment for verdict in bench.run_shadow(pieces(1))] == [3]


def test_a_shadow_that_fails_costs_no_other_shadow(bench: Bench) -> None:
    bench.put(Trial(DeployedModel(broken(bench.strict), 2)))
    other = Slot(DeployedModel(bench.live, 1), Trial(DeployedModel(bench.strict, 3)))
    bench.active_models.set(DeploymentTarget("line-2", "cup"), other)
    (here,) = pieces(1)
    there = replace(here, inspection=here.inspection._replace(line="line-2"))
    for _ in range(2):
        assert [verdict.deployment for verdict in bench.run_shadow([here, there])] == [3]
