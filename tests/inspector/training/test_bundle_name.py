"""A bundle without a name of its own is called as its folder is, where a bundle may be called so."""

from pathlib import Path

import pytest

from inspector.cli.training import named_after
from inspector.training.config import TrainConfig

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("folder", "settings", "name"),
    [
        ("bundles/cup-7", TrainConfig(), "cup-7"),
        ("bundles/cup-7", TrainConfig(name="lid"), "lid"),
        ("bundles/Becher Nr. 5", TrainConfig(), "bundle"),
    ],
)
def test_the_name_of_a_bundle(folder: str, settings: TrainConfig, name: str) -> None:
    assert named_after(Path(folder), settings).name == name
