"""Verdicts on framed pictures: what lies outside changes nothing, what cannot be aligned does not pass."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle.framing import Framing
from inspector.bundle.load import BundleError, load
from inspector.engines.engine import EngineSettings
from inspector.inference.model import open_model
from inspector.recipe.recipe import Camera
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import State, View
from tests.bundles import MODALITIES, edit_manifest, judge_of, piece, toy_recipe, write_toy_bundle
from tests.inspector.framing.scenes import HEIGHT_PX, WIDTH_PX, aligned, scene

SQUARE = (((80.0, 40.0), (240.0, 40.0), (240.0, 200.0), (80.0, 200.0)),)
REGION = Framing(width_px=WIDTH_PX, height_px=HEIGHT_PX, region=SQUARE)


def framed_bundle(folder: Path, framing: Framing) -> Path:
    bundle = write_toy_bundle(folder)
    modalities = [m.model_copy(update={"framing": framing if m.name == "top" else None}) for m in MODALITIES]
    edit_manifest(bundle, {"modalities": [modality.model_dump(mode="json") for modality in modalities]})
    return bundle


def verdict(bundle: Path, image: np.ndarray, camera: Camera | None = None) -> pb.Verdict:
    recipe = toy_recipe(bundle).model_copy(update={"evidence": "always"})
    if camera is not None:
        recipe = recipe.model_copy(update={"cameras": (camera,)})
    (made,) = judge_of([recipe], clock_ns=lambda: 1).judge([piece(View("top", (image,), State.PRESENT))])
    made.cost_ms = 0
    for run in made.experts:
        run.cost_ms = 0
    return made


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return framed_bundle(tmp_path_factory.mktemp("framed") / "toy", REGION)


def picture(level: int) -> np.ndarray:
    image = np.full((HEIGHT_PX, WIDTH_PX), 10, np.uint8)
    image[40:200, 80:240] = level
    image[40:60, 80:100] += 5
    return image


def test_pixels_outside_of_the_region_leave_the_verdict_as_it_is_to_the_last_bit(bundle: Path) -> None:
    image = picture(60)
    changed = image.copy()
    changed[:40], changed[200:], changed[:, :80], changed[:, 240:] = 255, 200, 255, 90
    first, second = verdict(bundle, image), verdict(bundle, changed)
    assert first.HasField("defect_score")
    assert first == second
    assert first.decision == pb.DECISION_PASS
    assert verdict(bundle, picture(250)).decision == pb.DECISION_FAIL


def test_regions_and_heat_maps_lie_in_the_whole_picture(bundle: Path) -> None:
    image = picture(100)
    image[160:200, 200:240] = 255
    (evidence,) = verdict(bundle, image).images
    (region,) = evidence.regions
    assert (region.x_px, region.y_px, region.width_px, region.height_px) == (200, 160, 40, 40)
    heat = np.asarray(cv2.imdecode(np.frombuffer(evidence.heat_map_png, np.uint8), cv2.IMREAD_UNCHANGED))
    assert heat.shape == (192, 256)
    assert heat[:31].max() == 0
    assert heat[:, :63].max() == 0
    assert heat[144:157, 176:190].min() > 200


def test_a_piece_that_cannot_be_aligned_does_not_pass_whatever_the_recipe_says(tmp_path: Path) -> None:
    bundle = framed_bundle(tmp_path / "toy", aligned())
    easy = Camera(name="top", required=False, plausibility="off")
    there = verdict(bundle, (scene(10, 5, 2) // 2), easy)
    assert there.decision == pb.DECISION_PASS
    gone = verdict(bundle, np.full((HEIGHT_PX, WIDTH_PX), 30, np.uint8), easy)
    assert gone.decision == pb.DECISION_REVIEW
    (modality,) = [m for m in gone.modalities if m.name == "top"]
    assert modality.state == pb.MODALITY_STATE_IMPLAUSIBLE
    assert modality.reason == pb.MODALITY_REASON_ALIGNMENT
    assert "reference" in modality.detail


def test_a_picture_of_another_size_does_not_pass(bundle: Path) -> None:
    made = verdict(bundle, picture(60)[:, :-2].copy(), Camera(name="top", plausibility="off"))
    assert made.decision == pb.DECISION_REVIEW
    assert [m.reason for m in made.modalities if m.name == "top"] == [pb.MODALITY_REASON_FORMAT]


def test_a_bundle_whose_mask_is_no_picture_does_not_open(tmp_path: Path) -> None:
    broken = REGION.model_copy(update={"region": (), "mask_png": "abcd"})
    loaded = load(framed_bundle(tmp_path / "toy", broken))
    with pytest.raises(BundleError, match="camera top: is no PNG"):
        open_model(loaded, EngineSettings())
