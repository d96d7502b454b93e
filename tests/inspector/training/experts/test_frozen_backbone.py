"""Readouts on frozen maps: masks teach where to look, unknown ones nothing, and mirrored maps keep their masks."""

import numpy as np
import pytest
import torch

from inspector.training.experts import frozen_backbone
from inspector.training.experts.frozen_backbone import FrozenBackboneFitter
from tests.inspector.training.small_training_data import PICTURE, SIDE_PX, no_progress, of_pictures, of_traces

pytestmark = pytest.mark.train

NUM, SIZE = 32, (32, 32)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_backbone, "STEPS", 40)
    torch.set_num_threads(1)
    torch.manual_seed(0)  # The backbone stands still where it started.


def drawn() -> tuple[np.ndarray, list[float], list[np.ndarray]]:
    """Every second picture is defective: bright where its mask is, and dark in its lower half, which no mask names."""
    rng = np.random.default_rng(0)
    pictures = rng.normal(0, 0.1, (NUM, SIDE_PX, SIDE_PX)).astype(np.float32)
    masks = [np.zeros((SIDE_PX, SIDE_PX), np.bool_) for _ in range(NUM)]
    for number in range(0, NUM, 2):
        left, decoy = rng.integers(0, SIDE_PX - 24, 2)
        masks[number][4:28, left : left + 24] = True
        pictures[number][masks[number]] += 1.5
        pictures[number][36:60, decoy : decoy + 24] -= 1.5
    return pictures, [float(number % 2 == 0) for number in range(NUM)], masks


def relevance_of(fitter: FrozenBackboneFitter, pictures: np.ndarray) -> torch.Tensor:
    encoder, _ = fitter.final(no_progress)
    with torch.no_grad():
        relevance: torch.Tensor = encoder.eval()(torch.from_numpy(pictures[:, None, None])).relevance
    return relevance


def inside_against_outside(relevance: torch.Tensor, masks: list[np.ndarray]) -> float:
    """Mean difference over the defective pictures."""
    step = SIDE_PX // relevance.shape[1]
    cells = [torch.from_numpy(mask[step // 2 :: step, step // 2 :: step]) for mask in masks]
    pairs = [(grid[cell].mean(), grid[~cell].mean()) for grid, cell in zip(relevance, cells, strict=True) if cell.any()]
    return float(np.mean([float(inside - outside) for inside, outside in pairs]))


def test_masks_teach_where_the_defect_is() -> None:
    pictures, targets, masks = drawn()
    untaught = FrozenBackboneFitter(of_pictures(pictures, targets, [None] * NUM))
    torch.manual_seed(0)
    taught = FrozenBackboneFitter(of_pictures(pictures, targets, masks))
    with_masks = inside_against_outside(relevance_of(taught, pictures), masks)
    without = inside_against_outside(relevance_of(untaught, pictures), masks)
    assert with_masks > 0.3
    assert with_masks > without + 0.05


def test_masks_that_are_unknown_teach_nothing() -> None:
    pictures, targets, masks = drawn()
    fitter = FrozenBackboneFitter(of_pictures(pictures, targets, [None] * NUM))
    assert frozen_backbone._place_loss(torch.full((2, *SIZE), 0.3), fitter._masks[:2]) == 0
    some = FrozenBackboneFitter(of_pictures(pictures, targets, [masks[0], *[None] * (NUM - 1)]))
    known = frozen_backbone._place_loss(torch.full((1, *SIZE), 0.3), some._masks[:1])
    beside_unknown = frozen_backbone._place_loss(torch.full((2, *SIZE), 0.3), some._masks[:2])
    assert known == beside_unknown > 0
    assert some.final(no_progress)[1].how.endswith("1 recordings with masks")


def test_a_mirrored_picture_has_its_mask_mirrored_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readout is shown the masks as maps: whatever is mirrored, truth and what is said of a place agree."""
    pictures, targets, masks = drawn()
    fitter = FrozenBackboneFitter(of_pictures(pictures, targets, masks))
    fitter._maps = [fitter._masks[:, None].expand(-1, 4, -1, -1).contiguous()]
    shown = []

    def compare(relevance: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        shown.append((relevance, truth))
        return relevance.new_zeros(())

    monkeypatch.setattr(frozen_backbone, "_place_loss", compare)
    readout = fitter._fit(torch.arange(NUM))
    weights = torch.tensor(1.0)
    shown.clear()
    readout.eval()
    optimiser = torch.optim.SGD(readout.parameters(), lr=0.0)
    for _ in range(8):
        fitter._step(readout, torch.arange(4), weights, optimiser)
    path_matrix = {tuple(truth.flatten().tolist()) for _, truth in shown}
    assert len(path_matrix) > 1
    for relevance, truth in shown:
        values = [relevance[truth == side].unique() for side in (0, 1)]
        assert [len(value) for value in values] == [1, 1]
        assert values[0] != values[1]


def test_a_picture_that_has_an_orientation_is_not_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, targets, masks = drawn()
    upright = FrozenBackboneFitter(of_pictures(pictures, targets, masks, PICTURE.model_copy(update={"turn": "none"})))
    seen: set[object] = set()

    def note(relevance: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        seen.update(tuple(grid.flatten().tolist()) for grid in truth)
        return relevance.new_zeros(())

    monkeypatch.setattr(frozen_backbone, "_place_loss", note)
    upright._fit(torch.arange(NUM))
    assert seen <= {tuple(grid.flatten().tolist()) for grid in upright._masks}


def test_every_recording_is_scored_by_a_fit_that_did_not_see_its_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, targets, masks = drawn()
    fitter = FrozenBackboneFitter(of_pictures(pictures, targets, masks))
    fitted_on: list[set[int]] = []
    fit = fitter._fit

    def fit_and_note(rows: torch.Tensor) -> object:
        fitted_on.append(set(rows.tolist()))
        return fit(rows)

    monkeypatch.setattr(fitter, "_fit", fit_and_note)
    first, second = torch.arange(NUM // 2), torch.arange(NUM // 2, NUM)
    logits = fitter.cross_fitted([0] * len(first) + [1] * len(second), no_progress)
    assert logits.isfinite().all()
    assert fitted_on == [set(second.tolist()), set(first.tolist())]
    again = FrozenBackboneFitter(of_pictures(pictures, targets, masks))
    again._encoder, again._maps = fitter._encoder, fitter._maps
    assert torch.equal(logits[first], again._read(again._fit(second), first))


def test_a_fold_with_all_defective_pictures_leaves_its_own_without_a_score() -> None:
    """A fit without them says nothing about them."""
    fitter = FrozenBackboneFitter(of_pictures(*drawn()))
    assert fitter.cross_fitted([number % 2 for number in range(NUM)], no_progress).isnan().all()


@pytest.mark.parametrize(("side_px", "defective"), [(0, 0), (2, 0), (3, 1), (256, 64)])
def test_a_place_is_defective_where_a_small_part_of_it_is_for_the_most(side_px: int, defective: int) -> None:
    mask = np.zeros((256, 256), np.bool_)
    mask[:side_px, :side_px] = True
    assert int(frozen_backbone._cells(mask, (8, 8)).sum()) == defective


def test_an_expert_without_a_backbone_is_refused() -> None:
    data = of_traces(np.zeros((4, 48), np.float32), [0, 1, 0, 1], list("abcd"))
    with pytest.raises(TypeError, match="trace-profile has no backbone that can be frozen"):
        FrozenBackboneFitter(data)
