"""An embedded log for tests of the line, and the address of a database for tests of the floor."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.archive.tables import postgres_archive
from tests.servers.databases import DATABASES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[EmbeddedLog]:
    with closing(EmbeddedLog(path, EmbeddedSettings(lease_s=0.2))) as log:
        yield log


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without verdicts, of each of the two kinds. In PostgreSQL it has its tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite'}"
    return postgres_archive(request.getfixturevalue("postgres"))
