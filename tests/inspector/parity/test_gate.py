"""The gate counts exactly the flips that the test makes, and refuses an engine that decides otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.manifest import Label
from inspector.engines.engine import Array, Engine, EngineError, Port
from inspector.inference.model import Model
from inspector.parity.archive import ParitySet
from inspector.parity.evaluate import judge
from inspector.parity.gate import GateSettings, check
from inspector.parity.report import Limit, ParityReport, as_json, passed, words
from inspector.parity.schema import Decision, Prediction
from inspector.recipe.strict_recipe import strict_recipe
from tests.inspector.parity.toy_set import Retelling, toy_model, toy_pieces, unchanged, write_toy_set

OTHER: Mapping[Decision, Decision] = {"PASS": "FAIL", "FAIL": "REVIEW", "REVIEW": "FAIL"}


def flipped(num: int) -> Retelling:
    """The oracle is held to have decided otherwise on the first pieces."""

    def retell(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
        return "unknown", prediction.model_copy(
            update={"decision": OTHER[prediction.decision]}
        ) if index < num else prediction

    return retell


def report_of(folder: Path, num: int, retell: Retelling = unchanged) -> ParityReport:
    pieces = write_toy_set(folder, toy_pieces(num), retell)
    return check(toy_model(folder), pieces)


@pytest.mark.parametrize(
    ("num", "flips", "below"),
    [(40, 0, 0.072158), (40, 1, 0.113188), (40, 3, 0.182587), (40, 40, 1.0), (7, 7, 1.0), (300, 0, 0.009936)],
)
def test_flips_and_what_they_prove(tmp_path: Path, num: int, flips: int, below: float) -> None:
    """Bounds are quantiles of the beta distribution, by scipy."""
    report = report_of(tmp_path, num, flipped(flips))
    assert [change.piece_id for change in report.flips] == [f"p{index}" for index in range(flips)]
    assert (report.num_pieces, report.max_difference) == (num, 0.0)
    assert report.flips_below == pytest.approx(below, abs=1e-6)
    assert report.parity().model_dump() == {
        "num_pieces": num, "flips": flips, "new_passes": 0, "route_changes": 0, "max_difference": 0.0,
        "flips_below": report.flips_below,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("label", "before", "refused"),
    [("nok", "REVIEW", True), ("nok", "FAIL", True), ("ok", "REVIEW", False), ("unknown", "FAIL", False)],
)
def test_one_new_pass_of_a_defective_piece_is_one_too_many(
    tmp_path: Path, label: Label, before: Decision, refused: bool
) -> None:
    def retell(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
        return (label, prediction.model_copy(update={"decision": before})) if index == 0 else ("nok", prediction)

    report = report_of(tmp_path, 20, retell)
    assert [change.found.decision for change in report.flips] == ["PASS"]
    assert len(report.new_passes) == refused
    assert passed(report, Limit()) is not refused
    assert passed(report, Limit(1.0)) is not refused
    assert ("NEW PASS OF A DEFECTIVE PIECE" in words(report, Limit())[-1]) is refused


def test_a_defective_piece_that_passes_as_before_is_no_new_pass(tmp_path: Path) -> None:
    report = report_of(tmp_path, 20, lambda _, prediction: ("nok", prediction))
    assert passed(report, Limit())
    assert report.changes == ()


@pytest.mark.parametrize(
    ("share", "num_pieces", "allowed"),
    [(0.002, 10, 1), (0.002, 300, 1), (0.002, 999, 1), (0.002, 1000, 2), (0.002, 1500, 3), (0.0, 1500, 0), (0.1, 7, 1)],
)
def test_what_a_limit_allows(share: float, num_pieces: int, allowed: int) -> None:
    assert Limit(share).allowed(num_pieces) == allowed


@pytest.mark.parametrize(("flips", "within"), [(0, True), (1, True), (2, False)])
def test_one_flip_of_a_small_set_is_within_the_limit(tmp_path: Path, flips: int, within: bool) -> None:
    report = report_of(tmp_path, 20, flipped(flips))
    assert passed(report, Limit()) is within
    assert words(report, Limit())[0].startswith(f"onnx/fp32: {'passed' if within else 'REFUSED'}: {flips} of 20")
    assert not passed(report, Limit(0.0)) or not flips


def test_a_changed_route_counts_and_refuses_nothing(tmp_path: Path) -> None:
    def retell(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
        return "unknown", prediction.model_copy(update={"experts": ("mic-ear",)}) if index in (2, 5) else prediction

    report = report_of(tmp_path, 20, retell)
    assert [change.piece_id for change in report.route_changes] == ["p2", "p5"]
    assert (report.flips, passed(report, Limit(0.0))) == ((), True)


@pytest.mark.parametrize(("pass_below", "fail_above"), [(None, None), (0.0, 1.0), (0.05, 0.1), (0.9, 0.95)])
def test_the_limits_are_those_of_a_recipe_that_is_given(
    tmp_path: Path, pass_below: float | None, fail_above: float | None
) -> None:
    """Every piece's score is held to have been 0.5: it flips where the recipe decides its score here otherwise."""
    retold = write_toy_set(
        tmp_path,
        toy_pieces(40),
        lambda _, prediction: ("ok", prediction.model_copy(update={"score": prediction.score and 0.5})),
    )
    model = toy_model(tmp_path)
    limits = {"pass_below": pass_below, "fail_above": fail_above}
    recipe = strict_recipe(model.schema, model.bundle.folder).model_copy(update=limits)
    low, high = 0.3 if pass_below is None else pass_below, 0.7 if fail_above is None else fail_above

    def decision(score: float, *, whole: bool) -> Decision:
        return "FAIL" if score > high else "PASS" if score < low and whole else "REVIEW"

    judgements = judge(model, toy_pieces(40))
    expected = [
        piece.piece_id
        for piece, judgement in zip(retold.pieces, judgements, strict=True)
        if decision(judgement.prediction.score or 0.0, whole=bool(piece.signals))
        != decision(0.5, whole=bool(piece.signals))
    ]
    assert bool(expected) is (low > 0)
    report = check(model, retold, GateSettings(recipe))
    assert [change.piece_id for change in report.flips] == expected


class Scaled:
    """An engine whose logits come out too large or too small, as those of an INT8 graph with wrong scales."""

    def __init__(self, engine: Engine, factor: float) -> None:
        self._engine, self._factor = engine, factor
        self.inputs: Sequence[Port] = engine.inputs
        self.outputs: Sequence[Port] = engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        outputs = dict(self._engine.run(inputs))
        return outputs | {"logits": outputs["logits"] * np.float32(self._factor)}


class Broken(Scaled):
    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        raise EngineError("out of order")


def spoiled(model: Model, name: str, engine: Engine) -> Model:
    return replace(model, experts={**model.experts, name: engine})


@pytest.fixture
def pieces(tmp_path: Path) -> ParitySet:
    return write_toy_set(tmp_path / "toy", toy_pieces(60))


@pytest.mark.parametrize("factor", [0.2, 3.0, -1.0])
@pytest.mark.parametrize("name", ["top-thumb", "mic-ear"])
def test_an_expert_with_spoiled_scales_is_refused(pieces: ParitySet, name: str, factor: float) -> None:
    model = toy_model(pieces.path.parent)
    report = check(spoiled(model, name, Scaled(model.experts[name], factor)), pieces)
    assert not passed(report, Limit())
    assert report.max_difference > 0.1
    assert passed(check(model, pieces), Limit())


def test_a_slight_difference_is_measured_and_passes(pieces: ParitySet) -> None:
    model = toy_model(pieces.path.parent)
    report = check(spoiled(model, "mic-ear", Scaled(model.experts["mic-ear"], 1.0001)), pieces)
    assert 0 < report.max_difference < 1e-3
    assert passed(report, Limit())


def test_an_expert_that_fails_flips_what_it_was_needed_for(pieces: ParitySet) -> None:
    model = toy_model(pieces.path.parent)
    report = check(spoiled(model, "top-thumb", Broken(model.experts["top-thumb"], 1.0)), pieces)
    assert report.max_difference == 1.0
    assert {change.found.score for change in report.flips} == {None}
    assert not passed(report, Limit())
    assert "REVIEW without a score here" in words(report, Limit())[2]


@pytest.mark.parametrize("max_batch", [1, 7, 16, 100])
def test_neither_batch_nor_order_matters(pieces: ParitySet, max_batch: int) -> None:
    order = np.random.default_rng(1).permutation(len(pieces.pieces))
    mixed = replace(pieces, pieces=tuple(pieces.pieces[index] for index in order))
    model = toy_model(pieces.path.parent)
    bent = spoiled(model, "mic-ear", Scaled(model.experts["mic-ear"], 1.2))
    expected, actual = check(bent, pieces), check(bent, mixed, GateSettings(max_batch=max_batch))
    assert {change.piece_id for change in actual.changes} == {change.piece_id for change in expected.changes}
    assert len(actual.flips) == len(expected.flips) > 0
    assert actual.max_difference == pytest.approx(expected.max_difference, abs=1e-6)


def test_progress_is_reported_and_may_end_the_check(pieces: ParitySet) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 40:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        check(toy_model(pieces.path.parent), pieces, GateSettings(max_batch=20, progress=stop))
    assert seen == [(20, 60), (40, 60)]


@pytest.mark.parametrize(
    ("num", "available", "message"),
    [
        (
            20,
            20,
            "takes 1497 pieces without a flip. The set has all 20 calibration pieces, fewer than the 300 exp",
        ),
        (
            20,
            900,
            "takes 1497 pieces without a flip. The set has 20 of 900 calibration pieces, fewer than the 300 expected",
        ),
        (300, 900, "at most 0.994 % of decisions flip; to prove 0.2 % takes 1497 pieces without a flip"),
        (1496, 1496, "at most 0.2 % of decisions flip; to prove 0.2 % takes 1497 pieces without a flip"),
        (1497, 1497, "proven at 95%: at most 0.2 % of decisions flip"),
    ],
)
def test_what_a_count_cannot_prove_is_stated(num: int, available: int, message: str) -> None:
    report = ParityReport(
        bundle="b 1", engine="onnx/int8", num_pieces=num, num_calibration=available, max_difference=0.0, changes=()
    )
    proven = words(report, Limit())[1]
    assert message in proven
    assert proven.endswith(message) or num < 300


def test_json_has_figures_and_pieces(tmp_path: Path) -> None:
    (entry,) = as_json([report_of(tmp_path, 20, flipped(2))], Limit())
    assert (entry["passed"], entry["flips"], entry["allowed_flips"]) == (False, 2, 1)
    changes = entry["changes"]
    assert isinstance(changes, list)
    assert [change["piece_id"] for change in changes] == ["p0", "p1"]
