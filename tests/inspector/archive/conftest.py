"""An empty archive, on each of the two databases."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.migrate import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
    with closing(Database(url)) as made:
        upgrade(made)
        yield made


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)
