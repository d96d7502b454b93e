"""A scratch of 10 px in a picture of 20 MP is found with tiles and missed without, and `check` had said so."""

from pathlib import Path

import pytest

from inspector import Inspector
from inspector.bundle.load import load
from inspector.diagnostics.visible_lines import visible_lines
from inspector.framing.tables import CameraFraming, TilesTable
from inspector.recipe.strict_recipe import strict_recipe
from inspector.training.config import HeadFitting, ImageExpert, TrainConfig
from inspector.training.export import write_bundle
from inspector.training.train import train
from inspector.training.trainer import TrainOptions
from tests.large_pictures import SPOT_PX, unseen_pictures, write_large_pictures

pytestmark = [pytest.mark.train, pytest.mark.timeout(1200)]

EXPERT = {
    "name": "top-full", "modality": "top", "scout": False, "encoder": "test_efficientnet", "readout": "kernel",
    "stages": (0,), "turn": "none",
}  # fmt: skip
WHOLE = ImageExpert.model_validate({**EXPERT, "height_px": 320, "width_px": 320})
TILED = ImageExpert.model_validate(EXPERT)


def silent(*_: object) -> None:
    """Reports no progress."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large_pictures(tmp_path_factory.mktemp("large"))


def trained(manifest: Path, expert: ImageExpert, cameras: dict[str, CameraFraming]) -> Path:
    """By a frozen network with random weights and a kernel machine: fitted in one pass."""
    config = TrainConfig(
        token_dim=8, num_folds=2, policy="dense", refit="never", head=HeadFitting(max_steps=0, num_folds=2),
        cameras=cameras, experts=(expert,),
    )  # fmt: skip
    folder = manifest.parent / f"bundle-{len(cameras)}"
    write_bundle(folder, train(manifest, config, TrainOptions(seed=0), silent).bundle)
    return folder


def scores(folder: Path) -> tuple[list[float], list[float]]:
    """Of four good pieces and four with a scratch that training never saw."""
    judge = Inspector.from_pretrained(folder)
    found = [judge.inspect({"top": picture}).score or 0.0 for picture in unseen_pictures(8)]
    return found[::2], found[1::2]


def said(folder: Path) -> str:
    """What `inspector check` says of the bundle."""
    schema = load(folder).schema
    return "\n".join(visible_lines(strict_recipe(schema, folder), schema))


def test_it_is_missed_when_the_picture_is_shrunk_and_check_says_so(manifest: Path) -> None:
    folder = trained(manifest, WHOLE, {})
    good, scratched = scores(folder)
    assert min(scratched) < max(good)
    assert "smallest visible defect about 47 px" in said(folder)
    assert "WARNING, smaller defects may be lost" in said(folder)


def test_it_is_found_with_tiles(manifest: Path) -> None:
    folder = trained(manifest, TILED, {"top": CameraFraming(tiles=TilesTable(smallest_defect_px=SPOT_PX))})
    good, scratched = scores(folder)
    assert min(scratched) > max(good)
    assert "smallest visible defect about 10 px" in said(folder)
    assert "WARNING" not in said(folder)
