"""Evaluation, service and scored pieces route alike."""

from pathlib import Path

import numpy as np
import pytest

from fusion.policy import routed
from fusion.scored import Scored
from inspector.bundle.load import load
from inspector.bundle.schema import Policy, Router
from inspector.engines.engine import EngineSettings
from inspector.evaluation.run import Replay, with_policy
from inspector.inference.examination import Examination
from inspector.inference.model import Model, open_model
from inspector.judging.routing import route
from inspector.recipe.strict_recipe import strict_recipe
from streams.observation import Observation, State
from tests.bundles import Toy, clip, piece, view, write_toy_bundle

EVERYONE = ("top-thumb", "top-full", "mic-ear")
ROUTER = Router(
    first=("top-thumb",),
    centre=(0.0,),
    scale=(2.0,),
    threshold=0.3,
    paths=((), ("mic-ear",), ("mic-ear", "top-full")),
    weights=((0.3, 0.0, 0.0, -1.5), (0.0, 0.2, 0.0, -1.0), (0.0, 0.0, 0.0, 0.0)),
    bias=(0.5, -0.5, -6.0),
    experts=EVERYONE,
    costs_ms=(0.1, 1.0, 0.2),
)
POLICIES = (
    Policy(mode="dense"),
    Policy(mode="static", static_experts=("mic-ear", "top-full")),
    Policy(mode="static", static_experts=("top-thumb",)),
    Policy(mode="cascade", low=0.2, high=0.8),
    Policy(mode="learned", router=ROUTER, price=0.05),
    Policy(mode="budgeted", router=ROUTER, price=0.4),
)


def pieces(num: int) -> list[Observation]:
    random = np.random.default_rng(3)
    return [piece(view(a), clip(b) if b > 0.1 else clip(0, State.MISSING)) for a, b in random.random((num, 2)).tolist()]


def dense(model: Model, observations: list[Observation]) -> Examination:
    seen = Examination(model, observations, 16)
    for expert in model.schema.experts:
        seen.run_expert(expert, [row for row, present in enumerate(seen.present) if expert.modality in present])
    return seen


def scored(seen: Examination) -> Scored:
    num = len(seen.pieces)
    sets = tuple(seen.model.calibrations)
    logits = [
        [looks[name].defect_logit if name in looks else np.nan for looks in seen.expert_outputs] for name in EVERYONE
    ]
    joint = np.full((len(sets), num), np.nan)
    for row, names in enumerate(sets):
        able = [index for index in range(num) if names <= seen.ran(index)]
        for index, fused in zip(able, seen.fuse_parts([(index, names) for index in able]), strict=True):
            joint[row, index] = fused.logits[0] if fused is not None else np.nan
    return Scored(
        piece_ids=tuple(map(str, range(num))),
        labels=np.arange(num) % 2 == 0,
        units=tuple(frozenset({str(index)}) for index in range(num)),
        experts=EVERYONE,
        expert_logits=np.array(logits),
        sets=sets,
        logits=joint,
        cpu_s=np.ones((len(EVERYONE), num)),
        unseen=np.ones(num, bool),
    )


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.mode)
@pytest.mark.parametrize("ear_is_scout", [True, False])
def test_what_the_service_runs_is_what_scored_pieces_and_replays_say(
    tmp_path: Path, policy: Policy, ear_is_scout: bool
) -> None:
    toy = Toy(policy=policy, ear_is_scout=ear_is_scout)
    model = open_model(load(write_toy_bundle(tmp_path, toy)), EngineSettings())
    observations = pieces(60)
    recipes = [strict_recipe(model.schema, model.bundle.folder)] * len(observations)
    live, seen = Examination(model, observations, 16), dense(model, observations)
    replay = Replay(seen, with_policy(model, policy))
    findings, again = route(live, recipes), route(replay, recipes)
    ran = [live.ran(row) for row in range(len(observations))]
    assert routed(policy, model.schema.experts, scored(seen), model.calibrations) == ran
    assert [replay.ran(row) for row in range(len(observations))] == ran
    assert [finding.ruling for finding in again] == [finding.ruling for finding in findings]
    assert len(set(ran)) > 1
