"""Which experts are proposed for which recordings."""

import numpy as np
import pytest

from inspector.bundle.schema import Modality
from inspector.training.config import SignalExpert
from inspector.training.experts.defaults import (
    ENOUGH_FOR_NETWORKS,
    FEW_MAPS,
    SMALL_BACKBONE,
    camera_candidates,
    sensor_candidates,
)

pytestmark = pytest.mark.train

WAFERS = [np.array([[0, 128], [255, 128]], np.uint8)] * 2
OTHER_MAPS = [np.array([[0, 100], [200, 100]], np.uint8)] * 2
PICTURES = [np.arange(200 * 200, dtype=np.uint16).reshape(200, 200).astype(np.uint8)] * 2


@pytest.mark.parametrize(
    ("pictures", "weights", "names"),
    [
        (WAFERS, [], ["top-full", "top-rings"]),
        (WAFERS, [SMALL_BACKBONE], ["top-full", "top-rings"]),
        (OTHER_MAPS, [], ["top-scout", "top-full"]),
        (PICTURES, [], ["top-scout", "top-full"]),
        (PICTURES, ["other"], ["top-scout", "top-full"]),
        (PICTURES, [SMALL_BACKBONE], ["top-scout", "top-full-224", "top-full-320"]),
    ],
)
def test_cameras_get_what_suits_their_pictures(
    pictures: list[np.ndarray], weights: list[str], names: list[str]
) -> None:
    candidates = camera_candidates("top", pictures, weights)
    assert [candidate.name for candidate in candidates] == names
    assert {candidate.modality for candidate in candidates} == {"top"}
    assert any(candidate.scout for candidate in candidates)


@pytest.mark.parametrize(("number", "every"), [(FEW_MAPS, True), (FEW_MAPS + 1, False)])
def test_every_fold_is_fitted_only_where_maps_are_few(number: int, every: bool) -> None:
    network, rings = camera_candidates("top", WAFERS[:1] * number, [])
    assert network.fitting.every_fold is every
    assert (network.scout, rings.scout) == (False, True)


def test_only_given_weights_are_started_from() -> None:
    encoders = {
        bool(weights): {candidate.encoder for candidate in camera_candidates("top", PICTURES, weights)}
        for weights in ([], [SMALL_BACKBONE])
    }
    assert encoders == {False: {"tiny"}, True: {SMALL_BACKBONE}}


@pytest.mark.parametrize(
    ("kind", "num_recordings", "encoders"),
    [
        ("audio", ENOUGH_FOR_NETWORKS - 1, ["sound_profile"]),
        ("audio", ENOUGH_FOR_NETWORKS, ["sound_profile", "log_mel"]),
        ("vibration", 10, ["trace_profile"]),
        ("trace", ENOUGH_FOR_NETWORKS, ["trace_profile", "tcn"]),
    ],
)
def test_networks_compete_only_where_there_are_recordings_enough(
    kind: str, num_recordings: int, encoders: list[str]
) -> None:
    modality = Modality.model_validate({"name": "mic", "kind": kind})
    candidates = sensor_candidates(modality, num_recordings)
    assert [candidate.encoder for candidate in candidates] == encoders
    scalings = {candidate.scaling for candidate in candidates if isinstance(candidate, SignalExpert)}
    assert scalings == {"none" if kind == "audio" else "standard"}
