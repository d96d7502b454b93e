"""Several images of a camera: training sees all of them, and scores a piece by the one that the line keeps."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.load import load
from inspector.bundle.schema import Modality
from inspector.dataset.files import sources_of
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, read_manifest
from inspector.dataset.splits import folds
from inspector.engines.engine import EngineSettings
from inspector.evaluation.evaluate import evaluate
from inspector.inference.examination import Examination
from inspector.inference.model import open_model
from inspector.training.config import ImageExpert, JointFitting
from inspector.training.data import examples
from inspector.training.dataset import Dataset
from inspector.training.experts import selection
from inspector.training.experts.fitting import TrainingData
from inspector.training.experts.network import encode
from inspector.training.export import TrainedExpert, write_bundle
from inspector.training.frames import worst
from inspector.training.good_only.fit import fit_good_only, good_recordings
from inspector.training.good_only.good_pieces import GoodOptions, good_pieces
from inspector.training.good_only.limits import held_by_piece
from inspector.training.head.joint_finetune import _Run, fine_tune
from inspector.training.head.joint_pieces import joint_pieces
from inspector.training.inputs import build_encoder, input_form
from streams.observation import InspectionId, Observation, from_files
from streams.records import Topics
from tests.bundles import write_toy_bundle
from tests.inspector.training.frames_dataset import NUM, NUM_FRAMES, write_frames
from tests.inspector.training.small_training_data import TRACE, TRACE_FORM

pytestmark = pytest.mark.train
TOP = Modality(name="top", kind="image")
TOPICS = Topics("t", "l")


def quiet(*_: object) -> None:
    """Nobody wants to know how far it is."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.mark.parametrize("seed", range(20))
def test_the_image_that_stands_for_a_piece_is_that_of_the_line(tmp_path: Path, seed: int) -> None:
    """Random pieces of one to six grey images; equal ones are frequent."""
    rng = np.random.default_rng(seed)
    greys = [rng.integers(0, 4, rng.integers(1, 7)) for _ in range(12)]
    model = open_model(load(write_toy_bundle(tmp_path)), EngineSettings("onnx", threads=1))
    pieces = [_piece(str(number), shades.tolist()) for number, shades in enumerate(greys)]
    line, alone = (
        Examination(model, shades, max_batch=5)
        for shades in (pieces, [_piece("one", [grey]) for shades in greys for grey in shades.tolist()])
    )
    ends = np.cumsum([0, *map(len, greys)]).tolist()
    frames = [tuple(range(first, last)) for first, last in pairwise(ends)]
    for expert in model.schema.experts[:2]:
        for examination in (line, alone):
            examination.run_expert(expert, range(len(examination.pieces)))
        logits = torch.tensor([looks[expert.name].defect_logit for looks in alone.expert_outputs])
        kept = [first + looks[expert.name].image for first, looks in zip(ends, line.expert_outputs, strict=False)]
        assert worst(logits, frames).tolist() == kept


def _piece(name: str, greys: Sequence[int]) -> Observation:
    images = [("top", np.full((4, 4), 60 * grey, np.uint8)) for grey in greys]
    return from_files(InspectionId("l", "s", name), "p", images, [])


def test_a_piece_that_is_not_wholly_scored_has_no_score() -> None:
    logits = torch.tensor([1.0, math.nan, 3.0, 2.0, 2.0])
    assert worst(logits, [(0, 1), (0, 2), (4, 3), (), (1, 2)]).tolist() == [1, 2, 4, 0, 1]


def row_of(paths: Sequence[str], label: str = "nok", **more: object) -> PieceRow:
    images = tuple(ImageRow(camera="top", path=path) for path in paths)
    return PieceRow.model_validate(
        {"piece_id": "".join(paths), "images": images, "label": label, "split": "train", "groups": {"lot": "1"}} | more
    )


def test_the_recordings_of_a_piece_are_all_images_and_the_last_of_a_sensor() -> None:
    """The line keeps one clip of a sensor, and a second file takes the place of the first."""
    signals = [SignalRow(sensor="mic", kind="audio", sample_rate_hz=8, path=path) for path in ("a.wav", "b.wav")]
    other = ImageRow(camera="side", path="s.png")
    row = row_of(["a.png", "b.png"], signals=tuple(signals))
    row = row.model_copy(update={"images": (row.images[0], other, row.images[1])})
    assert [source.path for source in sources_of(row, "top")] == ["a.png", "b.png"]
    assert [source.path for source in sources_of(row, "side")] == ["s.png"]
    assert [source.path for source in sources_of(row, "mic")] == ["b.wav"]
    assert sources_of(row, "eye") == ()


def test_every_image_is_an_example_with_the_label_of_its_piece(manifest: Path) -> None:
    rows = read_manifest(manifest, "train")
    by_path = examples(manifest.parent, rows, TOP, ())
    assert list(by_path) == [image.path for row in rows for image in row.images]
    assert [example.targets[0] for example in by_path.values()] == [
        row.label == "nok" for row in rows for _ in row.images
    ]
    good = by_path[rows[1].images[2].path].mask
    assert good is not None
    assert not good.any()


def test_nobody_knows_in_which_image_a_mask_lies(manifest: Path) -> None:
    row = read_manifest(manifest, "train")[0].model_copy(update={"mask": "nowhere.png"})
    by_path = examples(manifest.parent, [row], TOP, ())
    assert [example.mask for example in by_path.values()] == [None] * NUM_FRAMES


def test_the_images_of_a_piece_lie_in_one_fold(manifest: Path) -> None:
    dataset = Dataset(manifest)
    recordings = list(dataset.examples("train", "top").values())
    chosen = folds([example.group for example in recordings], 3, seed=0)
    pieces = dataset.pieces_of(["train"], "top")
    assert [len(frames) for frames in pieces] == [NUM_FRAMES] * NUM["train"]
    assert all(len({chosen[recordings[index].group] for index in frames}) == 1 for frames in pieces)


def test_an_expert_is_judged_by_piece_and_not_by_image() -> None:
    """Two images in three of a defective piece show nothing, and no expert is to know them."""
    logits = torch.tensor([[0.0], [5.0], [0.1], [0.2], [0.0], [0.1]])
    targets = torch.tensor([[1.0]] * 3 + [[0.0]] * 3)
    data = TrainingData(TRACE, TRACE_FORM, logits, targets, (), (), (8, 0), {}, 0, pieces=((0, 1, 2), (3, 4, 5)))
    assert data.judged(logits).tolist() == [[5.0], [pytest.approx(0.2)]]
    assert data.judged_targets.tolist() == [[1.0], [0.0]]
    assert selection.CrossValidationResult(data, None, logits, 0.5).judged.tolist() == data.judged(logits).tolist()  # type: ignore[arg-type]


def test_a_good_only_bundle_holds_out_whole_pieces_and_is_as_strict_as_the_line(manifest: Path) -> None:
    rows = good_pieces(manifest, GoodOptions())
    lot = [row.model_copy(update={"groups": {"lot": "7"}}) for row in rows]
    good = good_recordings(manifest.parent, lot, TOP)
    assert len(good.recordings) == NUM_FRAMES * len(rows)
    assert [good.groups.count(group) for group in dict.fromkeys(good.groups)] == [NUM_FRAMES] * len(rows)
    logits = torch.arange(len(good.paths), dtype=torch.float32)
    by_piece = held_by_piece(lot, [(good, logits)])[:, 0].tolist()
    assert by_piece == [float(NUM_FRAMES * (number + 1) - 1) for number in range(len(rows))]


def test_a_good_only_bundle_finds_the_defect_too(manifest: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "cold", fit_good_only(manifest, GoodOptions(), quiet).bundle)
    dense = evaluate(tmp_path / "cold", manifest, "test", 0.05, quiet).report.decisions["dense"]
    assert dense.failed == 0
    assert len(dense.escapes) <= 1, "of 8 defective pieces"
    assert dense.passed >= 10, "of 16 good pieces"


def test_the_joint_fit_goes_on_with_the_image_most_like_a_defect(manifest: Path) -> None:
    dataset = Dataset(manifest)
    torch.manual_seed(0)
    config = ImageExpert(name="top-scout", modality="top", scout=True, height_px=16, width_px=16)
    form = input_form(config, [])
    expert = TrainedExpert(config, form, build_encoder(config, form, (8, 0), {}).eval())
    head = FusionHead(HeadForm((Member("top", expert.num_tokens),), 8, 0))
    pieces = joint_pieces(dataset, [expert])
    with torch.no_grad():
        (encodings,) = _Run([expert], head, pieces, JointFitting())._encode(torch.tensor([4, 1]), changed=False)
        alone = encode(expert.module, pieces.inputs[0], form).logits[:, 0]
    expected = [alone[NUM_FRAMES * number : NUM_FRAMES * (number + 1)].max() for number in (4, 1)]
    assert torch.allclose(encodings.logits[:, 0], torch.stack(expected), atol=1e-5)
    assert fine_tune([expert], head, dataset, JointFitting(epochs=1, head_steps=2), 0, quiet).staged_loss > 0
