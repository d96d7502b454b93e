"""Fixtures of trainings of the small dataset. Imports wait: files without a training share this module."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def no_clock() -> Iterator[None]:
    """What an expert costs is measured elsewhere."""
    from inspector.training.experts import selection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_cost_ms", lambda expert, module: 1.0 if expert.scout else 3.0)
        yield


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.inspector.training.small_dataset import write_small_dataset

    return write_small_dataset(tmp_path_factory.mktemp("plain"))
