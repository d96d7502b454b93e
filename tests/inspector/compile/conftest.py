"""Bundles that are compiled once for all tests that look at them."""

import pytest

from inspector.bundle.load import LoadedBundle, load
from tests.inspector.compile.jobs import DEMO


@pytest.fixture(scope="session", params=["demo", "resnet18", "vit_small_patch16_224"])
def any_bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    """The demo's, and untrained ones with a large network, exported here."""
    if request.param == "demo":
        return load(DEMO)
    from tests.inspector.compile.large import write_large

    return write_large(tmp_path_factory.mktemp("large") / request.param, request.param)
