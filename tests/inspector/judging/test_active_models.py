"""Which pieces a trial takes: evenly, and for ever the same."""

import pytest

from inspector.bundle.load import load
from inspector.engines.engine import EngineSettings
from inspector.inference.model import Model, open_model
from inspector.judging.active_models import (
    ActiveModels,
    DeployedModel,
    DeploymentTarget,
    Slot,
    Trial,
    hash_fraction,
    slot_for,
)
from streams.observation import InspectionId
from tests.bundles import toy_recipe, write_toy_bundle

PIECES = [InspectionId("line-1", f"st-{number % 3}", f"p-{number}", 0) for number in range(4000)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return open_model(load(write_toy_bundle(tmp_path_factory.mktemp("toy"))), EngineSettings())


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
def test_a_share_is_about_that_of_the_pieces(model: Model, share: float) -> None:
    trial = Trial(DeployedModel(model, 2), share=share)
    taken = sum(trial.matches(piece) for piece in PIECES) / len(PIECES)
    assert taken == pytest.approx(share, abs=3 * (share * (1 - share) / len(PIECES)) ** 0.5)


def test_where_a_piece_falls_is_the_same_on_every_machine() -> None:
    assert hash_fraction(InspectionId("line-1", "st-1", "p-7", 0)) == pytest.approx(0.1614751561)
    assert hash_fraction(InspectionId("line-1", "st-1", "p-7", 1)) != hash_fraction(
        InspectionId("line-1", "st-1", "p-7", 0)
    )


def test_a_larger_share_keeps_the_pieces_of_the_smaller(model: Model) -> None:
    small, large = (Trial(DeployedModel(model, 2), share=share) for share in (0.1, 0.3))
    assert all(large.matches(piece) for piece in PIECES if small.matches(piece))


def test_stations_are_taken_whole(model: Model) -> None:
    live, tried = DeployedModel(model), DeployedModel(model, 3)
    slot = Slot(live, Trial(tried, stations=frozenset({"st-1"})))
    assert {piece.station for piece in PIECES if slot.judge_of(piece) is tried} == {"st-1"}
    assert all(slot.judge_of(piece) is tried for piece in PIECES if piece.station == "st-1")


def test_a_shadow_takes_no_piece(model: Model) -> None:
    slot = Slot(DeployedModel(model), Trial(shadow := DeployedModel(model, 3)))
    assert slot.shadow is shadow
    assert all(slot.judge_of(piece) is slot.live for piece in PIECES)


def test_a_line_without_a_post_of_its_own_takes_that_of_the_recipe(model: Model) -> None:
    recipe = toy_recipe(model.bundle.folder)
    active_models = ActiveModels.from_recipes([recipe], {recipe.bundle: model})
    active_models.set(DeploymentTarget("line-1", recipe.name), Slot(DeployedModel(model, 5)))
    assert [slot_for(active_models.slots, line, recipe.name).live.number for line in ("line-1", "line-2")] == [5, 0]
