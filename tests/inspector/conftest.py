"""An embedded log for tests of the line."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[EmbeddedLog]:
    with closing(EmbeddedLog(path, EmbeddedSettings(lease_s=0.2))) as log:
        yield log
