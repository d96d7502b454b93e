"""The judge: scores by hand, what runs and what does not, and that no failure stops the line."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from inspector.bundle.load import load
from inspector.bundle.schema import Policy, Router
from inspector.engines.engine import Array, Engine, EngineError, EngineSettings
from inspector.engines.factory import open_engine
from inspector.inference.model import open_model
from inspector.judging.describe_model import describe_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.routing import Budget
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, CloseReason, MissingReason, Observation, State, View
from tests.bundles import NOW_NS, Toy, clip, grey, judge_of, piece, toy_recipe, view, write_toy_bundle


class Watched:
    """An engine that notes the batches it gets, and fails on inputs that it is told to fail on."""

    def __init__(
        self, engine: Engine, name: str, batches: dict[str, list[int]], fails: Callable[[Array], bool]
    ) -> None:
        self._engine, self._batches, self._fails = engine, batches.setdefault(name, []), fails
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        first = next(iter(inputs.values()))
        self._batches.append(len(first))
        if self._fails(first):
            raise EngineError("told to fail")
        return self._engine.run(inputs)


class Bench:
    """A judge over the toy bundle whose engines are watched."""

    def __init__(
        self,
        folder: Path,
        toy: Toy | None = None,
        change: Mapping[str, object] | None = None,
        fails: Callable[[Array], bool] = lambda values: False,
        max_batch: int = 16,
    ) -> None:
        self.batches: dict[str, list[int]] = {}
        bundle = load(write_toy_bundle(folder, toy))
        recipe = Recipe.model_validate(toy_recipe(folder).model_dump() | dict(change or {}))

        def opener(path: Path, settings: EngineSettings) -> Engine:
            return Watched(open_engine(path, settings), path.stem, self.batches, fails)

        models = {folder: open_model(bundle, EngineSettings(), opener)}
        self.judge = RoutedJudge(Recipes([recipe]), models, max_batch, clock_ns=lambda: NOW_NS)

    def one(self, observation: Observation) -> pb.Verdict:
        (verdict,) = self.judge.judge([observation])
        return verdict

    def ruling(self, observation: Observation) -> tuple[str, str]:
        return named(self.one(observation))


def named(verdict: pb.Verdict) -> tuple[str, str]:
    decision, reason = pb.Decision.Name(verdict.decision), pb.DecisionReason.Name(verdict.reason)
    return decision.removeprefix("DECISION_"), reason.removeprefix("DECISION_REASON_")


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


SHORT_VIEW = View("top", (grey(0.2),), State.MISSING, MissingReason.COVERAGE, 0.5)
MISSING_VIEW, MISSING_CLIP, STALE_CLIP = view(0, State.MISSING), clip(0, State.MISSING), clip(0, State.STALE)
GREY = 51 / 255


def test_a_good_piece_passes_on_the_scouts_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    verdict = bench.one(piece(view(GREY), clip(0.0)))
    assert named(verdict) == ("PASS", "GOOD")
    assert verdict.defect_score == pytest.approx(sigmoid(8 * GREY - 4 - 4), rel=1e-5)
    assert (verdict.route, verdict.pass_below, verdict.fail_above) == ("cascade:exit", 0.3, 0.7)
    assert [(run.expert, run.ran, run.why) for run in verdict.experts] == [
        ("top-thumb", True, "scout"),
        ("top-full", False, "skipped"),
        ("mic-ear", True, "scout"),
    ]
    assert bench.batches["full"] == []


def test_an_expert_runs_for_the_pieces_in_doubt_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    good, doubtful, bad = piece(view(GREY)), piece(view(0.6), clip(0.4)), piece(view(1.0), clip(1.0))
    verdicts = bench.judge.judge([good, doubtful, bad, doubtful])
    assert bench.batches == {"thumb": [4], "full": [2], "ear": [4], "head": [4, 2, 6]}, (
        "the head again: doubt, then evidence"
    )
    logit = (8 + 16) * 0.6 - 12 + 8 * 0.4 - 4
    assert verdicts[1].defect_score == pytest.approx(sigmoid(logit), rel=1e-5)
    assert [v.route for v in verdicts] == ["cascade:exit", "cascade:full", "cascade:exit", "cascade:full"]
    assert [named(v)[0] for v in verdicts] == ["PASS", "FAIL", "FAIL", "FAIL"]


@pytest.mark.parametrize(
    ("policy", "batches"),
    [
        (Policy(mode="dense"), [1]),
        (Policy(mode="static", static_experts=("top-full", "mic-ear")), [1]),
        (Policy(mode="static", static_experts=("top-thumb", "mic-ear")), []),
        (Policy(mode="cascade", low=0.2, high=0.8), []),
    ],
)
def test_the_policy_decides_what_runs(tmp_path: Path, policy: Policy, batches: list[int]) -> None:
    bench = Bench(tmp_path, Toy(policy=policy))
    bench.one(piece())
    assert bench.batches["full"] == batches


CASCADE = Policy(mode="cascade", low=0.2, high=0.8)
THUMB_FIRST = Router(
    first=("top-thumb",),
    centre=(0.0,),
    scale=(1.0,),
    threshold=0.0,
    paths=((), ("mic-ear",), ("mic-ear", "top-full")),
    weights=((0.0, 0.0, 0.0, -2.0), (0.0, 0.0, 0.0, -1.0), (0.0, 0.0, 0.0, 0.0)),
    bias=(0.0, -3.0, -9.0),
    experts=("top-thumb", "top-full", "mic-ear"),
    costs_ms=(0.1, 1.0, 0.2),
)
"""Regret falls with the distance from doubt, by the fewer experts the slower."""


def learned(mode: Literal["learned", "budgeted"] = "learned") -> Policy:
    return Policy(mode=mode, router=THUMB_FIRST, price=0.01)


@pytest.mark.parametrize(
    "policy", [Policy(mode="static", static_experts=("top-thumb",)), CASCADE, learned()], ids=lambda policy: policy.mode
)
def test_nothing_passes_on_one_modality_while_the_other_is_there(tmp_path: Path, policy: Policy) -> None:
    mode = policy.mode
    bench = Bench(tmp_path, Toy(ear_is_scout=False, policy=policy))
    verdict = bench.one(piece(view(0.0)))
    assert named(verdict) == ("PASS", "GOOD")
    assert (bench.batches["ear"], bench.batches["full"]) == ([1], [])
    assert verdict.route == f"{mode}:part"


def test_what_a_static_set_leaves_out_does_not_run_scout_or_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Toy(policy=Policy(mode="static", static_experts=("mic-ear", "top-full"))))
    verdict = bench.one(piece(view(GREY)))
    assert (bench.batches["thumb"], bench.batches["head"]) == ([], [1])
    assert verdict.defect_score == pytest.approx(sigmoid(16 * GREY - 8 - 4), rel=1e-5)
    assert (named(verdict), verdict.route) == (("PASS", "GOOD"), "static:exit")


@pytest.mark.parametrize(
    ("mean", "ran"),
    [(0.0, ("top-thumb", "mic-ear")), (0.5, ("top-thumb", "top-full", "mic-ear")), (1.0, ("top-thumb",))],
)
def test_a_router_runs_what_the_first_look_makes_worth_it(tmp_path: Path, mean: float, ran: tuple[str, ...]) -> None:
    verdict = Bench(tmp_path, Toy(policy=learned())).one(piece(view(mean)))
    assert tuple(run.expert for run in verdict.experts if run.ran) == ran


@pytest.mark.parametrize(("mode", "runs"), [("learned", 1), ("budgeted", 0)])
def test_thrift_moves_the_price_of_a_budgeted_policy_alone(
    tmp_path: Path, mode: Literal["learned", "budgeted"], runs: int
) -> None:
    bench = Bench(tmp_path, Toy(policy=learned(mode)))
    bench.judge.set_cost_multiplier(100.0)
    assert named(bench.one(piece(view(0.5)))) == ("PASS", "GOOD")
    assert (len(bench.batches["full"]), len(bench.batches["ear"])) == (runs, 1)


def test_a_router_that_cannot_look_asks_everyone(tmp_path: Path) -> None:
    paths = ((), ("top-thumb",), ("top-full", "top-thumb"))
    router = THUMB_FIRST.model_copy(update={"first": ("mic-ear",), "paths": paths})
    policy = Policy(mode="learned", router=router, price=0.01)
    verdict = Bench(tmp_path, Toy(policy=policy)).one(piece(view(GREY), MISSING_CLIP))
    assert (verdict.route, named(verdict)[1]) == ("learned:full", "MISSING_MODALITY")


def test_an_early_fail_stops_examining_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Toy(ear_is_scout=False))
    verdict = bench.one(piece(view(1.0)))
    assert (named(verdict), bench.batches["ear"]) == (("FAIL", "DEFECT"), [])
    assert [entry.HasField("raw_score") for entry in verdict.classes] == [True, False]
    assert not any(entry.HasField("probability") for entry in verdict.classes)
    assert [m.reason for m in verdict.modalities] == [
        pb.MODALITY_REASON_UNSPECIFIED,
        pb.MODALITY_REASON_NOT_EXAMINED,
    ]


def test_a_recipe_may_ask_for_full_evidence_on_fail(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change={"full_evidence_on_fail": True})
    verdict = bench.one(piece(view(1.0), clip(1.0)))
    assert (verdict.route, bench.batches["full"]) == ("cascade:full", [1])


@pytest.mark.parametrize(
    ("observation", "decision", "reason"),
    [
        (piece(mic=MISSING_CLIP), "REVIEW", "MISSING_MODALITY"),
        (piece(mic=STALE_CLIP), "REVIEW", "MISSING_MODALITY"),
        (piece(view(1.0), MISSING_CLIP), "FAIL", "DEFECT"),
        (piece(MISSING_VIEW), "REVIEW", "NO_IMAGE"),
        (piece(MISSING_VIEW, clip(1.0)), "REVIEW", "NO_IMAGE"),
        (piece(closing=CloseReason.ABORTED), "REVIEW", "ABORTED"),
        (piece(closing=CloseReason.NO_RECIPE), "REVIEW", "NO_RECIPE"),
        (piece(closing=CloseReason.STATE_LIMIT), "REVIEW", "OVERLOAD"),
        (piece(is_read_twice=True), "REVIEW", "ID_READ_TWICE"),
        (piece(view(1.0), is_read_twice=True), "REVIEW", "ID_READ_TWICE"),
        (piece(is_read_twice=True, closing=CloseReason.ABORTED), "REVIEW", "ABORTED"),
        (piece(append_ns=NOW_NS - 30_000_000_000), "PASS", "GOOD"),
        (piece(append_ns=NOW_NS - 30_000_000_001), "REVIEW", "BACKLOG"),
        (piece(view(0.5), clip(0.5)), "REVIEW", "UNCERTAIN"),
    ],
)
def test_ruling(tmp_path: Path, observation: Observation, decision: str, reason: str) -> None:
    assert Bench(tmp_path).ruling(observation) == (decision, reason)


@pytest.mark.parametrize(
    ("top", "loudness", "expected"),
    [
        (SHORT_VIEW, 0.0, ("REVIEW", "MISSING_MODALITY")),
        (SHORT_VIEW, 1.0, ("FAIL", "DEFECT")),
        (MISSING_VIEW, 0.0, ("REVIEW", "NO_IMAGE")),
        (view(GREY), 0.0, ("PASS", "GOOD")),
    ],
)
def test_sound_alone_passes_nothing(tmp_path: Path, top: View, loudness: float, expected: tuple[str, str]) -> None:
    """Also where no camera is required: one image of two is as insufficient as none."""
    camera = {"name": "top", "required": False, "num_frames": 2}
    bench = Bench(tmp_path, Toy(policy=Policy(mode="dense")), change={"cameras": (camera,)})
    assert bench.ruling(piece(top, clip(loudness))) == expected


def test_what_is_turned_away_costs_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    verdict = bench.one(piece(closing=CloseReason.ABORTED))
    assert not any(bench.batches.values())
    assert (verdict.bundle, verdict.cost_ms, verdict.HasField("defect_score")) == ("", 0.0, False)
    assert (verdict.recipe, verdict.recipe_version, verdict.lot) == ("cup", "3", "lot-7")
    assert (verdict.capture_ns, verdict.arrival_ns, verdict.entry_ns) == (NOW_NS - 2, NOW_NS + 1, NOW_NS - 3)
    assert verdict.decision_ns == NOW_NS


def test_a_product_without_recipe_is_reviewed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change={"product": "cup"})
    assert bench.ruling(piece(product="plate")) == ("REVIEW", "NO_RECIPE")


def test_a_backlog_is_judged_where_the_recipe_says_so(tmp_path: Path) -> None:
    assert Bench(tmp_path, change={"backlog": "judge"}).ruling(piece(append_ns=1)) == ("PASS", "GOOD")


def test_a_missing_modality_keeps_its_reason_and_is_no_zeros(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    verdict = bench.one(piece(mic=MISSING_CLIP))
    top, mic = verdict.modalities
    assert (mic.state, mic.reason, mic.coverage) == (
        pb.MODALITY_STATE_MISSING,
        pb.MODALITY_REASON_NOT_RECEIVED,
        0.0,
    )
    assert not mic.HasField("gate_weight")
    assert not mic.HasField("defect_score")
    assert not mic.HasField("raw_defect_score")
    assert top.gate_weight == 1.0
    assert not verdict.classes[1].HasField("probability")
    assert not verdict.classes[1].HasField("raw_score")
    assert bench.batches["ear"] == []
    assert verdict.experts[2].why == "absent"


def test_a_modality_that_is_not_required_may_be_missing(tmp_path: Path) -> None:
    sensors = [{"name": "mic", "kind": "audio", "sample_rate_hz": 100.0, "end_s": 0.16, "required": False}]
    bench = Bench(tmp_path, change={"sensors": sensors})
    assert bench.ruling(piece(view(0.0), MISSING_CLIP)) == ("PASS", "GOOD")


def test_the_recipes_limits_override_the_bundles(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change={"pass_below": 0.0001})
    verdict = bench.one(piece())
    assert (named(verdict), verdict.pass_below) == (("REVIEW", "UNCERTAIN"), 0.0001)


def test_experts_without_calibration_decide_nothing(tmp_path: Path) -> None:
    toy = Toy(policy=Policy(mode="dense"), uncalibrated=frozenset({frozenset({"top-thumb", "top-full", "mic-ear"})}))
    verdict = Bench(tmp_path, toy).one(piece(view(1.0), clip(1.0)))
    assert named(verdict) == ("REVIEW", "UNCERTAIN")
    assert not verdict.HasField("defect_score")


def test_the_most_suspicious_image_stands_for_its_camera(tmp_path: Path) -> None:
    images = (view(0.2).images[0], view(1.0).images[0], view(0.2).images[0])
    whole = view(0.2)
    observation = piece(type(whole)("top", images, State.PRESENT))
    verdict = Bench(tmp_path).one(observation)
    assert verdict.route == "cascade:full"
    assert verdict.modalities[0].raw_defect_score == pytest.approx(sigmoid(16 - 8), rel=1e-5)


def test_nan_concerns_one_piece_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)
    verdicts = bench.judge.judge([piece(), piece(mic=clip(-0.9)), piece()])
    assert [named(v) for v in verdicts] == [("PASS", "GOOD"), ("REVIEW", "ENGINE"), ("PASS", "GOOD")]
    assert "answered NaN" in caplog.text


@pytest.mark.parametrize("rank", [3, 5])
def test_a_failing_engine_concerns_one_piece_only(tmp_path: Path, rank: int) -> None:
    """Rank 5 is the camera's experts, 3 the microphone's."""
    bench = Bench(tmp_path, fails=lambda values: values.ndim == rank and float(values.max()) > 0.9)
    verdicts = bench.judge.judge([piece(), piece(view(1.0), clip(1.0)), piece()])
    assert [named(v) for v in verdicts] == [("PASS", "GOOD"), ("REVIEW", "ENGINE"), ("PASS", "GOOD")]


def test_a_clip_that_the_expert_cannot_take_concerns_one_piece_only(tmp_path: Path) -> None:
    whole = clip(0.0)
    wrong = type(whole)("mic", "audio", np.zeros((16, 1), np.float32), 200.0, State.PRESENT)
    verdicts = Bench(tmp_path).judge.judge([piece(), piece(mic=wrong)])
    assert [named(v)[1] for v in verdicts] == ["GOOD", "IMPLAUSIBLE"]


@pytest.mark.parametrize(
    ("budget", "observation", "expected", "route"),
    [
        (Budget.FULL, piece(view(0.5), clip(0.5)), ("REVIEW", "UNCERTAIN"), "cascade:full"),
        (Budget.SCOUTS, piece(view(0.5), clip(0.5)), ("REVIEW", "OVERLOAD"), "cascade:scouts"),
        (Budget.SCOUTS, piece(), ("PASS", "GOOD"), "cascade:exit"),
        (Budget.SCOUTS, piece(view(1.0), clip(1.0)), ("FAIL", "DEFECT"), "cascade:exit"),
        (Budget.REVIEW, piece(), ("REVIEW", "OVERLOAD"), ""),
    ],
)
def test_budget(
    tmp_path: Path, budget: Budget, observation: Observation, expected: tuple[str, str], route: str
) -> None:
    bench = Bench(tmp_path)
    bench.judge.set_budget(budget)
    verdict = bench.one(observation)
    assert (named(verdict), verdict.route) == (expected, route)


def mixed(num: int) -> list[Observation]:
    random = np.random.default_rng(5)
    return [piece(view(a), clip(b) if b > 0.2 else MISSING_CLIP) for a, b in random.random((num, 2)).tolist()]


def facts(verdicts: Sequence[pb.Verdict]) -> list[tuple[object, ...]]:
    return [
        (named(v), v.route, [e.ran for e in v.experts], [r.x_px for i in v.images for r in i.regions]) for v in verdicts
    ]


def test_results_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    pieces = mixed(16)
    whole = Bench(tmp_path / "a").judge.judge(pieces)
    one_by_one = Bench(tmp_path / "b", max_batch=1).judge
    single = [v for p in pieces for v in one_by_one.judge([p])]
    assert facts(whole) == facts(single)
    np.testing.assert_allclose([v.defect_score for v in whole], [v.defect_score for v in single], atol=1e-5)
    assert len({named(v) for v in whole}) > 2


def test_openvino_decides_alike(tmp_path: Path) -> None:
    recipe, pieces = toy_recipe(write_toy_bundle(tmp_path)), mixed(8)
    decisions = []
    for name in ("onnx", "openvino"):
        engine = EngineSettings("onnx" if name == "onnx" else "openvino")
        decisions.append(judge_of([recipe], engine, clock_ns=lambda: NOW_NS).judge(pieces))
    assert facts(decisions[0]) == facts(decisions[1])
    np.testing.assert_allclose(
        [v.defect_score for v in decisions[0]], [v.defect_score for v in decisions[1]], atol=1e-5
    )
    assert decisions[1][0].engine == "openvino/fp32"


def test_two_bundles_keep_to_their_pieces(tmp_path: Path) -> None:
    first = toy_recipe(write_toy_bundle(tmp_path / "a", Toy("one")), "cups", "cup")
    second = toy_recipe(write_toy_bundle(tmp_path / "b", Toy("two")), "plates", "plate")
    judge = judge_of([first, second], clock_ns=lambda: NOW_NS)
    products = ["cup", "plate", "bowl", "plate", "cup"]
    verdicts = judge.judge([piece(product=product, piece_id=str(i)) for i, product in enumerate(products)])
    assert [v.bundle for v in verdicts] == ["one", "two", "", "two", "one"]
    assert [v.inspection.piece_id for v in verdicts] == list("01234")


def test_a_recipe_that_does_not_fit_its_bundle_is_refused(tmp_path: Path) -> None:
    recipe = toy_recipe(write_toy_bundle(tmp_path)).model_copy(update={"sensors": ()})
    with pytest.raises(ConfigError, match="mic"):
        judge_of([recipe])


def test_evidence_comes_with_what_does_not_pass(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert not bench.one(piece()).images
    verdict = bench.one(piece(view(0.6), clip(0.4)))
    assert [(e.camera, len(e.regions)) for e in verdict.images] == [("top", 1)]
    assert [(e.sensor, e.end_s) for e in verdict.signals] == [("mic", 0.16)]
    logits = {"top": 24 * 0.6 - 12, "mic": 8 * 0.4 - 4}
    for modality in verdict.modalities:
        assert modality.contribution == pytest.approx(logits[modality.name], abs=1e-5)


@pytest.mark.parametrize(("evidence", "passing", "failing"), [("always", 1, 1), ("never", 0, 0), ("not_pass", 0, 1)])
def test_the_recipe_says_when_evidence_is_taken(tmp_path: Path, evidence: str, passing: int, failing: int) -> None:
    bench = Bench(tmp_path, change={"evidence": evidence})
    verdicts = bench.judge.judge([piece(), piece(view(1.0), clip(1.0))])
    assert [len(v.images) for v in verdicts] == [passing, failing]


def test_the_model_describes_itself(tmp_path: Path) -> None:
    judge = Bench(tmp_path).judge
    recipe = judge.recipe("line-1", "station-1", "cup")
    assert recipe is not None
    answer = describe_model(recipe, judge.live("line-1", recipe))
    assert (answer.bundle, answer.engine, list(answer.classes)) == ("toy", "onnx/fp32", ["scratch", "rattle"])
    assert [(e.name, e.scout) for e in answer.experts] == [("top-thumb", True), ("top-full", False), ("mic-ear", True)]
    assert (answer.model_card, answer.recipe_version) == ("# Toy\n", "3")


@pytest.mark.parametrize(
    ("mic", "decision", "reason"),
    [
        (clip(0.0), pb.DECISION_PASS, pb.DECISION_REASON_GOOD),
        (clip(1.0), pb.DECISION_FAIL, pb.DECISION_REASON_DEFECT),
        (clip(0.0, State.MISSING), pb.DECISION_REVIEW, pb.DECISION_REASON_MISSING_MODALITY),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_piece_without_a_camera_is_judged_by_its_sensors(
    tmp_path: Path, mic: Clip, decision: int, reason: int, required: bool
) -> None:
    recipe = toy_recipe(write_toy_bundle(tmp_path, Toy(only="mic")))
    sensors = tuple(sensor.model_copy(update={"required": required}) for sensor in recipe.sensors)
    judge = judge_of([recipe.model_copy(update={"cameras": (), "sensors": sensors})], clock_ns=lambda: NOW_NS)
    (verdict,) = judge.judge([replace(piece(mic=mic), views={})])
    assert verdict.decision == decision
    if required or decision != pb.DECISION_REVIEW:
        assert verdict.reason == reason
