"""Log-odds of experts and classes become probabilities where there is evidence, by the parts that are independent."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fusion.calibration import probability
from inspector.bundle.schema import Calibration, ClassScale, Modality, Platt
from inspector.dataset.manifest import ImageRow, PieceRow
from inspector.training.adapt.adapt import _with_changed_experts
from inspector.training.calibration.probabilities import ENOUGH_PARTS, _of_recordings, probability_lines
from inspector.training.dataset import Dataset
from inspector.training.experts import selection
from inspector.training.judged import Judged
from inspector.training.train import Training, train
from inspector.training.trainer import Trainer
from tests.inspector.training.small_dataset import CONFIG, OPTIONS, write_small_dataset

pytestmark = pytest.mark.train

TOP = Modality(name="top", kind="image")
NUM = 2000


def row(number: int, bad: bool, picture: int | None = None) -> PieceRow:
    picture = number if picture is None else picture
    return PieceRow(
        piece_id=f"p{number}",
        images=(ImageRow(camera="top", path=f"{picture}.png"),),
        label="nok" if bad else "ok",
        defects=("dent",) if bad else (),
        split="calibration",
        groups={"image": f"g{picture}"},
    )


def test_the_figure_is_the_share_of_defects_among_pieces_with_that_figure() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, NUM)
    bad = rng.random(NUM) < probability(logits, 3.0, -1.0)
    rows = [row(number, is_bad) for number, is_bad in enumerate(bad.tolist())]
    of_expert = _of_recordings(rows, logits, TOP)
    assert of_expert is not None
    figures = probability(logits, of_expert.temperature, of_expert.bias)
    for low in np.arange(0, 1, 0.2):
        here = (figures >= low) & (figures < low + 0.2)
        assert bad[here].mean() == pytest.approx(figures[here].mean(), abs=0.06)


@pytest.mark.parametrize(("num_bad", "num_good"), [(ENOUGH_PARTS - 1, 50), (50, ENOUGH_PARTS - 1)])
def test_with_too_few_parts_on_a_side_there_is_no_probability(num_bad: int, num_good: int) -> None:
    rows = [row(number, number < num_bad) for number in range(num_bad + num_good)]
    logits = np.linspace(1, -1, len(rows))
    assert _of_recordings(rows, logits, TOP) is None
    more = [*rows, row(1000, num_bad < num_good)]
    logits = np.append(logits, 0.0)
    assert _of_recordings(more, logits, TOP) is not None


def test_pieces_that_share_a_recording_are_one_part() -> None:
    """Forty defective pieces of one picture."""
    rows = [row(number, bad=True, picture=0) for number in range(40)] + [row(n, bad=False) for n in range(100, 140)]
    logits = np.linspace(1, -1, len(rows))
    assert _of_recordings(rows, logits, TOP) is None


def test_a_recording_counts_once_however_many_pieces_have_it() -> None:
    rng = np.random.default_rng(1)
    bad, logits = np.arange(60) % 2 == 1, rng.normal(size=60) + np.arange(60) % 2
    once = [row(number, is_bad) for number, is_bad in enumerate(bad.tolist())]
    often = once + [row(100 + number, bad=True, picture=1) for number in range(50)]
    repeated = _of_recordings(often, np.append(logits, np.full(50, logits[1])), TOP)
    expected = _of_recordings(once, logits, TOP)
    assert repeated is not None
    assert expected is not None
    assert (repeated.temperature, repeated.bias) == pytest.approx((expected.temperature, expected.bias), rel=1e-4)


def test_unknown_labels_and_missing_recordings_teach_nothing() -> None:
    rows = [row(number, number % 2 == 1) for number in range(60)]
    logits = np.random.default_rng(2).normal(size=60)
    expected = _of_recordings(rows, logits, TOP)
    unknown = row(100, bad=False).model_copy(update={"label": "unknown"})
    assert _of_recordings([*rows, unknown, row(101, bad=True)], np.append(logits, [9.0, math.nan]), TOP) == expected


def with_defects(manifest: Path) -> Path:
    """Blots show in maps, steps in traces."""
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    for piece in rows:
        labels, heard = piece["modality_labels"], bool(piece.get("signals"))
        bad = piece.get("label") == "nok"
        piece["defects"] = ["blot"] * (bad and labels["image"] == "nok")
        piece["defects"] += ["step"] * (bad and heard and labels["signal"] == "nok")
    manifest.write_text("\n".join(map(json.dumps, rows)))
    return manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_defects(write_small_dataset(tmp_path_factory.mktemp("classes")))


@pytest.fixture(scope="module")
def trained(manifest: Path) -> Training:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_cost_ms", lambda expert, module: 1.0)
        return train(manifest, CONFIG, OPTIONS, lambda stage, done, total: None)


def test_training_calibrates_what_it_has_evidence_of(trained: Training) -> None:
    bundle = trained.bundle
    assert bundle.classes == ("blot", "step")
    whole = next(calibration for calibration in bundle.calibrations if len(calibration.experts) == 2)
    assert set(bundle.own_calibrations) == {"top-rings", "mic-profile"}
    assert {name: scale.shared for name, scale in whole.class_scales.items()} == {"blot": False, "step": False}
    assert "## Defect classes" in bundle.card
    content = json.loads(json.dumps(trained.figures))
    assert sorted(entry["name"] for entry in content["classes"]) == ["blot", "step"]
    assert "- Probabilities of classes: blot, step." in bundle.card
    assert "- Probabilities of experts: top-rings, mic-profile." in bundle.card


def test_cross_fitted_class_logits_are_those_of_heads_that_had_not_seen_the_piece(manifest: Path) -> None:
    change = {"head": CONFIG.head.model_copy(update={"max_steps": 0})}
    trainer = Trainer(Dataset(manifest), CONFIG.model_copy(update=change), OPTIONS, lambda stage, done, total: None)
    selected = trainer.fit_experts(trainer.keep(trainer.cross_validate()))
    fusion = trainer.fuse(selected)
    assert fusion.head.class_logits is not None
    assert fusion.class_logits().shape == (3, len(fusion.rows), 2)
    judged: Judged = trainer.judge(selected, fusion)
    assert {frozenset(calibration.experts) for calibration in judged.calibrations.values()} == set(fusion.sets)


def test_changed_experts_lose_their_probabilities(trained: Training) -> None:
    bundle = trained.bundle
    changed = _with_changed_experts(bundle, {"top-rings": bundle.experts[0]}, "adapted")
    assert set(changed.own_calibrations) == {"mic-profile"}
    assert all(not calibration.class_scales for calibration in changed.calibrations)


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        ((), ["fewer than 10 independent parts show them: blot (0), step (3)", "Raw scores of experts"]),
        (
            ("blot", "top"),
            ["Probabilities of classes: blot.", "show them: step (3)", "Probabilities of experts: top."],
        ),
    ],
)
def test_the_card_says_which_figures_are_raw(known: tuple[str, ...], lines: list[str]) -> None:
    sigmoid = Platt(temperature=1.0, bias=0.0)
    step = ClassScale(slope=1.0, bias=0.0, parts=3, shared=True)
    blot = ClassScale(slope=1.0, bias=0.0, parts=12, shared=False)
    whole = Calibration(
        experts=("top",), temperature=1.0, bias=0.0, pass_below=0.1, fail_above=0.9,
        class_scales={"step": step, **{name: blot for name in known if name == "blot"}},
    )  # fmt: skip
    card_lines = probability_lines(("blot", "step"), whole, ["top"], {name: sigmoid for name in known if name == "top"})
    assert len(card_lines) == len(lines)
    assert all(part in line for part, line in zip(lines, card_lines, strict=True))
