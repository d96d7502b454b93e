"""A recipe may repeat the framing of its bundle; where the two differ, `check` and `serve` refuse it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle.framing import Framing
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle
from inspector.framing.resolve import resolved
from inspector.framing.tables import CameraFraming
from inspector.recipe.compatibility import misfits
from inspector.recipe.recipe import Camera
from tests.bundles import MODALITIES, toy_recipe, write_toy_bundle
from tests.inspector.framing.scenes import HEIGHT_PX, WIDTH_PX, scene

SQUARE = [[80, 72], [240, 72], [240, 168], [80, 168]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement")
    cv2.imwrite(str(folder / "ref.png"), scene(seed=0))
    cv2.imwrite(str(folder / "other.png"), scene(seed=5))
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    mask[72:168, 80:240] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    write_toy_bundle(folder / "toy")
    return folder


def framing(folder: Path, table: dict[str, object]) -> Framing | None:
    return resolved(CameraFraming.model_validate(table, context={"folder": folder}), (WIDTH_PX, HEIGHT_PX), None)


def problems(folder: Path, trained: Framing | None, keys: dict[str, object]) -> list[str]:
    schema: Bundle = load(folder / "toy").schema
    top = MODALITIES[0].model_copy(update={"framing": trained})
    bundle = schema.model_copy(update={"modalities": (top, MODALITIES[1])})
    camera = Camera.model_validate({"name": "top", **keys}, context={"folder": folder})
    recipe = toy_recipe(folder / "toy").model_copy(update={"cameras": (camera,)})
    return [str(problem) for problem in misfits(recipe, bundle)]


BOTH: dict[str, object] = {"region": SQUARE, "align": {"reference": "ref.png"}}


@pytest.mark.parametrize("keys", [{}, {"region": SQUARE}, {"mask": "mask.png"}, {"align": BOTH["align"]}, BOTH])
def test_what_a_recipe_leaves_out_is_the_bundles_and_what_it_repeats_agrees(
    folder: Path, keys: dict[str, object]
) -> None:
    assert problems(folder, framing(folder, BOTH), keys) == []


@pytest.mark.parametrize(
    ("trained", "keys", "finding"),
    [
        (None, {"region": SQUARE}, "region is given here, and bundle 'toy' was trained on whole pictures"),
        (BOTH, {"region": [[80, 72], [240, 72], [240, 160]]}, "region marks other pixels than that of bundle 'toy'"),
        (BOTH, {"align": {"reference": "other.png"}}, "align has another reference or other limits"),
        (BOTH, {"align": {"reference": "ref.png", "max_turn_deg": 9}}, "align has another reference or other limits"),
        ({"region": SQUARE}, {"align": BOTH["align"]}, "align is given here and not in bundle 'toy'"),
        (BOTH, {"mask": "gone.png"}, "gone.png: cannot be read"),
        (None, {"tiles": {"rows": 2, "cols": 3}}, "tiles are 2 x 3 here and 1 x 1 in the bundle"),
        (
            {"region": SQUARE},
            {"tiles": {"smallest_defect_px": 10}},
            "the smallest that the bundle sees has about 120 px",
        ),
    ],
)
def test_a_difference_is_a_problem_with_its_remedy(
    folder: Path, trained: dict[str, object] | None, keys: dict[str, object], finding: str
) -> None:
    (problem,) = problems(folder, None if trained is None else framing(folder, trained), keys)
    assert finding in problem
    assert "cameras.top" in problem or "correct the path" in problem
