"""The commands adapt and distil: which checkpoints pass the gates, and which are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fusion.calibration import probability
from fusion.expert_sets import expert_sets
from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.schema import Calibration, Certificate, Modality, Policy
from inspector.cli import main
from inspector.dataset.manifest import ManifestError
from inspector.simulation.dataset import CAMERA, MICROPHONE, write_dataset
from inspector.simulation.pieces import LineSettings
from inspector.training.adapt import adapt as adapt_module
from inspector.training.adapt.adapt import AdaptOptions, AdaptResult, RecipeResult, adapt, targets_by
from inspector.training.adapt.continual import AtLimit, Gate, Retention, Tolerance, at_limit
from inspector.training.adapt.evaluate_draft import fused_logits
from inspector.training.checkpoint import load_checkpoint, save_checkpoint
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.dataset import Dataset
from inspector.training.experts.gradient_descent import DescentSettings
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.inputs import build_encoder, input_form

pytestmark = pytest.mark.train

QUICK = AdaptOptions(Retention(descent=DescentSettings(epochs=2, learning_rate=1e-3)), memory=8)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Manifests of an old and a new recipe of few pieces."""
    folder = tmp_path_factory.mktemp("recipes")
    return [write_dataset(folder / str(seed), 60, LineSettings(seed=seed, defect_share=0.5)) for seed in (1, 2)]


def untrained(manifest, pass_below):
    torch.manual_seed(0)
    dataset = Dataset(manifest)
    camera = ImageExpert(name="top-full", modality=CAMERA, scout=False)
    sensor = SignalExpert(name="mic-scout", modality=MICROPHONE, encoder="log_mel", scaling="none")
    experts = tuple(_expert(dataset, config) for config in (camera, sensor))
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in experts)
    limits = [
        Calibration(experts=names, temperature=1.0, bias=0.0, pass_below=pass_below, fail_above=1.0)
        for names in expert_sets(experts)
    ]
    return TrainedBundle(
        name="disc",
        version="1",
        classes=dataset.classes,
        token_dim=8,
        modalities=tuple(Modality(name=m.name, kind=m.kind, classes=m.classes) for m in dataset.modalities),
        experts=experts,
        head=FusionHead(HeadForm(members, 8, len(dataset.classes))).eval(),
        calibrations=tuple(limits),
        policy=Policy(mode="dense"),
    )


def _expert(dataset, config):
    form = input_form(config, [example.recording for example in dataset.examples("train", config.modality).values()])
    return TrainedExpert(config, form, build_encoder(config, form, (8, len(dataset.classes)), {}).eval())


def checkpoint(folder, trained):
    save_checkpoint(folder, trained)
    return str(folder)


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_adapt_writes_a_checkpoint_where_the_old_recipe_keeps_its_recall(tmp_path, recipes, monkeypatch):
    """A limit of 0 holds everything back, before and after: nothing can be lost. The AUC of a dozen pieces is luck."""
    monkeypatch.setattr(adapt_module, "area_under_curve", lambda scores, labels: 0.5)
    old, new = recipes
    start = checkpoint(tmp_path / "old", untrained(old, pass_below=0.0))
    done = call("adapt", start, new, "--old", old, "--out", tmp_path / "new", "--memory", 8)
    assert done.exit_code == 0, done.output
    assert "kept: recall 1.000 -> 1.000" in done.output
    learned, given = load_checkpoint(tmp_path / "new"), load_checkpoint(tmp_path / "old")
    assert learned.provenance["adapted"] == "top-full, mic-scout"
    modules = [trained.experts[0].module for trained in (learned, given)]
    first, second = (module.get_parameter("readout.summary.weight") for module in modules)
    assert not torch.equal(first, second)


def test_adapt_writes_nothing_where_a_gate_is_shut(tmp_path, recipes, monkeypatch):
    old, new = recipes
    trained = untrained(old, pass_below=0.0)
    gate = Gate("old", AtLimit(90, 100, 5, 100), AtLimit(80, 100, 5, 100), Tolerance())
    learned = RecipeResult(0.9, AtLimit(9, 10, 1, 10))
    monkeypatch.setattr(
        "inspector.training.adapt.adapt.adapt", lambda *_: AdaptResult(trained, (gate,), learned, learned)
    )
    start = checkpoint(tmp_path / "old", trained)
    done = call("adapt", start, new, "--old", old, "--out", tmp_path / "new")
    assert done.exit_code == 1
    assert "lost: recall 0.900 -> 0.800 (90 -> 80 of 100 defective pieces" in done.output
    assert "is unchanged and nothing is written" in done.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("auc", "written"), [(0.9, True), (0.95, True), (0.89, False)])
def test_adapt_writes_nothing_where_the_new_recipe_fares_worse_than_before(
    tmp_path, recipes, monkeypatch, auc, written
):
    old, new = recipes
    trained = untrained(old, pass_below=0.0)
    results = [RecipeResult(0.9, AtLimit(9, 10, 1, 10)), RecipeResult(auc, AtLimit(9, 10, 1, 10))]
    monkeypatch.setattr(
        adapt_module, "evaluate_recipe", lambda bundle, dataset: results["adapted" in bundle.provenance]
    )
    monkeypatch.setattr(adapt_module, "learn", lambda expert, *_: expert)
    start = checkpoint(tmp_path / "old", trained)
    done = call("adapt", start, new, "--old", old, "--out", tmp_path / "new", "--memory", 8)
    assert (done.exit_code == 0, (tmp_path / "new").exists()) == (written, written)
    verdict = "learned" if written else "not learned"
    assert f"new recipe: {verdict}: AUC 0.900 -> {auc:.3f} on its calibration pieces" in done.output
    assert ("expected no less than before" in done.output) != written


def test_the_gates_measure_the_old_recipes_pieces_at_the_limit_in_force(recipes):
    old, new = map(Dataset, recipes)
    trained = untrained(recipes[0], 0.0)
    scores = probability(fused_logits(trained, old, "calibration"), 1.0, 0.0)
    labels = np.array([row.label == "nok" for row in old.labelled("calibration")])
    middle = float(np.median(scores))
    limits = tuple(calibration.model_copy(update={"pass_below": middle}) for calibration in trained.calibrations)
    adapted = adapt(replace(trained, calibrations=limits), new, {"old": old}, QUICK, lambda *_: None)
    after = probability(fused_logits(adapted.bundle, old, "calibration"), 1.0, 0.0)
    assert adapted.gates[0].before == at_limit(scores, labels, middle)
    assert adapted.gates[0].after == at_limit(after, labels, middle)
    assert 0 < adapted.gates[0].before.recall < 1


def test_no_certificate_outlives_the_experts_that_earned_it(recipes):
    old, new = map(Dataset, recipes)
    earned = Certificate(
        miss_rate=0.1, confidence=0.9, num_defects=9, claim=None, nearest=None, needs=13, sure_below=0.1
    )
    trained = replace(untrained(recipes[0], 0.0), certificate=earned)
    adapted = adapt(trained, new, {"old": old}, QUICK, lambda stage, done, total: None)
    assert adapted.bundle.certificate is None
    assert adapted.gates[0].open


def test_distil_puts_a_student_in_the_place_of_its_teacher(tmp_path, recipes):
    start = checkpoint(tmp_path / "old", untrained(recipes[0], pass_below=0.0))
    done = call("distil", start, recipes[0], "--expert", "top-full", "--out", tmp_path / "new", "--direct")
    assert done.exit_code == 0, done.output
    assert [expert.config.type for expert in load_checkpoint(tmp_path / "new").experts] == ["image", "signal"]
    assert load_checkpoint(tmp_path / "new").experts[0].config.encoder == "micro"


@pytest.mark.parametrize(
    ("expert", "finding"), [("typo", "name one of top-full, mic-scout"), ("mic-scout", "spectrum")]
)
def test_distil_names_what_can_be_distilled(tmp_path, recipes, expert, finding):
    start = checkpoint(tmp_path / "old", untrained(recipes[0], pass_below=0.0))
    done = call("distil", start, recipes[0], "--expert", expert, "--out", tmp_path / "new")
    assert done.exit_code == 1
    assert finding in done.output


def test_targets_follow_the_order_of_the_draft():
    targets = torch.tensor([[1.0, 0.0, 1.0]])
    assert targets_by(("a", "b", "c"), ("c", "a"), targets).tolist() == [[1.0, 1.0, 0.0, 0.0]]
    with pytest.raises(ManifestError, match="no class d"):
        targets_by(("a", "b"), ("d",), targets)


def test_experts_without_weights_to_move_are_not_adapted(recipes):
    old, new = map(Dataset, recipes)
    trained = untrained(recipes[0], 0.0)
    trained.experts[0].module.requires_grad_(False)
    adapted = adapt(trained, new, {"old": old}, QUICK, lambda *_: None)
    assert adapted.bundle.experts[0] is trained.experts[0]
    assert adapted.bundle.provenance["adapted"] == "mic-scout"
    trained.experts[1].module.requires_grad_(False)
    with pytest.raises(ManifestError, match="train it again"):
        adapt(trained, new, {"old": old}, QUICK, lambda *_: None)
